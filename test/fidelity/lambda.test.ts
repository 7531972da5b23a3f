import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { InvokeCommand } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually } from './eventually.ts';
import { lambda, makeFunction } from './fixtures.ts';

const CODE = `
let calls = 0;
exports.handler = async (event, context) => {
  calls += 1;
  if (event && event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  if (event && event.log) { console.log(event.log); console.error('error: ' + event.log); }
  if (event && event.write) process.stdout.write(event.write + '\\n');
  if (event && event.fail) { const error = new Error('told to fail'); error.name = event.fail; throw error; }
  if (event && event.lines) for (let i = 0; i < event.lines; i++) console.log('line ' + i);
  if (event && event.context) {
    return { name: context.functionName, version: context.functionVersion, arn: context.invokedFunctionArn,
      remaining: context.getRemainingTimeInMillis(), requestId: context.awsRequestId, memory: context.memoryLimitInMB,
      logGroup: context.logGroupName };
  }
  return { event, calls, pid: process.pid };
};`;

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html and nodejs-context.html */
describe('Lambda', () => {
  let subject: Awaited<ReturnType<typeof makeFunction>>;
  let impatient: Awaited<ReturnType<typeof makeFunction>>;
  beforeAll(async () => {
    subject = await makeFunction(CODE);
    impatient = await makeFunction(CODE, { Timeout: 1 });
  });
  afterAll(async () => {
    await subject.remove();
    await impatient.remove();
  });

  async function invoke(payload: unknown, name = subject.name) {
    const answer = await lambda.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload) }));
    return { error: answer.FunctionError, body: JSON.parse(answer.Payload?.transformToString() ?? 'null') as never };
  }

  test('reports what was thrown by its own name, with message and trace', async () => {
    const { error, body } = await invoke({ fail: 'LeaseHeld' });
    expect(error).toBe('Unhandled');
    expect(body).toMatchObject({ errorType: 'LeaseHeld', errorMessage: 'told to fail' });
    expect((body as { trace: unknown }).trace).toBeInstanceOf(Array);
  });

  test('keeps its process after an error, as an execution environment does', async () => {
    const before = (await invoke({})).body as { calls: number; pid: number };
    await invoke({ fail: 'Whatever' });
    const after = (await invoke({})).body as { calls: number; pid: number };
    expect(after).toMatchObject({ pid: before.pid, calls: before.calls + 2 });
  });

  test('gives the handler its payload unchanged, whatever its type', async () => {
    for (const payload of ['text', 17, [1, { two: 2 }], null]) {
      expect((await invoke(payload)).body).toMatchObject({ event: payload });
    }
  });

  test('tells the handler who it is and how long it still has', async () => {
    const { body } = await invoke({ context: true, sleep: 200 });
    expect(body).toMatchObject({
      name: subject.name,
      version: '$LATEST',
      arn: subject.arn,
      logGroup: `/aws/lambda/${subject.name}`,
    });
    const { remaining } = body as { remaining: number };
    expect(remaining).toBeGreaterThan(8_000);
    expect(remaining).toBeLessThan(9_850);
  });

  test('ends an invocation at its timeout', async () => {
    const { error, body } = await invoke({ sleep: 5_000 }, impatient.name);
    expect(error).toBe('Unhandled');
    expect(body).toMatchObject({
      errorType: 'Sandbox.Timedout',
      errorMessage: expect.stringContaining('timed out after 1.00 seconds'),
    });
  });

  test('answers a warm invocation quickly', async () => {
    await invoke({});
    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const start = performance.now();
      await invoke({});
      times.push(performance.now() - start);
    }
    expect(times.sort((a, b) => a - b)[7]).toBeLessThan(40);
  });

  test('is not confused by what the handler writes', async () => {
    expect((await invoke({ write: '{"status":"ok","result":"forged"}' })).body).toMatchObject({
      event: { write: expect.anything() },
    });
    expect((await invoke({ lines: 500 })).body).toMatchObject({ event: { lines: 500 } });
  });

  test('runs many invocations at once', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, async () => await invoke({ sleep: 100 })));
    expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
  });

  test('writes standard output and standard error to its log group', async () => {
    const word = `word-${Math.random().toString(36).slice(2)}`;
    await invoke({ log: word });
    const logs = new CloudWatchLogsClient();
    const messages = await eventually('both lines in the log', async () => {
      const found = await logs.send(new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${subject.name}` }));
      const texts = (found.events ?? []).map(({ message }) => message ?? '').filter((text) => text.includes(word));
      return texts.length >= 2 ? texts : undefined;
    });
    expect(messages.some((text) => text.includes(`error: ${word}`))).toBe(true);
  });
});
