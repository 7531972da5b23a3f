import {
  GetExecutionHistoryCommand,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import {
  endOfExecution,
  invokeTask,
  makeFunction,
  makeStateMachine,
  runStates,
  stepFunctions,
  uniqueName,
} from './fixtures.ts';
import { printed } from './function-log.ts';

// A real account's runtime brings the SDK; a function of the local cloud has only what is in its zip.
const CODE = `
async function sendTaskSuccess(input) {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if (endpoint === undefined) {
    const { SFNClient, SendTaskSuccessCommand } = require('@aws-sdk/client-sfn');
    return await new SFNClient().send(new SendTaskSuccessCommand(input));
  }
  const credential = 'test/20260101/' + process.env.AWS_REGION + '/states/aws4_request';
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'AWSStepFunctions.SendTaskSuccess',
      authorization: 'AWS4-HMAC-SHA256 Credential=' + credential + ', SignedHeaders=host, Signature=none',
    },
    body: JSON.stringify(input),
  });
  if (!answer.ok) throw new Error(await answer.text());
}
exports.handler = async (event) => {
  console.log(JSON.stringify({ run: event.run, token: event.token }));
  if (event.answer) await sendTaskSuccess({ taskToken: event.token, output: JSON.stringify(event.answer) });
  if (event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  if (event.fail) throw Object.assign(new Error('told to fail'), { name: event.fail });
};`;

const CAUGHT = { Type: 'Pass', Result: 'caught', End: true };
const whenTimedOut = { Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'Caught' }] };

/** https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token */
describe('a task that waits for a token', () => {
  let subject: Awaited<ReturnType<typeof makeFunction>>;
  beforeAll(async () => {
    subject = await makeFunction(CODE);
  });
  afterAll(async () => await subject.remove());

  const task = (payload: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
    Parameters: { FunctionName: subject.arn, Payload: { ...payload, 'token.$': '$$.Task.Token' } },
    End: true,
    ...more,
  });

  /** An execution that waits; its token is what the function was given. */
  async function waiting(more: Record<string, unknown> = {}) {
    const run = uniqueName('run');
    const machine = await makeStateMachine({ Task: task({ run }, more), Caught: CAUGHT });
    const { executionArn = '' } = await stepFunctions.send(
      new StartExecutionCommand({ stateMachineArn: machine.arn, input: '{}' }),
    );
    const tokens = async (count: number) =>
      (await printed<{ run: string; token: string }>(subject.name, count, (row) => row.run === run)).map(
        ({ token }) => token,
      );
    const [token = ''] = await tokens(1);
    return { executionArn, token, tokens };
  }

  const succeed = async (taskToken: string, output = '{}') =>
    await stepFunctions.send(new SendTaskSuccessCommand({ taskToken, output }));
  const isOver = { name: 'TaskTimedOut' };

  describe('whose function answers itself', () => {
    test('goes on at once, though the function runs on', async () => {
      const start = performance.now();
      const end = await runStates({ Task: task({ answer: { n: 1 }, sleep: 5_000 }) });
      expect(end).toMatchObject({ status: 'SUCCEEDED', output: { n: 1 } });
      expect(performance.now() - start).toBeLessThan(4_000);
    });

    test('has succeeded, though the function then throws', async () => {
      const end = await runStates({ Task: task({ answer: { n: 2 }, fail: 'Misconfigured' }) });
      expect(end).toMatchObject({ status: 'SUCCEEDED', output: { n: 2 } });
    });
  });

  /** https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html */
  describe('takes answers', () => {
    test('of which the first wins, and the others learn that it is over', async () => {
      const { executionArn, token } = await waiting();
      const answers = await Promise.allSettled([1, 2, 3, 4].map(async (n) => await succeed(token, `{"n":${n}}`)));
      const winner = answers.findIndex(({ status }) => status === 'fulfilled');
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject(isOver);
      expect(JSON.parse((await endOfExecution(executionArn)).output ?? '')).toEqual({ n: winner + 1 });
      const failure = stepFunctions.send(new SendTaskFailureCommand({ taskToken: token, error: 'Late' }));
      await expect(failure).rejects.toMatchObject(isOver);
      const heartbeat = stepFunctions.send(new SendTaskHeartbeatCommand({ taskToken: token }));
      await expect(heartbeat).rejects.toMatchObject(isOver);
    });

    test('only in JSON, and waits on after another', async () => {
      const { executionArn, token } = await waiting();
      await expect(succeed(token, 'not JSON')).rejects.toMatchObject({ name: 'InvalidOutput' });
      await succeed(token, '"JSON"');
      expect((await endOfExecution(executionArn)).output).toBe('"JSON"');
    });

    test('only to what is a token', async () => {
      await expect(succeed('garbage')).rejects.toMatchObject({ name: 'InvalidToken' });
    });

    test('no more when its time is over', async () => {
      const { executionArn, token } = await waiting({ TimeoutSeconds: 1 });
      expect(await endOfExecution(executionArn)).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
      await expect(succeed(token)).rejects.toMatchObject(isOver);
      const failure = stepFunctions.send(new SendTaskFailureCommand({ taskToken: token }));
      await expect(failure).rejects.toMatchObject(isOver);
    });

    test('no more when its execution was stopped', async () => {
      const { executionArn, token } = await waiting();
      await stepFunctions.send(new StopExecutionCommand({ executionArn }));
      await expect(succeed(token)).rejects.toMatchObject(isOver);
    });
  });

  test('gets another token for each attempt', async () => {
    const Retry = [{ ErrorEquals: ['Again'], IntervalSeconds: 1, MaxAttempts: 1 }];
    const { executionArn, token, tokens } = await waiting({ Retry });
    await stepFunctions.send(new SendTaskFailureCommand({ taskToken: token, error: 'Again' }));
    const [, second = ''] = await tokens(2);
    expect(second).not.toBe(token);
    await expect(succeed(token)).rejects.toMatchObject(isOver);
    await succeed(second, '"second"');
    expect((await endOfExecution(executionArn)).output).toBe('"second"');
  });

  describe('waits', () => {
    test('TimeoutSeconds from its start, whatever its function does', async () => {
      const start = performance.now();
      const states = { Task: task({ sleep: 5_000 }, { TimeoutSeconds: 1, ...whenTimedOut }), Caught: CAUGHT };
      expect((await runStates(states)).output).toBe('caught');
      expect(performance.now() - start).toBeLessThan(4_000);
    });

    test('as long as TimeoutSecondsPath says', async () => {
      const states = { Task: task({}, { TimeoutSecondsPath: '$.seconds', ...whenTimedOut }), Caught: CAUGHT };
      const start = performance.now();
      expect((await runStates(states, { input: { seconds: 2 }, withinMilliseconds: 6_000 })).output).toBe('caught');
      expect(performance.now() - start).toBeGreaterThan(1_990);
    });

    test('HeartbeatSeconds from the last sign of life', async () => {
      const { executionArn, token } = await waiting({ HeartbeatSeconds: 2, TimeoutSeconds: 10 });
      await runStates({ Wait: { Type: 'Wait', Seconds: 1, End: true } });
      const start = performance.now();
      await stepFunctions.send(new SendTaskHeartbeatCommand({ taskToken: token }));
      const end = await endOfExecution(executionArn);
      expect(end).toMatchObject({ status: 'FAILED', error: 'States.HeartbeatTimeout' });
      expect(performance.now() - start).toBeGreaterThan(1_990);
      expect(performance.now() - start).toBeLessThan(5_000);
    });
  });

  test('has timed out by its history', async () => {
    const end = await runStates({ Task: task({}, { TimeoutSeconds: 1 }) });
    const { events = [] } = await stepFunctions.send(new GetExecutionHistoryCommand({ executionArn: end.arn }));
    expect(events.find(({ type }) => type === 'TaskTimedOut')?.taskTimedOutEventDetails).toMatchObject({
      error: 'States.Timeout',
    });
    expect(events.some(({ type }) => type === 'TaskFailed')).toBe(false);
  });

  describe('and one that does not', () => {
    test('takes at most as long as TimeoutSecondsPath says', async () => {
      const end = await runStates(
        { Task: invokeTask(subject.arn, { TimeoutSecondsPath: '$.seconds', ...whenTimedOut }), Caught: CAUGHT },
        { input: { seconds: 1, sleep: 4_000 } },
      );
      expect(end.output).toBe('caught');
    });

    test('fails when TimeoutSecondsPath leads to no positive integer', async () => {
      const states = { Task: invokeTask(subject.arn, { TimeoutSecondsPath: '$.seconds' }) };
      for (const seconds of [0, 1.5, '1', null]) {
        expect(await runStates(states, { input: { seconds } })).toMatchObject({
          status: 'FAILED',
          error: 'States.Runtime',
        });
      }
    });
  });
});
