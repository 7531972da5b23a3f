import { beforeEach, describe, expect, it } from 'vitest';
import { TargetUnreachable, TransientFailure } from '../../../../shared/errors.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { owed } from '../../../../shared/rotation/owed.ts';
import type { OwedInput, RetirementInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { ENVIRONMENT, RotationWorld } from '../../../harness/rotation-world.ts';

const HOUR = 3600;

async function swept(world: RotationWorld): Promise<readonly RetirementInput[]> {
  const started: RetirementInput[] = [];
  const startRetirement = async (_: string, input: RetirementInput) => void started.push(input);
  const { clock, registry, secretStore, auditTrail } = world;
  await sweep({ clock, registry, secretStore, auditTrail, startRetirement }, ENVIRONMENT);
  return started;
}

describe('a debt', () => {
  let world: RotationWorld;
  let debt: OwedInput;
  const entry = async () => (await world.record()).ledger.find(({ versionId }) => versionId === debt.versionId);
  const kinds = () => world.alerts.published.map(({ kind }) => kind);

  beforeEach(async () => {
    world = await RotationWorld.adopted({ graceSeconds: 0 });
    const { retirement } = await world.rotate(await world.due());
    debt = { ...(retirement as RetirementInput), fault: { Error: 'StillAlive' } };
  });

  function cutOff(): () => void {
    const publish = world.alerts.publish.bind(world.alerts);
    world.alerts.publish = () => Promise.reject(new TransientFailure('SNS is away.'));
    return () => {
      world.alerts.publish = publish;
    };
  }

  it('that people cannot be told of has somebody who tries: the sweep adds no execution to that one', async () => {
    const restore = cutOff();
    for (let hour = 0; hour < 12; hour += 1) {
      await expect(owed(debt, world)).rejects.toThrow('SNS is away');
      world.clock.advance(HOUR);
      expect(await swept(world)).toEqual([]);
    }
    expect(await entry()).toMatchObject({ owedSince: expect.any(Date), owedTriedAt: expect.any(Date) });
    expect((await entry())?.owedAlertAt).toBeUndefined();
    restore();
    expect(await owed(debt, world)).toEqual({ told: true });
    expect(kinds()).toEqual(['rotation_succeeded', 'retirement_owed']);
    expect(world.alerts.published.at(-1)?.facts['owed_since']).toBe('2026-03-01T12:00:00Z');
  });

  it('that nobody tries to pay any more is taken up by the sweep', async () => {
    cutOff();
    await expect(owed(debt, world)).rejects.toThrow('SNS is away');
    world.clock.advance(151 * 60);
    expect(await swept(world)).toMatchObject([{ versionId: debt.versionId }]);
  });

  it('is told once although the audit trail cannot be written, and written down', async () => {
    const append = world.auditTrail.append.bind(world.auditTrail);
    world.auditTrail.append = () => Promise.reject(new TransientFailure('The trail is away.'));
    await expect(owed(debt, world)).rejects.toThrow('The trail is away');
    world.auditTrail.append = append;
    expect(await entry()).toMatchObject({ owedAlertAt: world.clock.now() });
    expect(await owed(debt, world)).toEqual({ told: false });
    expect(kinds().filter((kind) => kind === 'retirement_owed')).toHaveLength(1);
  });

  it('is no debt any more once it is paid', async () => {
    await owed(debt, world);
    await retire(debt, world);
    const { owedSince, owedAlertAt, owedTriedAt, retireAt } = (await entry()) ?? {};
    expect([owedSince, owedAlertAt, owedTriedAt, retireAt]).toEqual([undefined, undefined, undefined, undefined]);
    const before = await world.record();
    expect(await owed(debt, world)).toEqual({ told: false });
    expect(await world.record()).toEqual(before);
  });

  it('is not told of where a roll back only has to be proved once more, but has somebody who tries', async () => {
    world.clock.advance(48 * HOUR);
    const input = await world.due();
    await generate(input, world);
    const { retirement } = await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
    world.target.faults.add('unreachable');
    const again: OwedInput = { ...(retirement as RetirementInput), fault: { Error: 'TargetUnreachable' } };
    for (let hour = 0; hour < 5; hour += 1) {
      world.clock.advance(HOUR);
      await expect(retire(retirement as RetirementInput, world)).rejects.toBeInstanceOf(TargetUnreachable);
      expect(await owed(again, world)).toEqual({ told: false });
      expect((await swept(world)).map(({ versionId }) => versionId)).not.toContain(input.rotationId);
    }
    expect(kinds()).not.toContain('retirement_owed');
  });
});
