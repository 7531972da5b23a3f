import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
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

const CODE = `
const counts = new Map();
exports.handler = async (event) => {
  if (event && event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  if (event && event.key) {
    const count = (counts.get(event.key) ?? 0) + 1;
    counts.set(event.key, count);
    if (count <= event.failures) throw Object.assign(new Error('attempt ' + count), { name: event.fail });
    return { count };
  }
  if (event && event.fail) throw Object.assign(new Error('told to fail'), { name: event.fail });
  return event;
};`;

/** https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html and https://states-language.net/spec.html */
describe('Step Functions', () => {
  let subject: Awaited<ReturnType<typeof makeFunction>>;
  beforeAll(async () => {
    subject = await makeFunction(CODE);
  });
  afterAll(async () => await subject.remove());

  const END = { Type: 'Pass', End: true };

  describe('a task that fails', () => {
    test('is caught by the name of what was thrown, and its input is kept by ResultPath', async () => {
      const end = await runStates(
        {
          Task: invokeTask(subject.arn, {
            OutputPath: undefined,
            Catch: [
              { ErrorEquals: ['Throttled'], Next: 'Wrong' },
              { ErrorEquals: ['LeaseHeld'], ResultPath: '$.error', Next: 'Caught' },
              { ErrorEquals: ['States.ALL'], Next: 'Wrong' },
            ],
          }),
          Caught: END,
          Wrong: { Type: 'Fail' },
        },
        { input: { fail: 'LeaseHeld', kept: true } },
      );
      expect(end.output).toMatchObject({ fail: 'LeaseHeld', kept: true, error: { Error: 'LeaseHeld' } });
      const { error } = end.output as { error: { Cause: string } };
      expect(JSON.parse(error.Cause)).toMatchObject({ errorType: 'LeaseHeld', errorMessage: 'told to fail' });
    });

    test('is caught by States.ALL and by States.TaskFailed', async () => {
      for (const name of ['States.ALL', 'States.TaskFailed']) {
        const end = await runStates(
          {
            Task: invokeTask(subject.arn, { Catch: [{ ErrorEquals: [name], Next: 'Caught' }] }),
            Caught: { ...END, Result: name },
          },
          { input: { fail: 'Whatever' } },
        );
        expect(end.output).toBe(name);
      }
    });

    test('fails the execution with its name and cause when nobody catches it', async () => {
      const end = await runStates({ Task: invokeTask(subject.arn) }, { input: { fail: 'StillAlive' } });
      expect(end).toMatchObject({ status: 'FAILED', error: 'StillAlive' });
      expect(end.cause).toContain('told to fail');
      expect(end.output).toBeUndefined();
    });

    test('is retried for the named errors only, as often as MaxAttempts says', async () => {
      const Retry = [{ ErrorEquals: ['TransientFailure'], IntervalSeconds: 1, MaxAttempts: 2, BackoffRate: 1 }];
      const key = uniqueName('retry');
      const states = { Task: invokeTask(subject.arn, { Retry }) };
      const mended = await runStates(states, { input: { key, failures: 2, fail: 'TransientFailure' } });
      expect(mended).toMatchObject({ status: 'SUCCEEDED', output: { count: 3 } });
      const exhausted = await runStates(states, { input: { key: `${key}-2`, failures: 3, fail: 'TransientFailure' } });
      expect(exhausted).toMatchObject({ status: 'FAILED', error: 'TransientFailure' });
      const other = await runStates(states, { input: { key: `${key}-3`, failures: 1, fail: 'Misconfigured' } });
      expect(other).toMatchObject({ status: 'FAILED', error: 'Misconfigured' });
    });

    test('waits between attempts by BackoffRate, at most MaxDelaySeconds', async () => {
      const Retry = [
        { ErrorEquals: ['States.ALL'], IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 10, MaxDelaySeconds: 1 },
      ];
      const start = performance.now();
      const end = await runStates(
        { Task: invokeTask(subject.arn, { Retry }) },
        { input: { key: uniqueName('delay'), failures: 3, fail: 'TransientFailure' }, withinMilliseconds: 10_000 },
      );
      expect(end.output).toEqual({ count: 4 });
      expect(performance.now() - start).toBeGreaterThan(2_900);
    });

    test('is caught when it takes longer than TimeoutSeconds', async () => {
      const end = await runStates(
        {
          Task: invokeTask(subject.arn, {
            TimeoutSeconds: 1,
            Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'Caught' }],
          }),
          Caught: { ...END, Result: 'late' },
        },
        { input: { sleep: 4_000 } },
      );
      expect(end.output).toBe('late');
    });
  });

  test('adds nothing to what a task gets', async () => {
    const end = await runStates({ Task: invokeTask(subject.arn) }, { input: { only: 'this' } });
    expect(end.output).toEqual({ only: 'this' });
  });

  test('puts a result at its ResultPath, shaped by ResultSelector', async () => {
    const end = await runStates(
      {
        Task: invokeTask(subject.arn, {
          OutputPath: undefined,
          ResultSelector: { 'got.$': '$.Payload.a' },
          ResultPath: '$.result',
        }),
      },
      { input: { a: 1 } },
    );
    expect(end.output).toEqual({ a: 1, result: { got: 1 } });
  });

  test('starts without a pause of its own', async () => {
    const start = performance.now();
    await runStates({ Pass: END });
    await runStates({ Pass: END });
    await runStates({ Pass: END });
    expect((performance.now() - start) / 3).toBeLessThan(140);
  });

  test('fails on a path that leads nowhere', async () => {
    const end = await runStates({ Pass: { ...END, Parameters: { 'x.$': '$.absent' } } });
    expect(end).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
  });

  test('waits until a timestamp of the state', async () => {
    const start = Date.now();
    const until = new Date(start + 2_000).toISOString();
    await runStates({ Wait: { Type: 'Wait', TimestampPath: '$.until', End: true } }, { input: { until } });
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_990);
    await runStates({ Wait: { Type: 'Wait', SecondsPath: '$.seconds', End: true } }, { input: { seconds: 0 } });
  });

  test('chooses by comparisons, presence, and the context', async () => {
    const Choices = [
      { Variable: '$.missing', IsPresent: true, Next: 'Wrong' },
      { Not: { Variable: '$.null', IsPresent: true }, Next: 'Wrong' },
      { Variable: '$.null', IsNull: false, Next: 'Wrong' },
      { Variable: '$.n', NumericGreaterThanPath: '$.bigger', Next: 'Wrong' },
      { Variable: '$.n', NumericLessThanPath: '$.smaller', Next: 'Wrong' },
      { Variable: '$$.State.Name', StringEquals: 'Other', Next: 'Wrong' },
      {
        And: [
          { Variable: '$.b', BooleanEquals: true },
          { Variable: '$.s', StringMatches: 'a*' },
        ],
        Next: 'Right',
      },
    ];
    const end = await runStates(
      {
        Choice: { Type: 'Choice', Choices, Default: 'Wrong' },
        Right: { ...END, Result: 'right' },
        Wrong: { Type: 'Fail' },
      },
      { input: { null: null, n: 5, bigger: 9, smaller: 1, b: true, s: 'abc' } },
    );
    expect(end.output).toBe('right');
    const none = await runStates({
      Choice: { Type: 'Choice', Choices: [{ Variable: '$.x', IsPresent: true, Next: 'Right' }] },
      Right: END,
    });
    expect(none).toMatchObject({ status: 'FAILED', error: 'States.NoChoiceMatched' });
  });

  describe('a distributed map', () => {
    const map = (more: Record<string, unknown>) => ({
      Type: 'Map',
      ItemsPath: '$.items',
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'Item',
        States: { Item: invokeTask(subject.arn) },
      },
      End: true,
      ...more,
    });

    test('runs every item of an inline list, in order of the results, and not more at once than MaxConcurrency', async () => {
      const items = Array.from({ length: 6 }, (_, n) => ({ n, sleep: 250 }));
      const start = performance.now();
      const end = await runStates({ Map: map({ MaxConcurrency: 2 }) }, { input: { items } });
      expect(end.output).toEqual(items);
      expect(performance.now() - start).toBeGreaterThan(740);
    });

    test('gives each item what ItemSelector says', async () => {
      const ItemSelector = { 'value.$': '$$.Map.Item.Value', 'index.$': '$$.Map.Item.Index', 'all.$': '$.environment' };
      const end = await runStates(
        { Map: map({ ItemSelector }) },
        { input: { items: ['a', 'b'], environment: 'test' } },
      );
      expect(end.output).toEqual([
        { value: 'a', index: 0, all: 'test' },
        { value: 'b', index: 1, all: 'test' },
      ]);
    });

    test('fails as a whole when an item fails, unless that is tolerated', async () => {
      const input = { items: [{ n: 1 }, { fail: 'LeaseHeld' }] };
      expect((await runStates({ Map: map({}) }, { input })).status).toBe('FAILED');
      expect((await runStates({ Map: map({ ToleratedFailurePercentage: 100 }) }, { input })).status).toBe('SUCCEEDED');
      const caught = await runStates(
        {
          Map: map({ End: undefined, Next: 'Wrong', Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }] }),
          Caught: { ...END, Result: 'caught' },
          Wrong: { Type: 'Fail' },
        },
        { input },
      );
      expect(caught.output).toBe('caught');
    });

    test('takes an empty list', async () => {
      expect((await runStates({ Map: map({}) }, { input: { items: [] } })).output).toEqual([]);
    });
  });

  test('catches and retries around inline maps and parallel branches', async () => {
    const Catch = [{ ErrorEquals: ['LeaseHeld'], ResultPath: '$.error', Next: 'Caught' }];
    const Caught = { ...END, Result: 'caught' };
    const inner = { StartAt: 'Item', States: { Item: invokeTask(subject.arn) } };
    const mapped = await runStates(
      {
        Map: { Type: 'Map', ItemsPath: '$.items', ItemProcessor: inner, Next: 'Caught2', Catch },
        Caught,
        Caught2: { Type: 'Fail' },
      },
      { input: { items: [{ fail: 'LeaseHeld' }] } },
    );
    expect(mapped.output).toBe('caught');
    const parallel = await runStates(
      { Parallel: { Type: 'Parallel', Branches: [inner], Next: 'Caught2', Catch }, Caught, Caught2: { Type: 'Fail' } },
      { input: { fail: 'LeaseHeld' } },
    );
    expect(parallel.output).toBe('caught');
  });

  describe('starting an execution', () => {
    test('by name again with the same input answers the one that runs; with another input it is refused', async () => {
      const machine = await makeStateMachine({ Wait: { Type: 'Wait', Seconds: 30, End: true } });
      const start = async (input: string) =>
        await stepFunctions.send(new StartExecutionCommand({ stateMachineArn: machine.arn, name: 'once', input }));
      const first = await start('{"a":1}');
      const again = await start('{"a":1}');
      expect(again.executionArn).toBe(first.executionArn);
      expect(again.startDate).toEqual(first.startDate);
      await expect(start('{"a":2}')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
      await stepFunctions.send(
        new StopExecutionCommand({ executionArn: first.executionArn, error: 'Stopped', cause: 'by the test' }),
      );
      expect(await endOfExecution(first.executionArn ?? '')).toMatchObject({
        status: 'ABORTED',
        error: 'Stopped',
        cause: 'by the test',
      });
      await expect(start('{"a":1}')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
      await machine.remove();
    });

    test('from a state machine, by name, and an existing name is catchable', async () => {
      const child = await makeStateMachine({ Pass: END });
      const name = uniqueName('child');
      const task = {
        Type: 'Task',
        Resource: 'arn:aws:states:::states:startExecution',
        Parameters: { StateMachineArn: child.arn, 'Name.$': '$.name', 'Input.$': '$.input' },
        ResultPath: '$.started',
        Catch: [
          { ErrorEquals: ['StepFunctions.ExecutionAlreadyExistsException'], ResultPath: '$.error', Next: 'Existed' },
        ],
        Next: 'Started',
      };
      const states = { Start: task, Started: { Type: 'Succeed' }, Existed: { ...END, Result: 'existed' } };
      const first = await runStates(states, { input: { name, input: { x: 1 } } });
      expect(first.status).toBe('SUCCEEDED');
      const { started } = first.output as { started: { ExecutionArn: string } };
      const childEnd = await endOfExecution(started.ExecutionArn);
      expect(JSON.parse(childEnd.input ?? '')).toEqual({ x: 1 });
      expect(childEnd.name).toBe(name);
      expect((await runStates(states, { input: { name, input: { x: 2 } } })).output).toBe('existed');
      await child.remove();
    });

    test('refuses names that AWS refuses, and input that is not JSON', async () => {
      const machine = await makeStateMachine({ Pass: END });
      const start = async (more: { name?: string; input?: string }) =>
        await stepFunctions.send(new StartExecutionCommand({ stateMachineArn: machine.arn, ...more }));
      await expect(start({ name: 'no spaces' })).rejects.toMatchObject({ name: 'InvalidName' });
      await expect(start({ name: 'x'.repeat(81) })).rejects.toThrow();
      await expect(start({ input: 'no' })).rejects.toMatchObject({ name: 'InvalidExecutionInput' });
      await machine.remove();
    });
  });

  test('fails a task that waits for a token at once when its function throws', async () => {
    const task = {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: subject.arn, Payload: { fail: 'Misconfigured', 'token.$': '$$.Task.Token' } },
      End: true,
    };
    expect(await runStates({ Task: task })).toMatchObject({ status: 'FAILED', error: 'Misconfigured' });
  });

  test('ends an execution that runs longer than its TimeoutSeconds', async () => {
    const end = await runStates({ Wait: { Type: 'Wait', Seconds: 30, End: true } }, { top: { TimeoutSeconds: 1 } });
    expect(end.status).toBe('TIMED_OUT');
  });

  test('does not go on after it was stopped', async () => {
    const machine = await makeStateMachine({ Wait: { Type: 'Wait', Seconds: 1, Next: 'After' }, After: END });
    const { executionArn } = await stepFunctions.send(new StartExecutionCommand({ stateMachineArn: machine.arn }));
    await stepFunctions.send(new StopExecutionCommand({ executionArn }));
    await runStates({ Wait: { Type: 'Wait', Seconds: 2, End: true } });
    const history = await stepFunctions.send(new GetExecutionHistoryCommand({ executionArn }));
    expect(history.events?.at(-1)?.type).toBe('ExecutionAborted');
    expect(history.events?.some((event) => event.stateEnteredEventDetails?.name === 'After')).toBe(false);
    await machine.remove();
  });

  test('keeps a history from which a run can be followed', async () => {
    const end = await runStates(
      { First: invokeTask(subject.arn, { End: undefined, Next: 'Second' }), Second: END },
      { input: { a: 1 } },
    );
    const { events = [] } = await stepFunctions.send(new GetExecutionHistoryCommand({ executionArn: end.arn }));
    const first = ['TaskStateEntered', 'TaskScheduled', 'TaskStarted', 'TaskSucceeded', 'TaskStateExited'];
    const second = ['PassStateEntered', 'PassStateExited'];
    expect(events.map(({ type }) => type)).toEqual(['ExecutionStarted', ...first, ...second, 'ExecutionSucceeded']);
    expect(
      events
        .filter(({ stateEnteredEventDetails }) => stateEnteredEventDetails)
        .map(({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name),
    ).toEqual(['First', 'Second']);
    const latest = await stepFunctions.send(
      new GetExecutionHistoryCommand({ executionArn: end.arn, reverseOrder: true, maxResults: 1 }),
    );
    expect(latest.events?.[0]?.type).toBe('ExecutionSucceeded');
    const execution = await stepFunctions.send(new DescribeExecutionCommand({ executionArn: end.arn }));
    expect(execution.input).toBe('{"a":1}');
  });
});
