import { beforeAll, describe, expect, it } from 'vitest';
import { TRANSIENT_ERRORS } from '../../infra/retry-policies.ts';
import * as errors from '../../shared/errors.ts';
import { LEASE_SECONDS } from '../../shared/rotation/lease.ts';
import { type BatchInput, batchInput, releaseInput } from '../../shared/rollout/payloads.ts';
import type { AuditResult, RetirementInput, RotationInput } from '../../shared/rotation/payloads.ts';
import { fault, interpret, type Run } from './support/interpreter.ts';
import { type Definition, definitionOf, tasksOf } from './support/resolve.ts';
import { synthesise } from './support/stacks.ts';

let dispatch: Definition;
let rotation: Definition;
let retirement: Definition;
beforeAll(async () => {
  const { workflow } = await synthesise();
  dispatch = definitionOf(workflow, 'RotationDispatch');
  rotation = definitionOf(workflow, 'SecretRotation');
  retirement = definitionOf(workflow, 'VersionRetirement');
});

const INPUT: RotationInput = {
  environment: 'production',
  secretId: 'pg_prod_main',
  rotationId: '11111111-1111-8111-8111-111111111111',
  reason: 'scheduled',
  requestedBy: 'schedule',
};
const RETIREMENT: RetirementInput = {
  environment: 'production',
  secretId: 'pg_prod_main',
  rotationId: INPUT.rotationId,
  versionId: '00000000-0000-8000-8000-000000000000',
  retireAt: '2026-03-01T12:00:00.000Z',
};
const PHASES = ['Generate', 'Test', 'Audit', 'Apply'] as const;
const nothing = () => ({});
const throws = (name: string) => () => {
  throw fault(name);
};
const HAPPY = {
  Generate: nothing,
  Test: nothing,
  Audit: () => ({ batches: [], batchesAtOnce: 1 }),
  Apply: () => ({ retirement: RETIREMENT }),
  Notify: nothing,
  StartRetirement: () => ({ executionArn: 'arn', startDate: 0 }),
};

describe('SecretRotation', () => {
  const run = async (handlers: Parameters<typeof interpret>[2]): Promise<Run> => interpret(rotation, INPUT, handlers);

  it('goes through the five phases in their order and then starts the retirement', async () => {
    const { tasks, inputs, outcome } = await run(HAPPY);
    expect(tasks).toEqual([...PHASES, 'Notify', 'StartRetirement']);
    expect(outcome.status).toBe('succeeded');
    expect(inputs.get('StartRetirement')).toEqual([
      { StateMachineArn: '<VersionRetirementStateMachine>', Name: INPUT.rotationId, Input: RETIREMENT },
    ]);
  });

  it('gives every phase exactly the rotation’s input, whatever came before', async () => {
    const { inputs } = await run(HAPPY);
    for (const phase of [...PHASES, 'Notify']) expect(inputs.get(phase)).toEqual([INPUT]);
  });

  it('starts the retirement of a candidate that the roll back could not end', async () => {
    const { tasks, inputs, outcome } = await run({
      ...HAPPY,
      Test: throws('TargetUnreachable'),
      RollBack: () => ({ outcome: 'rolled_back', retirement: RETIREMENT }),
      NotifyOfRollBack: nothing,
      StartOwedRetirement: () => ({ executionArn: 'arn', startDate: 0 }),
    });
    expect(tasks.slice(-3)).toEqual(['RollBack', 'NotifyOfRollBack', 'StartOwedRetirement']);
    expect(inputs.get('StartOwedRetirement')).toMatchObject([{ Name: INPUT.rotationId, Input: RETIREMENT }]);
    expect(outcome).toMatchObject({ status: 'failed', error: 'RotationRolledBack' });
  });

  it('starts no retirement when nothing was replaced', async () => {
    const { tasks, outcome } = await run({ ...HAPPY, Apply: nothing });
    expect(tasks).toEqual([...PHASES, 'Notify']);
    expect(outcome.status).toBe('succeeded');
  });

  it('takes a retirement that was started before for started', async () => {
    const { outcome } = await run({
      ...HAPPY,
      StartRetirement: throws('StepFunctions.ExecutionAlreadyExistsException'),
    });
    expect(outcome.status).toBe('succeeded');
  });

  it.each(['LeaseHeld', 'RotationEnded'])('ends without effects when Generate answers %s', async (name) => {
    const { tasks, outcome } = await run({ Generate: throws(name) });
    expect(tasks).toEqual(['Generate']);
    expect(outcome.status).toBe('succeeded');
  });

  it.each(PHASES)('rolls back and tells people when %s fails', async (phase) => {
    const { tasks, inputs, outcome } = await run({
      ...HAPPY,
      [phase]: throws('CandidateUnproven'),
      RollBack: () => ({ outcome: 'rolled_back' }),
      NotifyOfRollBack: nothing,
    });
    expect(tasks).toEqual([...PHASES.slice(0, PHASES.indexOf(phase) + 1), 'RollBack', 'NotifyOfRollBack']);
    expect(inputs.get('RollBack')).toEqual([{ ...INPUT, fault: { Error: 'CandidateUnproven' } }]);
    expect(inputs.get('NotifyOfRollBack')).toEqual([{ ...INPUT, fault: { Error: 'CandidateUnproven' } }]);
    expect(outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
  });

  it.each([
    ['TransientFailure', 5],
    ['Throttled', 6],
    ['RateLimited', 4],
    ['TargetUnreachable', 5],
    ['RefusedByPolicy', 1],
    ['Misconfigured', 1],
    ['OrphanInDoubt', 1],
  ])('tries a phase that throws %s %i times: each class of fault has its own policy', async (name, times) => {
    const { tasks } = await run({
      ...HAPPY,
      Generate: throws(name),
      RollBack: () => ({ outcome: 'rolled_back' }),
      NotifyOfRollBack: nothing,
    });
    expect(tasks.filter((task) => task === 'Generate')).toHaveLength(times);
  });

  it('waits a minute at least where a provider asked to slow down, never less, and ends well within a lease', () => {
    for (const [name, task] of tasksOf(rotation.States)) {
      const policies = task['Retry'] as readonly Record<string, number | string | readonly string[]>[];
      const policy = policies.find(({ ErrorEquals }) => (ErrorEquals as readonly string[]).includes('RateLimited'));
      if (policy === undefined) continue;
      expect(policy, name).toMatchObject({ ErrorEquals: ['RateLimited'], JitterStrategy: 'NONE' });
      const { IntervalSeconds, BackoffRate, MaxDelaySeconds, MaxAttempts } = policy as Record<string, number>;
      const waits = Array.from({ length: MaxAttempts! }, (_, attempt) =>
        Math.min(IntervalSeconds! * BackoffRate! ** attempt, MaxDelaySeconds!),
      );
      expect(waits[0], name).toBeGreaterThanOrEqual(60);
      // A roll back renews the lease at every try.
      const held = name === 'RollBack' ? Math.max(...waits) : waits.reduce((sum, wait) => sum + wait, 0);
      expect(held, name).toBeLessThan(LEASE_SECONDS - 4 * 60);
    }
  });

  it('goes on to people and the retirement when the roll back finds the switch done', async () => {
    const { tasks, inputs, outcome } = await run({
      ...HAPPY,
      Apply: throws('States.Timeout'),
      RollBack: () => ({ outcome: 'completed', retirement: RETIREMENT }),
    });
    expect(tasks.filter((name) => name !== 'Apply')).toEqual([
      'Generate',
      'Test',
      'Audit',
      'RollBack',
      'Notify',
      'StartRetirement',
    ]);
    expect(inputs.get('Notify')).toEqual([INPUT]);
    expect(inputs.get('StartRetirement')).toMatchObject([{ Input: RETIREMENT }]);
    expect(outcome.status).toBe('succeeded');
  });

  it('goes on without a retirement when the roll back completed a first value', async () => {
    const { tasks, outcome } = await run({
      ...HAPPY,
      Apply: throws('InternalFault'),
      RollBack: () => ({ outcome: 'completed' }),
    });
    expect(tasks.slice(-2)).toEqual(['RollBack', 'Notify']);
    expect(outcome.status).toBe('succeeded');
  });

  it('tells people and fails when even the roll back fails, so that recovery acts', async () => {
    const { tasks, outcome } = await run({
      ...HAPPY,
      Test: throws('CandidateUnproven'),
      RollBack: throws('InternalFault'),
      NotifyOfFailedRollBack: nothing,
    });
    expect(tasks).toEqual(['Generate', 'Test', 'RollBack', 'NotifyOfFailedRollBack']);
    expect(outcome).toEqual({ status: 'failed', error: 'RollBackFailed' });
  });

  it('fails as rolled back also when nobody could be told', async () => {
    const { outcome } = await run({
      Generate: throws('Misconfigured'),
      RollBack: () => ({ outcome: 'rolled_back' }),
      NotifyOfRollBack: throws('InternalFault'),
    });
    expect(outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
  });

  it('starts the retirement even when nobody could be told, and fails then', async () => {
    const { tasks, outcome } = await run({ ...HAPPY, Notify: throws('InternalFault') });
    expect(tasks).toEqual([...PHASES, 'Notify', 'StartRetirement']);
    expect(outcome).toEqual({ status: 'failed', error: 'NotifyFailed' });
  });

  it('tries a passing fault again, five times in all, and a decision never', async () => {
    const back = { RollBack: () => ({ outcome: 'rolled_back' }), NotifyOfRollBack: nothing };
    const passing = await run({ ...HAPPY, ...back, Test: throws('TargetUnreachable') });
    expect(passing.tasks.filter((name) => name === 'Test')).toHaveLength(5);
    const decided = await run({ ...HAPPY, ...back, Test: throws('RefusedByPolicy') });
    expect(decided.tasks.filter((name) => name === 'Test')).toHaveLength(1);
  });
});

describe('RollOut', () => {
  const SECONDS = 30;
  const back = { RollBack: () => ({ outcome: 'rolled_back' }), NotifyOfRollBack: nothing };
  const run = async (
    handlers: Parameters<typeof interpret>[2] = {},
    { count = 3, batchesAtOnce = 1 }: { readonly count?: number; readonly batchesAtOnce?: number } = {},
  ): Promise<Run> => {
    const batches = Array.from({ length: count }, (_, batch) => ({ batch, timeoutSeconds: SECONDS }));
    const Audit = (): AuditResult => ({ batches, batchesAtOnce });
    return interpret(rotation, INPUT, {
      ...HAPPY,
      ...back,
      Audit,
      HandOver: nothing,
      JudgeBatch: nothing,
      ...handlers,
    });
  };
  const failingOn =
    (batch: number, name: string) =>
    (given: BatchInput): object => {
      if (given.batch === batch) throw fault(name);
      return {};
    };
  /** What happened between Audit and what came after the map. */
  const rollout = ({ tasks }: Run): readonly string[] =>
    tasks.filter((name) => name === 'HandOver' || name === 'JudgeBatch');

  it('is over at once when nobody is to be handed the candidate', async () => {
    const { tasks, outcome } = await run({}, { count: 0 });
    expect(tasks).toEqual([...PHASES, 'Notify', 'StartRetirement']);
    expect(outcome.status).toBe('succeeded');
  });

  it('hands over and judges one batch after the other, then applies', async () => {
    const { tasks, inputs, outcome } = await run();
    const batch = ['HandOver', 'JudgeBatch'];
    expect(tasks).toEqual([
      'Generate',
      'Test',
      'Audit',
      ...batch,
      ...batch,
      ...batch,
      'Apply',
      'Notify',
      'StartRetirement',
    ]);
    const order = (inputs.get('JudgeBatch') as readonly BatchInput[]).map((given) => given.batch);
    expect(order).toEqual([0, 1, 2]);
    expect(outcome.status).toBe('succeeded');
  });

  it('releases as many batches side by side as Audit says', async () => {
    const count = 5;
    const all = await run({}, { count, batchesAtOnce: 40 });
    expect(rollout(all).slice(0, count)).toEqual(Array.from({ length: count }, () => 'HandOver'));
    const two = await run({}, { count, batchesAtOnce: 2 });
    expect(rollout(two).slice(0, 3)).toEqual(['HandOver', 'HandOver', 'JudgeBatch']);
  });

  it('gives ReleaseBatch and JudgeBatch what their schemas take, and the later steps the rotation alone', async () => {
    const { inputs } = await run({}, { count: 2 });
    expect(inputs.get('HandOver')).toEqual(
      [0, 1].map((batch) => ({
        FunctionName: '<FunctionsReleaseBatchFunction>',
        Payload: { ...INPUT, batch, token: expect.any(String) },
      })),
    );
    expect(inputs.get('JudgeBatch')).toEqual([0, 1].map((batch) => ({ ...INPUT, batch })));
    for (const given of inputs.get('HandOver') as readonly { Payload: unknown }[]) {
      expect(releaseInput.safeParse(given.Payload).success).toBe(true);
    }
    for (const given of inputs.get('JudgeBatch') ?? []) expect(batchInput.safeParse(given).success).toBe(true);
    for (const later of ['Apply', 'Notify']) expect(inputs.get(later)).toEqual([INPUT]);
  });

  it('gives a batch its own time', () => {
    const { ItemSelector, ItemProcessor } = rotation.States['RollOut'] as unknown as {
      readonly ItemSelector: object;
      readonly ItemProcessor: { readonly States: { readonly HandOver: object } };
    };
    expect(ItemSelector).toMatchObject({ 'timeoutSeconds.$': '$$.Map.Item.Value.timeoutSeconds' });
    expect(ItemProcessor.States.HandOver).toMatchObject({
      Resource: 'arn:<AWS::Partition>:states:::lambda:invoke.waitForTaskToken',
      TimeoutSecondsPath: '$.timeoutSeconds',
    });
  });

  it('leaves a batch whose time is over to JudgeBatch, without handing over again', async () => {
    const attempt = await run({ HandOver: throws('States.Timeout') }, { count: 2 });
    expect(rollout(attempt)).toEqual(['HandOver', 'JudgeBatch', 'HandOver', 'JudgeBatch']);
    expect(attempt.inputs.get('JudgeBatch')).toEqual([0, 1].map((batch) => ({ ...INPUT, batch })));
    expect(attempt.outcome.status).toBe('succeeded');
  });

  it.each(['ConsumersRefused', 'ConsumersSilent'])(
    'goes back after %s, and releases no further batch',
    async (name) => {
      const attempt = await run({ JudgeBatch: failingOn(1, name) });
      expect(rollout(attempt)).toEqual(['HandOver', 'JudgeBatch', 'HandOver', 'JudgeBatch']);
      expect(attempt.tasks.slice(-2)).toEqual(['RollBack', 'NotifyOfRollBack']);
      expect(attempt.inputs.get('RollBack')).toEqual([{ ...INPUT, fault: { Error: name } }]);
      expect(attempt.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
    },
  );

  it('goes back after a refusal also when batches run side by side', async () => {
    const attempt = await run({ JudgeBatch: failingOn(0, 'ConsumersRefused') }, { count: 4, batchesAtOnce: 2 });
    expect(attempt.tasks.filter((name) => name === 'HandOver')).toHaveLength(2);
    expect(attempt.inputs.get('RollBack')).toEqual([{ ...INPUT, fault: { Error: 'ConsumersRefused' } }]);
    expect(attempt.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
  });

  it('starts the retirement of a candidate that consumers are still leaving', async () => {
    const { tasks, inputs } = await run({
      JudgeBatch: throws('ConsumersRefused'),
      RollBack: () => ({ outcome: 'rolled_back', retirement: RETIREMENT }),
      StartOwedRetirement: nothing,
    });
    expect(tasks.at(-1)).toBe('StartOwedRetirement');
    expect(inputs.get('StartOwedRetirement')).toMatchObject([{ Name: INPUT.rotationId, Input: RETIREMENT }]);
  });

  it.each(['RotationEnded', 'CandidateUnproven'])('goes back when ReleaseBatch throws %s', async (name) => {
    const attempt = await run({ HandOver: throws(name) });
    expect(rollout(attempt)).toEqual(['HandOver']);
    expect(attempt.inputs.get('RollBack')).toEqual([{ ...INPUT, fault: { Error: name } }]);
    expect(attempt.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
  });

  it('tries a passing fault of ReleaseBatch again, five times in all, throttling six times, but not its timeout', async () => {
    const others: Readonly<Record<string, number>> = {
      Throttled: 6,
      'Lambda.TooManyRequestsException': 6,
      'States.Timeout': 1,
      TargetUnreachable: 1, // It reaches none.
    };
    for (const name of TRANSIENT_ERRORS) {
      const attempt = await run({ HandOver: throws(name) }, { count: 1 });
      const times = attempt.tasks.filter((task) => task === 'HandOver').length;
      expect(times, name).toBe(others[name] ?? 5);
    }
  });

  it('goes on when a passing fault of ReleaseBatch or JudgeBatch has passed', async () => {
    const once = (name: string) => {
      let attempts = 0;
      return () => {
        attempts += 1;
        if (attempts === 1) throw fault(name);
        return {};
      };
    };
    const attempt = await run(
      { HandOver: once('Lambda.TooManyRequestsException'), JudgeBatch: once('States.Timeout') },
      { count: 1 },
    );
    expect(rollout(attempt)).toEqual(['HandOver', 'HandOver', 'JudgeBatch', 'JudgeBatch']);
    expect(attempt.outcome.status).toBe('succeeded');
  });
});

describe('VersionRetirement', () => {
  it('ends when the version is proved dead', async () => {
    const { tasks, inputs, outcome } = await interpret(retirement, RETIREMENT, { Retire: nothing });
    expect(tasks).toEqual(['Retire']);
    expect(inputs.get('Retire')).toEqual([RETIREMENT]);
    expect(outcome.status).toBe('succeeded');
  });

  it.each([
    ['told', nothing],
    ['not to be told', throws('InternalFault')],
  ])('keeps a debt and tries again, people being %s', async (_, Owed) => {
    let attempts = 0;
    const { tasks, inputs, outcome } = await interpret(retirement, RETIREMENT, {
      Retire: () => {
        attempts += 1;
        if (attempts < 2) throw fault('StillAlive');
        return {};
      },
      Owed,
    });
    expect(tasks).toEqual(['Retire', 'Owed', 'Retire']);
    expect(inputs.get('Owed')).toEqual([{ ...RETIREMENT, fault: { Error: 'StillAlive' } }]);
    expect(inputs.get('Retire')).toEqual([RETIREMENT, RETIREMENT]);
    expect(outcome.status).toBe('succeeded');
  });

  const retiresAfter = (faults: readonly string[]) => {
    const left = [...faults];
    return () => {
      const name = left.shift();
      if (name !== undefined) throw fault(name);
      return {};
    };
  };

  it('waits for consumers without a word, look after look, and retires when they have left', async () => {
    const Retire = retiresAfter(['StillHeld', 'StillHeld', 'StillHeld']);
    const { tasks, inputs, outcome } = await interpret(retirement, RETIREMENT, { Retire });
    expect(tasks).toEqual(['Retire', 'Retire', 'Retire', 'Retire']);
    expect(inputs.get('Retire')).toEqual(tasks.map(() => RETIREMENT));
    expect(outcome.status).toBe('succeeded');
    expect(retirement.States['WaitForConsumers']).toMatchObject({ Type: 'Wait', Seconds: 20, Next: 'Retire' });
  });

  it('waits for the end of what nobody can end before, without a word', async () => {
    const Retire = retiresAfter(['EndsByItself', 'EndsByItself']);
    const { tasks, outcome } = await interpret(retirement, RETIREMENT, { Retire });
    expect(tasks).toEqual(['Retire', 'Retire', 'Retire']);
    expect(outcome.status).toBe('succeeded');
    expect(retirement.States['WaitForItsOwnEnd']).toMatchObject({ Type: 'Wait', Seconds: 600, Next: 'Retire' });
  });

  it('asks a provider when it said that it answers again, without a word', async () => {
    const until = '2026-03-01T12:40:00.000Z';
    const answers = [{ outcome: 'limited', until }, { outcome: 'retired' }];
    const { tasks, inputs, outcome } = await interpret(retirement, RETIREMENT, { Retire: () => answers.shift() });
    expect(tasks).toEqual(['Retire', 'Retire']);
    expect(inputs.get('Retire')).toEqual([RETIREMENT, RETIREMENT]);
    expect(outcome.status).toBe('succeeded');
    const { WaitForProvider } = retirement.States;
    expect(WaitForProvider).toMatchObject({ Type: 'Wait', TimestampPath: '$.retire.until', Next: 'Retire' });
  });

  it('does not try a provider again by itself that asked to slow down for longer than people are kept waiting', async () => {
    const Retire = retiresAfter(['RateLimited']);
    const { tasks } = await interpret(retirement, RETIREMENT, { Retire, Owed: nothing });
    expect(tasks).toEqual(['Retire', 'Owed', 'Retire']);
  });

  it('fails, after a wait, where no step takes its input: nobody would hear of it otherwise', async () => {
    const { tasks, outcome } = await interpret(retirement, RETIREMENT, {
      Retire: retiresAfter(['Misconfigured']),
      Owed: throws('Misconfigured'),
    });
    expect(tasks).toEqual(['Retire', 'Owed']);
    expect(outcome).toEqual({ status: 'failed', error: 'NotToBeRetired' });
    // The recovery rule starts it again at once.
    expect(retirement.States['WaitAndGiveUp']).toMatchObject({ Type: 'Wait', Seconds: 3600, Next: 'NotToBeRetired' });
  });

  it('tells people of consumers that have not left for too long, and looks again', async () => {
    const Retire = retiresAfter(['StillHeld', 'HeldTooLong', 'HeldTooLong']);
    const { tasks, inputs, outcome } = await interpret(retirement, RETIREMENT, { Retire, Owed: nothing });
    expect(tasks).toEqual(['Retire', 'Retire', 'Owed', 'Retire', 'Owed', 'Retire']);
    const told = { ...RETIREMENT, fault: { Error: 'HeldTooLong' } };
    expect(inputs.get('Owed')).toEqual([told, told]);
    expect(outcome.status).toBe('succeeded');
  });
});

describe('RotationDispatch', () => {
  const EVENT = { 'detail-type': 'Scheduled Event', resources: ['arn:rule'] };
  const rotations = [1, 2, 3].map((count) => ({
    executionName: `pg-${count}`,
    input: { ...INPUT, secretId: `pg-${count}` },
  }));

  it('starts each rotation once, under its name, with its input', async () => {
    const { inputs, outcome } = await interpret(dispatch, EVENT, {
      FindDue: () => ({ rotations }),
      StartRotation: nothing,
    });
    expect(inputs.get('FindDue')).toEqual([EVENT]);
    expect(inputs.get('StartRotation')).toEqual(
      rotations.map(({ executionName, input }) => ({
        StateMachineArn: '<SecretRotationStateMachine>',
        Name: executionName,
        Input: input,
      })),
    );
    expect(outcome.status).toBe('succeeded');
  });

  it('takes a rotation that is there already for started', async () => {
    const { outcome } = await interpret(dispatch, EVENT, {
      FindDue: () => ({ rotations }),
      StartRotation: throws('StepFunctions.ExecutionAlreadyExistsException'),
    });
    expect(outcome.status).toBe('succeeded');
  });

  it('starts what could be read, and fails then, with the names of what could not', async () => {
    const unreadable = 'The registry\'s entry of "broken" cannot be read.';
    for (const due of [rotations, []]) {
      const { inputs, outcome } = await interpret(dispatch, EVENT, {
        FindDue: () => ({ rotations: due, unreadable }),
        StartRotation: nothing,
      });
      expect(inputs.get('StartRotation') ?? []).toHaveLength(due.length);
      expect(outcome).toEqual({ status: 'failed', error: 'RecordUnreadable' });
    }
    expect(dispatch.States['RecordUnreadable']).toMatchObject({ Type: 'Fail', CausePath: '$.unreadable' });
  });

  it('is content when nothing is due', async () => {
    const { tasks, outcome } = await interpret(dispatch, EVENT, { FindDue: () => ({ rotations: [] }) });
    expect(tasks).toEqual(['FindDue']);
    expect(outcome.status).toBe('succeeded');
  });
});

describe('every task', () => {
  const tasks = () => [dispatch, rotation, retirement].flatMap(({ States }) => tasksOf(States));

  it('has a timeout and retries, within a machine that has a timeout', () => {
    for (const [name, task] of tasks()) {
      // A batch's time is its secret's.
      if (name === 'HandOver') expect(task['TimeoutSecondsPath']).toBe('$.timeoutSeconds');
      else expect(task['TimeoutSeconds'], name).toEqual(expect.any(Number));
      const retries = task['Retry'] as readonly { readonly MaxAttempts: number }[];
      expect(retries.length, name).toBeGreaterThan(0);
      for (const { MaxAttempts } of retries) expect(MaxAttempts, name).toBeGreaterThan(0);
    }
    for (const machine of [dispatch, rotation, retirement]) expect(machine.TimeoutSeconds).toBeGreaterThan(0);
  });

  it('retries and catches only errors that somebody throws', () => {
    const ours = Object.values(errors).flatMap((it) => ('errorName' in it ? [it.errorName as string] : []));
    const named = tasks().flatMap(([, task]) =>
      [...((task['Retry'] ?? []) as never[]), ...((task['Catch'] ?? []) as never[])].flatMap(
        ({ ErrorEquals }: { ErrorEquals: string[] }) => ErrorEquals,
      ),
    );
    for (const name of named)
      expect(/^(Lambda|States|StepFunctions|Sandbox)\./.test(name) || ours.includes(name), name).toBe(true);
    expect(TRANSIENT_ERRORS).toEqual(expect.arrayContaining(['TransientFailure', 'Throttled', 'TargetUnreachable']));
  });
});

describe('the definitions', () => {
  it('are as reviewed', () => {
    expect(dispatch).toMatchSnapshot('RotationDispatch');
    expect(rotation).toMatchSnapshot('SecretRotation');
    expect(retirement).toMatchSnapshot('VersionRetirement');
  });
});
