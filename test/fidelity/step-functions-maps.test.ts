import {
  GetExecutionHistoryCommand,
  SendTaskSuccessCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { invokeTask, makeFunction, makeStateMachine, runStates, stepFunctions, uniqueName } from './fixtures.ts';
import { printed } from './function-log.ts';

const CODE = `
exports.handler = async (event) => {
  console.log(JSON.stringify({ run: event.run, n: event.n, token: event.token, state: event.state }));
  if (event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  if (event.fail) throw Object.assign(new Error('told to fail'), { name: event.fail });
  return event;
};`;

type Row = Readonly<{ run: string; n: number; token: string; state: string }>;

const CAUGHT = { Type: 'Pass', End: true };
const CATCH = { Catch: [{ ErrorEquals: ['LeaseHeld'], ResultPath: '$.error', Next: 'Caught' }] };

/** https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html and https://states-language.net/spec.html#map-state */
describe('an inline map', () => {
  let subject: Awaited<ReturnType<typeof makeFunction>>;
  beforeAll(async () => {
    subject = await makeFunction(CODE);
  });
  afterAll(async () => await subject.remove());

  const mapOf = (item: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    Type: 'Map',
    ItemsPath: '$.items',
    ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, StartAt: 'Item', States: { Item: item } },
    End: true,
    ...more,
  });
  const tokenTask = () => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
    Parameters: {
      FunctionName: subject.arn,
      Payload: { 'run.$': '$.run', 'n.$': '$.n', 'fail.$': '$.fail', 'token.$': '$$.Task.Token' },
    },
    End: true,
  });
  const rowsOf = async (run: string, count: number) =>
    await printed<Row>(subject.name, count, (row) => row.run === run);

  test('starts no further item when one has failed, and is caught', async () => {
    const run = uniqueName('run');
    const items = [
      { run, n: 0 },
      { run, n: 1, fail: 'LeaseHeld' },
      { run, n: 2 },
      { run, n: 3 },
    ];
    const states = { Map: mapOf(invokeTask(subject.arn), { MaxConcurrency: 1, ...CATCH }), Caught: CAUGHT };
    const end = await runStates(states, { input: { items, kept: true } });
    expect(end.output).toMatchObject({ kept: true, error: { Error: 'LeaseHeld' } });
    const { events = [] } = await stepFunctions.send(new GetExecutionHistoryCommand({ executionArn: end.arn }));
    expect(events.filter(({ type }) => type === 'TaskScheduled')).toHaveLength(2);
    expect((await rowsOf(run, 2)).map(({ n }) => n)).toEqual([0, 1]);
  });

  test('does not wait for the functions of its other items when one has failed', async () => {
    const start = performance.now();
    const states = { Map: mapOf(invokeTask(subject.arn), CATCH), Caught: CAUGHT };
    const end = await runStates(states, { input: { items: [{ sleep: 6_000 }, { fail: 'LeaseHeld' }] } });
    expect(end.output).toMatchObject({ error: { Error: 'LeaseHeld' } });
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('does not wait for the tokens of its other items when one has failed, and nobody can answer to them', async () => {
    const run = uniqueName('run');
    const items = [
      { run, n: 0, fail: null },
      { run, n: 1, fail: 'LeaseHeld' },
    ];
    const states = { Map: mapOf({ ...tokenTask(), TimeoutSeconds: 8 }, CATCH), Caught: CAUGHT };
    const start = performance.now();
    const end = await runStates(states, { input: { items } });
    expect(end.output).toMatchObject({ error: { Error: 'LeaseHeld' } });
    expect(performance.now() - start).toBeLessThan(6_000);
    const token = (await rowsOf(run, 2)).find(({ n }) => n === 0)?.token ?? '';
    const answer = stepFunctions.send(new SendTaskSuccessCommand({ taskToken: token, output: '{}' }));
    await expect(answer).rejects.toMatchObject({ name: 'TaskTimedOut' });
  });

  test('within an item fails and is caught there, while the outer one goes on', async () => {
    const inner = mapOf(invokeTask(subject.arn), {
      MaxConcurrency: 1,
      Catch: [{ ErrorEquals: ['LeaseHeld'], ResultPath: null, Next: 'Caught' }],
      ResultPath: null,
    });
    const ItemProcessor = { StartAt: 'Inner', States: { Inner: inner, Caught: CAUGHT } };
    const run = uniqueName('run');
    const items = [
      {
        n: 'first',
        items: [
          { run, n: 0 },
          { run, n: 1, fail: 'LeaseHeld' },
          { run, n: 2 },
        ],
      },
      { n: 'second', items: [{ run, n: 3 }] },
    ];
    const Map = { ...mapOf(CAUGHT), MaxConcurrency: 1, ItemProcessor };
    expect((await runStates({ Map }, { input: { items } })).output).toEqual(items);
    expect((await rowsOf(run, 3)).map(({ n }) => n)).toEqual([0, 1, 3]);
  });

  test('ends with its execution: the open item takes no answer, and no other starts', async () => {
    const run = uniqueName('run');
    const machine = await makeStateMachine({ Map: mapOf(tokenTask(), { MaxConcurrency: 1 }) });
    const items = [0, 1].map((n) => ({ run, n, fail: null }));
    const { executionArn } = await stepFunctions.send(
      new StartExecutionCommand({ stateMachineArn: machine.arn, input: JSON.stringify({ items }) }),
    );
    const [{ token } = { token: '' }] = await rowsOf(run, 1);
    await stepFunctions.send(new StopExecutionCommand({ executionArn }));
    const answer = stepFunctions.send(new SendTaskSuccessCommand({ taskToken: token, output: '{}' }));
    await expect(answer).rejects.toMatchObject({ name: 'TaskTimedOut' });
    await runStates({ Wait: { Type: 'Wait', Seconds: 1, End: true } });
    expect(await rowsOf(run, 1)).toHaveLength(1);
  });

  test('runs not more items at once than MaxConcurrencyPath says', async () => {
    const items = Array.from({ length: 4 }, (_, n) => ({ n, sleep: 250 }));
    const states = { Map: mapOf(invokeTask(subject.arn), { MaxConcurrencyPath: '$.atOnce' }) };
    const start = performance.now();
    expect((await runStates(states, { input: { items, atOnce: 1 } })).output).toEqual(items);
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  /** https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html and input-output-contextobject.html */
  describe('and a parallel state', () => {
    test('do not wait for other branches either when one has failed', async () => {
      const wait = { StartAt: 'Wait', States: { Wait: { Type: 'Wait', Seconds: 8, End: true } } };
      const fail = { StartAt: 'Item', States: { Item: invokeTask(subject.arn) } };
      const start = performance.now();
      const states = { Parallel: { Type: 'Parallel', Branches: [wait, fail], End: true, ...CATCH }, Caught: CAUGHT };
      const end = await runStates(states, { input: { fail: 'LeaseHeld' } });
      expect(end.output).toMatchObject({ error: { Error: 'LeaseHeld' } });
      expect(performance.now() - start).toBeLessThan(6_000);
    });

    test('have a context object for each branch, also when it tries again', async () => {
      const run = uniqueName('run');
      const Retried = invokeTask(subject.arn, {
        Parameters: { FunctionName: subject.arn, Payload: { run, fail: 'Again', 'state.$': '$$.State.Name' } },
        Retry: [{ ErrorEquals: ['Again'], IntervalSeconds: 1, MaxAttempts: 1 }],
        Catch: [{ ErrorEquals: ['Again'], Next: 'Caught' }],
      });
      const Branches = [
        { StartAt: 'Retried', States: { Retried, Caught: CAUGHT } },
        { StartAt: 'Other', States: { Other: CAUGHT } },
      ];
      await runStates({ Parallel: { Type: 'Parallel', Branches, End: true } });
      expect((await rowsOf(run, 2)).map(({ state }) => state)).toEqual(['Retried', 'Retried']);
    });
  });
});
