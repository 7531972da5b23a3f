import { describe, expect, it } from 'vitest';
import {
  AdminRefused,
  CurrentVersionMoved,
  LeaseHeld,
  RotationEnded,
  TargetUnreachable,
  TransientFailure,
} from '../../../../shared/errors.ts';
import { apply } from '../../../../shared/rotation/apply.ts';
import { audit } from '../../../../shared/rotation/audit.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { notify } from '../../../../shared/rotation/notify.ts';
import { owed } from '../../../../shared/rotation/owed.ts';
import type { RetirementInput, RotationInput } from '../../../../shared/rotation/payloads.ts';
import { recover } from '../../../../shared/rotation/recover.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { test } from '../../../../shared/rotation/test.ts';
import type { TargetFault } from '../../../fakes/in-memory-target.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

describe('a rotation', () => {
  it('switches to a tested candidate and retires the incumbent after its grace', async () => {
    const world = await RotationWorld.adopted();
    const before = await world.current();
    const { retirement } = await world.rotate(await world.due());

    expect(await world.currentOpensTarget()).toBe(true);
    expect((await world.current()).versionId).not.toBe(before.versionId);
    expect(world.target.opens(before.value)).toBe(true);
    expect(retirement).toMatchObject({ versionId: before.versionId, retireAt: '2026-03-01T13:00:00.000Z' });

    world.clock.advance(3600);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before.value)).toBe(false);
    expect(await world.actions()).toEqual([
      'rotation.configure.adopted',
      'rotation.generate.lease_taken',
      'rotation.generate.preflight_passed',
      'rotation.generate.candidate_journaled',
      'rotation.generate.candidate_stored',
      'rotation.generate.candidate_installed',
      'rotation.test.candidate_healthy',
      'rotation.test.capabilities_equal',
      'rotation.audit.switch_recorded',
      'rotation.apply.current_moved',
      'rotation.apply.current_validated',
      'rotation.notify.alert_sent',
      'rotation.notify.rotation_succeeded',
      'rotation.retire.proved_dead',
    ]);
  });

  it('is due again by its schedule, and not before', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    expect(await world.scheduled()).toEqual([]);
    const { dueAt } = await world.record();
    expect(Number(dueAt) - world.clock.now().getTime()).toBeGreaterThanOrEqual(86_400_000);
  });

  it('tells people once, in words and for machines', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await world.rotate(input);
    await notify(input, world);
    expect(world.alerts.published).toHaveLength(1);
    const [alert] = world.alerts.published;
    expect(alert?.subject).toBe('[rekey] Rotated pg_prod_main (production)');
    expect(alert?.facts).toMatchObject({ kind: 'rotation_succeeded', rotation_id: input.rotationId });
  });

  it('tells people with its success what the rotator had to warn of', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    expect(world.alerts.published.at(-1)?.body).toContain('What to do: nothing.');
    const install = world.target.install.bind(world.target);
    const warning = 'not persisted: it may go with a restart.';
    world.target.install = async (input) => ({ ...(await install(input)), warning });
    world.clock.advance(2 * 86_400);
    await world.rotate(await world.due());
    const alert = world.alerts.published.at(-1);
    expect(alert?.body).toContain(`\nMind: ${warning}\n`);
    expect(alert?.body).not.toContain('nothing.');
    expect(alert?.facts).toMatchObject({ kind: 'rotation_succeeded', warning });
  });

  it('has in its ledger that a value was stored, once it was: also of what could not be ended', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    const marks = async () => (await world.record()).ledger.map(({ state, wasStored }) => [state, wasStored]);
    const putPending = world.secretStore.putPending.bind(world.secretStore);
    let before: unknown;
    world.secretStore.putPending = async (...given) => {
      before = await marks();
      return putPending(...given);
    };
    await generate(input, world);
    expect(before).toEqual([
      ['current', true],
      ['proposed', undefined],
    ]);
    const after = await marks();
    expect(after).toEqual([
      ['current', true],
      ['proposed', true],
    ]);
    world.target.faults.add('survives');
    await rollBack({ ...input, fault: { Error: 'CandidateUnproven' } }, world);
    expect(await marks()).toEqual([
      ['current', true],
      ['grace', true],
    ]);
  });

  it('alternates between two accounts, retiring each before it is used again', async () => {
    const world = await RotationWorld.adopted();
    for (let round = 0; round < 4; round += 1) {
      const { retirement } = await world.rotate(await world.due());
      world.clock.advance(3600);
      await retire(retirement as RetirementInput, world);
      world.clock.advance(2 * 86_400);
    }
    expect(world.target.loginNames()).toHaveLength(1);
    expect(await world.currentOpensTarget()).toBe(true);
    expect((await world.record()).ledger.length).toBeLessThanOrEqual(3);
  });

  it('ends an incumbent whose retirement was lost before it needs the place', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    world.clock.advance(2 * 86_400);
    await world.rotate(await world.due());
    world.clock.advance(2 * 86_400);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
    expect(world.target.loginNames()).toHaveLength(2);
  });
});

describe('every step may run twice', () => {
  it('gives the same result and no second effect', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    for (const step of [generate, test, audit, apply]) {
      const first = await step(input, world);
      const value = await world.current();
      const actions = await world.actions();
      const { revision } = await world.record();
      expect(await step(input, world)).toEqual(first);
      expect(await world.current()).toEqual(value);
      expect(await world.actions()).toEqual(actions);
      expect((await world.record()).revision).toBe(revision);
    }
    const told = await notify(input, world);
    const { revision } = await world.record();
    expect(await notify(input, world)).toEqual(told);
    expect((await world.record()).revision).toBe(revision);
    expect(world.alerts.published).toHaveLength(1);
  });

  it('retires once', async () => {
    const world = await RotationWorld.adopted({ graceSeconds: 0 });
    const { retirement } = await world.rotate(await world.due());
    await retire(retirement as RetirementInput, world);
    const actions = await world.actions();
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(await world.actions()).toEqual(actions);
  });

  it('rolls back once', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    const fault = { Error: 'CandidateUnproven' };
    const answer = await rollBack({ ...input, fault }, world);
    // To be proved dead once more, when no function of the rotation can still run.
    expect(answer).toMatchObject({ outcome: 'rolled_back', retirement: { versionId: input.rotationId } });
    const record = await world.record();
    expect(await rollBack({ ...input, fault }, world)).toEqual(answer);
    expect(await world.record()).toEqual(record);
  });

  it('starts one rotation from two dispatchers at the same instant', async () => {
    const world = await RotationWorld.adopted();
    const started = (await Promise.all([world.scheduled(), world.scheduled()])).flat();
    expect(new Set(started.map(({ rotationId }) => rotationId)).size).toBe(1);
  });

  it('ends a late duplicate of a step without effects', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await world.rotate(input);
    const { revision } = await world.record();
    await expect(generate(input, world)).rejects.toThrow(RotationEnded);
    await expect(test(input, world)).rejects.toThrow(RotationEnded);
    expect((await world.record()).revision).toBe(revision);
  });
});

describe('two rotations of one secret', () => {
  it('exclude each other by the lease', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    await expect(generate(another(input), world)).rejects.toThrow(LeaseHeld);
  });

  it('the later one takes a dead one back first', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    world.clock.advance(16 * 60);
    await world.rotate(another(input));
    expect(await world.currentOpensTarget()).toBe(true);
    expect(await world.unknownLogins()).toEqual([]);
    expect((await world.registry.archivedRotation(SECRET, input.rotationId))?.status).toBe('rolled_back');
  });

  it('start in the order in which they run, whatever their clocks say', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    const { rotation: first } = await world.record();
    await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
    world.clock.advance(-30);
    await world.rotate(another(input));
    const { rotation: second } = await world.record();
    expect(Number(second?.startedAt)).toBeGreaterThan(Number(first?.startedAt));
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('retirement waits for a running rotation', async () => {
    const world = await RotationWorld.adopted({ graceSeconds: 0 });
    const { retirement } = await world.rotate(await world.due());
    world.clock.advance(2 * 86_400);
    const next = await world.due();
    await generate(next, world);
    await test(next, world);
    const again = { ...(retirement as RetirementInput), versionId: next.rotationId };
    await expect(retire(again, world)).rejects.toThrow(LeaseHeld);
  });
});

describe('a fault', () => {
  const cases: readonly (readonly [TargetFault, string])[] = [
    ['unreachable', 'TargetUnreachable'],
    ['admin_refused', 'AdminRefused'],
    ['refuses_candidate', 'RefusedByPolicy'],
    ['candidate_unhealthy', 'CandidateUnproven'],
  ];
  it.each(cases)('%s rolls back, says so, and the next run succeeds once it is gone', async (fault, name) => {
    const world = await RotationWorld.adopted();
    const before = await world.current();
    const input = await world.due();
    world.target.faults.add(fault);
    await failAndRollBack(world, input, name);

    expect(await world.current()).toEqual(before);
    expect(world.alerts.published.map(({ kind }) => kind)).toEqual(['rotation_rolled_back']);
    expect(world.alerts.published[0]?.body).toContain(name);
    world.target.faults.clear();
    expect(await world.currentOpensTarget()).toBe(true);
    expect(await world.unknownLogins()).toEqual([]);

    expect(await world.scheduled()).toEqual([]);
    world.clock.advance(5 * 60);
    await world.rotate(await world.due());
    expect((await world.current()).versionId).not.toBe(before.versionId);
    expect((await world.record()).failures).toBe(0);
  });

  it('of an account used by hand is told and the account is not touched', async () => {
    const world = await RotationWorld.adopted();
    const byHand = world.target.seed('app_a');
    await failAndRollBack(world, await world.due(), 'SlotOccupied');
    expect(world.target.opens(byHand)).toBe(true);
    expect(world.alerts.published[0]?.subject).toContain('SlotOccupied');
  });

  it('that leaves the candidate unremovable keeps it as a debt, which the next run pays', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    world.target.faults.add('unreachable');
    await rollBack({ ...input, fault: { Error: 'TargetUnreachable' } }, world);
    await notify(input, world);
    expect((await world.record()).ledger.find(({ versionId }) => versionId === input.rotationId)).toMatchObject({
      state: 'grace',
      owedSince: world.clock.now(),
    });
    expect(world.alerts.published[0]?.facts).toMatchObject({ candidate_owed: true });
    world.target.faults.clear();
    world.clock.advance(5 * 60);
    await world.rotate(await world.due());
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('after the switch completes forward when the new value works', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await proceedToSwitch(world, input);
    const { versionId } = await world.current();
    await world.secretStore.promote(SECRET, { from: versionId, to: input.rotationId });
    const answer = await rollBack({ ...input, fault: { Error: 'States.Timeout' } }, world);
    expect(answer).toMatchObject({ outcome: 'completed', retirement: { versionId } });
    expect(await notify(input, world)).toEqual({ outcome: 'succeeded' });
  });

  it('after the switch goes back when the new value does not work', async () => {
    const world = await RotationWorld.adopted();
    const before = await world.current();
    const input = await world.due();
    await proceedToSwitch(world, input);
    await world.secretStore.promote(SECRET, { from: before.versionId, to: input.rotationId });
    world.target.accounts.delete('app_a');
    await expect(apply(input, world)).rejects.toThrow('refused the new current value');
    await rollBack({ ...input, fault: { Error: 'CandidateUnproven' } }, world);
    expect(await world.current()).toEqual(before);
  });

  it('of somebody else moving AWSCURRENT stops the switch and touches nothing of theirs', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await proceedToSwitch(world, input);
    const { versionId } = await world.current();
    const value = world.target.seed('by_hand');
    const { SecretText } = await import('../../../../shared/redact.ts');
    const theirs = crypto.randomUUID();
    await world.secretStore.putPending(SECRET, theirs, new SecretText(value));
    await world.secretStore.promote(SECRET, { from: versionId, to: theirs });
    await expect(apply(input, world)).rejects.toThrow(CurrentVersionMoved);
    await rollBack({ ...input, fault: { Error: 'CurrentVersionMoved' } }, world);
    expect((await world.current()).versionId).toBe(theirs);
    expect(world.target.opens(value)).toBe(true);
  });
});

describe('retirement', () => {
  it('that cannot be proved is owed, told once in a while, and paid later', async () => {
    const world = await RotationWorld.adopted({ graceSeconds: 0 });
    const before = await world.current();
    const { retirement } = await world.rotate(await world.due());
    world.target.faults.add('survives');
    await expect(retire(retirement as RetirementInput, world)).rejects.toThrow('still opens');
    const debt = { ...(retirement as RetirementInput), fault: { Error: 'StillAlive' } };
    await owed(debt, world);
    await owed(debt, world);
    expect(world.alerts.published.map(({ kind }) => kind)).toEqual(['rotation_succeeded', 'retirement_owed']);
    world.clock.advance(3600);
    await owed(debt, world);
    expect(world.alerts.published).toHaveLength(3);
    world.target.faults.clear();
    await retire(retirement as RetirementInput, world);
    expect(world.target.opens(before.value)).toBe(false);
    expect(await owed(debt, world)).toEqual({ told: false });
  });

  it('names to the target the version that it ends, as a roll back does', async () => {
    const world = await RotationWorld.adopted({ graceSeconds: 0 });
    const ended: string[] = [];
    const end = world.target.retire.bind(world.target);
    world.target.retire = (words) => {
      ended.push(words.versionId);
      return end(words);
    };
    const input = await world.due();
    await generate(input, world);
    await rollBack({ ...input, fault: { Error: 'CandidateUnproven' } }, world);
    const { retirement } = await world.rotate(another(input));
    await retire(retirement as RetirementInput, world);
    expect(ended).toEqual([input.rotationId, retirement?.versionId]);
  });

  it('spares a version that carries AWSCURRENT again', async () => {
    const world = await RotationWorld.adopted({ graceSeconds: 0 });
    const before = await world.current();
    const input = await world.due();
    const { retirement } = await world.rotate(input);
    await world.secretStore.promote(SECRET, { from: input.rotationId, to: before.versionId });
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'kept' });
    expect(await world.currentOpensTarget()).toBe(true);
  });
});

describe('recovery', () => {
  it('rolls back what an aborted execution left, and tells', async () => {
    const world = await RotationWorld.adopted();
    const input = await world.due();
    await generate(input, world);
    const started: string[] = [];
    const answer = await recover(
      {
        detail: {
          executionArn: 'arn:aws:states:us-east-1:000000000000:execution:SecretRotation:x',
          stateMachineArn: 'arn:aws:states:us-east-1:000000000000:stateMachine:SecretRotation',
          status: 'ABORTED',
          input: JSON.stringify(input),
        },
      },
      Object.assign(Object.create(world) as RotationWorld, {
        startRetirement: async (name: string) => void started.push(name),
      }),
    );
    expect(answer).toEqual({ outcome: 'rolled_back' });
    // Its function may still run: the candidate is proved dead once more.
    expect(started).toEqual([input.rotationId]);
    expect(await world.unknownLogins()).toEqual([]);
    expect(world.alerts.published.map(({ kind }) => kind)).toEqual(['rotation_rolled_back']);
  });
});

describe('a secret that has no value yet', () => {
  it('gets its first one by the same path', async () => {
    const world = new RotationWorld();
    const report = await world.configure([declaration()]);
    expect(report.created).toEqual([SECRET]);
    expect(await world.rotate(await world.due())).toEqual({});
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('comes up again after its first rotation failed', async () => {
    const world = new RotationWorld();
    await world.configure([declaration()]);
    const input = await world.due();
    world.target.faults.add('candidate_unhealthy');
    await failAndRollBack(world, input, 'CandidateUnproven');
    world.target.faults.clear();
    world.clock.advance(5 * 60);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it.each([
    ['is dead, also once that was proved again', 'dead'],
    ['is what a function that went on has made of it', 'alive'],
  ])('keeps the label after its first rotation failed, and %s: the next replaces it', async (_, end) => {
    const world = new RotationWorld();
    await world.configure([declaration()]);
    const input = await world.due();
    await generate(input, world);
    const { value } = await world.current();
    const { retirement } = await rollBack({ ...input, fault: { Error: 'States.Timeout' } }, world);
    const { username, password } = JSON.parse(value) as { readonly username: string; readonly password: string };
    if (end === 'alive') world.target.accounts.set(username, { password, sessions: 0 });
    world.clock.advance(120);
    expect(await retire(retirement as RetirementInput, world)).toEqual({
      outcome: end === 'alive' ? 'kept' : 'retired',
    });
    expect((await world.record()).ledger).toEqual([
      expect.objectContaining({ identity: username, state: end === 'alive' ? 'current' : 'retired' }),
    ]);
    expect((await world.record()).ledger[0]?.retireAt).toBeUndefined();
    world.clock.advance(86_400);
    const next = await world.rotate(await world.due());
    expect(next.retirement?.versionId).toBe(end === 'alive' ? input.rotationId : undefined);
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('that could not be ended after its first rotation failed is ended when it can be, although it keeps the label', async () => {
    const world = new RotationWorld();
    await world.configure([declaration()]);
    const input = await world.due();
    await generate(input, world);
    const end = world.target.retire.bind(world.target);
    world.target.retire = () => Promise.reject(new AdminRefused('The administrator is refused.'));
    const { retirement } = await rollBack({ ...input, fault: { Error: 'States.Timeout' } }, world);
    expect((await world.record()).ledger[0]?.state).toBe('grace');
    world.target.retire = end;
    const { value } = await world.current();
    world.target.accounts.delete((JSON.parse(value) as { readonly username: string }).username);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect((await world.record()).ledger[0]?.state).toBe('retired');
  });

  it('that stays owed while the next rotation is tried, and fails, is called current by nobody', async () => {
    const world = new RotationWorld();
    await world.configure([declaration()]);
    const first = await world.due();
    const install = world.target.install.bind(world.target);
    world.target.install = () => {
      world.target.faults.add('unreachable');
      return Promise.reject(new TransientFailure('The connection was lost.'));
    };
    await expect(generate(first, world)).rejects.toBeInstanceOf(TransientFailure);
    world.target.install = install;
    const { retirement } = await rollBack({ ...first, fault: { Error: 'TransientFailure' } }, world);
    expect((await world.record()).ledger[0]?.state).toBe('grace');
    await expect(retire(retirement as RetirementInput, world)).rejects.toBeInstanceOf(TargetUnreachable);
    world.clock.advance(300);
    const second = await world.due();
    await expect(generate(second, world)).rejects.toBeInstanceOf(TargetUnreachable);
    await rollBack({ ...second, fault: { Error: 'TargetUnreachable' } }, world);
    world.target.faults.clear();
    const third = another(second);
    world.clock.advance(3300);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    await world.rotate(third);
    expect(await world.currentOpensTarget()).toBe(true);
  });
});

function another(input: RotationInput): RotationInput {
  return { ...input, rotationId: crypto.randomUUID(), reason: 'manual', requestedBy: 'test' };
}

/** The phases before the switch. */
async function proceedToSwitch(world: RotationWorld, input: RotationInput): Promise<void> {
  await generate(input, world);
  await test(input, world);
  await audit(input, world);
}

/** What the workflow does when a phase throws. */
async function failAndRollBack(world: RotationWorld, input: RotationInput, name: string): Promise<void> {
  const failure = await world.rotate(input).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ name });
  expect(await rollBack({ ...input, fault: { Error: name } }, world)).toMatchObject({ outcome: 'rolled_back' });
  expect(await notify(input, world)).toEqual({ outcome: 'rolled_back' });
}

describe('a function that goes on although its execution was stopped', () => {
  it('moves AWSCURRENT back itself when it switches after everything was rolled back', async () => {
    const world = await RotationWorld.adopted();
    const before = await world.current();
    const input = await world.due();
    await proceedToSwitch(world, input);
    const promote = world.secretStore.promote.bind(world.secretStore);
    world.secretStore.promote = async (...words) => {
      world.secretStore.promote = promote;
      await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
      return promote(...words);
    };
    await expect(apply(input, world)).rejects.toThrow('refused the new current value');
    expect(await world.current()).toEqual(before);
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('is put right by the roll back when it switches in the middle of that', async () => {
    const world = await RotationWorld.adopted();
    const before = await world.current();
    const input = await world.due();
    await proceedToSwitch(world, input);
    const end = world.target.retire.bind(world.target);
    world.target.retire = async (words) => {
      await world.secretStore.promote(SECRET, { from: before.versionId, to: input.rotationId });
      return end(words);
    };
    await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
    expect(await world.current()).toEqual(before);
    expect(await world.currentOpensTarget()).toBe(true);
  });

  describe('until a later rotation has taken the same account', () => {
    it('is refused when it installs', async () => {
      const world = await RotationWorld.adopted();
      const input = await world.due();
      const later = takeOver(world, input);
      const install = world.target.install.bind(world.target);
      world.target.install = async (words) => {
        world.target.install = install;
        await later();
        return install(words);
      };
      await expect(generate(input, world)).rejects.toThrow(RotationEnded);
      await expectLaterInForce(world, input);
    });

    it('takes nothing of the later one back when it undoes its own install', async () => {
      const world = await RotationWorld.adopted();
      const input = await world.due();
      const later = takeOver(world, input);
      const install = world.target.install.bind(world.target);
      world.target.install = async (words) => {
        world.target.install = install;
        const report = await install(words);
        await later();
        return report;
      };
      await expect(generate(input, world)).rejects.toThrow(TransientFailure);
      await expectLaterInForce(world, input);
    });

    it('takes nothing of the later one back when it rolls back', async () => {
      const world = await RotationWorld.adopted();
      const input = await world.due();
      await generate(input, world);
      const later = takeOver(world, input);
      beforeRetire(world, later);
      await expect(rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world)).rejects.toThrow(RotationEnded);
      await expectLaterInForce(world, input);
    });

    it('takes nothing of the later one back when it retires', async () => {
      const world = await RotationWorld.adopted();
      world.clock.advance(2 * 86_400);
      await world.rotate(await world.due());
      world.clock.advance(2 * 86_400);
      const { retirement } = await world.rotate(await world.due());
      expect((await world.record()).ledger).toContainEqual(
        expect.objectContaining({ identity: 'app_a', versionId: retirement?.versionId, state: 'grace' }),
      );
      world.clock.advance(2 * 86_400);
      beforeRetire(world, async () => {
        await retire(retirement as RetirementInput, world);
        // The other has run for longer than a function may.
        world.clock.advance(66);
        await world.rotate(await world.due());
      });
      await retire(retirement as RetirementInput, world);
      expect(JSON.parse((await world.current()).value)).toMatchObject({ username: 'app_a' });
      expect(await world.currentOpensTarget()).toBe(true);
    });

    /** Recovery, then a rotation of the same secret from its beginning to its end. */
    function takeOver(world: RotationWorld, input: RotationInput): () => Promise<void> {
      return async () => {
        await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
        await world.rotate(another(input));
      };
    }

    function beforeRetire(world: RotationWorld, meanwhile: () => Promise<void>): void {
      const end = world.target.retire.bind(world.target);
      world.target.retire = async (words) => {
        world.target.retire = end;
        await meanwhile();
        return end(words);
      };
    }

    async function expectLaterInForce(world: RotationWorld, { rotationId }: RotationInput): Promise<void> {
      expect(JSON.parse((await world.current()).value)).toMatchObject({ username: 'app_a' });
      expect((await world.current()).versionId).not.toBe(rotationId);
      expect(await world.currentOpensTarget()).toBe(true);
      expect((await world.record()).rotation).toMatchObject({ status: 'succeeded' });
    }
  });

  describe('in a mode without overlap (single_role), where Apply installs', () => {
    it('installs nothing when AWSCURRENT has moved on', async () => {
      const { world, input } = await beforeApply();
      const { versionId: from } = await world.current();
      const theirs = crypto.randomUUID();
      const { SecretText } = await import('../../../../shared/redact.ts');
      await world.secretStore.putPending(SECRET, theirs, new SecretText(world.target.seed('by_hand')));
      await world.secretStore.promote(SECRET, { from, to: theirs });
      await expect(apply(input, world)).rejects.toThrow(CurrentVersionMoved);
      expect(world.target.accounts.has('app_a')).toBe(false);
    });

    it('takes back what it installs after everything was rolled back', async () => {
      const { world, input } = await beforeApply();
      const before = await world.current();
      const install = world.target.install.bind(world.target);
      world.target.install = async (words) => {
        await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
        return install(words);
      };
      await expect(apply(input, world)).rejects.toThrow(TransientFailure);
      await expect(apply(input, world)).rejects.toThrow(RotationEnded);
      expect(await world.current()).toEqual(before);
      expect(await world.currentOpensTarget()).toBe(true);
      expect(await world.unknownLogins()).toEqual([]);
    });

    it('installs once more, and takes nothing back, when its label was moved and its answer lost', async () => {
      const { world, input } = await beforeApply();
      const { versionId: from } = await world.current();
      const promote = world.secretStore.promote.bind(world.secretStore);
      world.secretStore.promote = async (...words) => {
        world.secretStore.promote = promote;
        await promote(...words);
        throw new TransientFailure('The answer was lost.');
      };
      await expect(apply(input, world)).rejects.toThrow(TransientFailure);
      expect(await apply(input, world)).toMatchObject({ retirement: { versionId: from } });
      expect((await world.current()).versionId).toBe(input.rotationId);
      expect(await world.currentOpensTarget()).toBe(true);
    });

    async function beforeApply(): Promise<{ readonly world: RotationWorld; readonly input: RotationInput }> {
      const world = await RotationWorld.adopted();
      world.target.overlap = false;
      const input = await world.due();
      await proceedToSwitch(world, input);
      return { world, input };
    }
  });
});
