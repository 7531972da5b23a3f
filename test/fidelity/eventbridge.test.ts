import {
  DeleteRuleCommand,
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
  type Target,
} from '@aws-sdk/client-eventbridge';
import { ListExecutionsCommand, DescribeExecutionCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually } from './eventually.ts';
import { makeStateMachine, ROLE, runStates, stepFunctions, uniqueName } from './fixtures.ts';

const client = new EventBridgeClient();
/** Scheduled rules fire this much faster in the local cloud; a real account takes a whole minute. */
const MINUTE_MILLISECONDS = 75_000;

/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html and eb-transform-target-input.html */
describe('EventBridge', () => {
  let machine: Awaited<ReturnType<typeof makeStateMachine>>;
  const rules: string[] = [];
  beforeAll(async () => {
    machine = await makeStateMachine({ Pass: { Type: 'Pass', End: true } });
  });
  afterAll(async () => {
    for (const Rule of rules) {
      await client.send(new RemoveTargetsCommand({ Rule, Ids: ['1'] }));
      await client.send(new DeleteRuleCommand({ Name: Rule }));
    }
    await machine.remove();
  });

  async function makeRule(
    rule: { EventPattern?: string; ScheduleExpression?: string },
    target: Partial<Target> = {},
    arn = machine.arn,
  ) {
    const Name = uniqueName('rule');
    rules.push(Name);
    await client.send(new PutRuleCommand({ Name, ...rule }));
    await client.send(
      new PutTargetsCommand({ Rule: Name, Targets: [{ Id: '1', Arn: arn, RoleArn: ROLE, ...target }] }),
    );
  }
  async function put(source: string, detail: unknown, DetailType = 'Rotation Requested') {
    const answer = await client.send(
      new PutEventsCommand({ Entries: [{ Source: source, DetailType, Detail: JSON.stringify(detail) }] }),
    );
    expect(answer.FailedEntryCount).toBe(0);
  }
  async function inputs(stateMachineArn = machine.arn): Promise<unknown[]> {
    const { executions = [] } = await stepFunctions.send(new ListExecutionsCommand({ stateMachineArn }));
    return await Promise.all(
      executions.map(async ({ executionArn }) => {
        const { input } = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }));
        return JSON.parse(input ?? 'null') as unknown;
      }),
    );
  }
  async function inputWith(text: string, withinMilliseconds?: number): Promise<unknown> {
    return await eventually(
      `an execution with ${text}`,
      async () => (await inputs()).find((input) => JSON.stringify(input).includes(text)),
      withinMilliseconds,
    );
  }

  test('starts a state machine with the whole event, for events that match', async () => {
    const source = uniqueName('source');
    await makeRule({
      EventPattern: JSON.stringify({
        source: [source],
        detail: { risk: ['critical', 'high'], id: [{ exists: true }] },
      }),
    });
    await put(source, { risk: 'low', id: 'no' });
    await put(source, { risk: 'high' });
    await put(source, { risk: 'high', id: 'yes' });
    expect(await inputWith(source)).toMatchObject({
      source,
      'detail-type': 'Rotation Requested',
      detail: { risk: 'high', id: 'yes' },
    });
    expect((await inputs()).filter((input) => JSON.stringify(input).includes(source))).toHaveLength(1);
  });

  test('starts a state machine with the input that a template makes, strings quoted or within a string', async () => {
    const source = uniqueName('source');
    await makeRule(
      { EventPattern: JSON.stringify({ source: [source] }) },
      {
        InputTransformer: {
          InputPathsMap: { id: '$.detail.id', by: '$.detail.by', count: '$.detail.count', source: '$.source' },
          InputTemplate: '{"secretId":<id>,"who":<by>,"count":<count>,"text":"from <source> by <id>"}',
        },
      },
    );
    await put(source, { id: 'db/main', by: { name: 'ann "quoted"' }, count: 3 });
    expect(await inputWith(source)).toEqual({
      secretId: 'db/main',
      who: { name: 'ann "quoted"' },
      count: 3,
      text: `from ${source} by db/main`,
    });
  });

  test('starts a state machine at a rate, with a fixed input', { timeout: MINUTE_MILLISECONDS + 10_000 }, async () => {
    const word = uniqueName('scheduled');
    await makeRule({ ScheduleExpression: 'rate(1 minute)' }, { Input: JSON.stringify({ reason: word }) });
    expect(await inputWith(word, MINUTE_MILLISECONDS)).toEqual({ reason: word });
  });

  test('reports every change of status of an execution', async () => {
    const watched = await makeStateMachine(
      {
        Choice: {
          Type: 'Choice',
          Choices: [{ Variable: '$.fail', BooleanEquals: true, Next: 'Fail' }],
          Default: 'Wait',
        },
        Fail: { Type: 'Fail', Error: 'LeaseHeld', Cause: 'why' },
        Wait: { Type: 'Wait', SecondsPath: '$.seconds', End: true },
      },
      { TimeoutSeconds: 1 },
    );
    await makeRule({
      EventPattern: JSON.stringify({
        source: ['aws.states'],
        'detail-type': ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [watched.arn] },
      }),
    });
    const names: Record<string, string> = {};
    for (const [status, input] of Object.entries({
      SUCCEEDED: { seconds: 0 },
      FAILED: { fail: true },
      TIMED_OUT: { seconds: 20 },
    })) {
      names[status] = uniqueName(status);
      await stepFunctions.send(
        new StartExecutionCommand({
          stateMachineArn: watched.arn,
          name: names[status],
          input: JSON.stringify({ fail: false, ...input }),
        }),
      );
    }
    for (const [status, name] of Object.entries(names)) {
      const event = await eventually(`the event for ${status}`, async () =>
        (await inputs()).find((input) => {
          const { detail } = input as { detail?: { name?: string; status?: string } };
          return detail?.name === name && detail.status === status;
        }),
      );
      expect(event).toMatchObject({
        source: 'aws.states',
        'detail-type': 'Step Functions Execution Status Change',
        detail: {
          status,
          name,
          stateMachineArn: watched.arn,
          executionArn: expect.stringContaining(name),
          input: expect.stringContaining('fail'),
        },
      });
    }
    await watched.remove();
  });

  test('takes events from a state machine', async () => {
    const source = uniqueName('source');
    await makeRule({ EventPattern: JSON.stringify({ source: [source] }) });
    const entry = { Source: source, DetailType: 'Rotated', Detail: { 'id.$': '$.id' }, EventBusName: 'default' };
    const end = await runStates(
      {
        Put: {
          Type: 'Task',
          Resource: 'arn:aws:states:::events:putEvents',
          Parameters: { Entries: [entry] },
          End: true,
        },
      },
      { input: { id: 'db/main' } },
    );
    expect(end.status).toBe('SUCCEEDED');
    expect(await inputWith(source)).toMatchObject({ 'detail-type': 'Rotated', detail: { id: 'db/main' } });
  });
});
