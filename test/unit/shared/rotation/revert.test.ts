import { describe, expect, it } from 'vitest';
import { IncumbentRefused, LeaseHeld, Misconfigured, StillHeld } from '../../../../shared/errors.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import type { RetirementInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { revert } from '../../../../shared/rotation/revert.ts';
import { ENVIRONMENT, SECRET } from '../../../harness/rotation-world.ts';
import { RolloutWorld } from '../../../harness/rollout-world.ts';

describe('a rollback on demand', () => {
  it('makes the version before current again, and retires the newer one when nobody uses it', async () => {
    const world = await RolloutWorld.withConsumers(['acknowledges', 'acknowledges'], { graceSeconds: 30 });
    const before = await world.current();
    await world.rotateWithWorkflow();
    const after = await world.current();
    const { started, result } = await reverted(world);
    expect(result).toEqual({ versionId: before.versionId, replacedVersionId: after.versionId });
    expect(await world.current()).toEqual(before);
    expect(await world.currentOpensTarget()).toBe(true);
    expect(world.target.opens(after.value)).toBe(true);
    expect(world.alerts.published.at(-1)).toMatchObject({
      kind: 'rotation_rolled_back',
      subject: '[rekey] Taken back pg_prod_main (production): on request',
    });

    const [retirement] = started;
    if (retirement === undefined) throw new Error('the newer version is to be retired');
    const { graceSeconds } = (await world.record()).declaration;
    expect(Date.parse(retirement.retireAt) - world.clock.now().getTime()).toBe(graceSeconds * 1000);
    await expect(retire(retirement, world)).rejects.toBeInstanceOf(StillHeld);
    await world.everybodyLooks();
    expect(world.followers.map(({ holds }) => holds)).toEqual([before.versionId, before.versionId]);
    expect(await retire(retirement, world)).toEqual({ outcome: 'limited', until: retirement.retireAt });
    world.clock.advance(30);
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(after.value)).toBe(false);
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('keeps what was to be retired, when its own retirement comes', async () => {
    const world = await RolloutWorld.withConsumers([]);
    const { retirements } = await world.rotateWithWorkflow();
    await reverted(world);
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent was to be retired');
    world.clock.advance(7200);
    expect(await retire(retirement, world)).toEqual({ outcome: 'kept' });
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('gives what it went back to a whole grace period when it is replaced again, whatever its first retirement was told', async () => {
    const world = await RolloutWorld.withConsumers([], {
      graceSeconds: 86_400,
      schedule: { kind: 'every', seconds: 30 * 86_400 },
    });
    const before = await world.current();
    const input = { environment: ENVIRONMENT, secretId: SECRET, reason: 'manual', requestedBy: 'cli:me' } as const;
    const { retirement: first } = await world.rotate({ ...input, rotationId: crypto.randomUUID() });
    world.clock.advance(3600);
    await reverted(world);
    world.clock.advance(22 * 3600);
    // The newer version's place is free in time: its own grace period is not what this is about.
    const newer = (await world.record()).ledger.find(({ state }) => state === 'grace');
    world.target.accounts.delete(newer?.identity ?? '');
    await updateRecord(world.registry, SECRET, (record) => ({
      ...record,
      ledger: record.ledger.filter(({ state }) => state === 'current'),
    }));
    const { retirement: second } = await world.rotate({ ...input, rotationId: crypto.randomUUID() });
    expect([first?.versionId, second?.versionId]).toEqual([before.versionId, before.versionId]);
    world.clock.advance(3600);
    expect(await retire(first as RetirementInput, world)).toEqual({ outcome: 'limited', until: second?.retireAt });
    expect(world.target.opens(before.value)).toBe(true);
    expect((await world.record()).lease).toBeUndefined();
    world.clock.advance(23 * 3600);
    expect(await retire(first as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before.value)).toBe(false);
  });

  it('twice is once: the second time answers the same and starts the same retirement', async () => {
    const world = await RolloutWorld.withConsumers([]);
    await world.rotateWithWorkflow();
    const request = requestOf();
    const first = await reverted(world, request);
    const alerts = world.alerts.published.length;
    const second = await reverted(world, request);
    expect(second.result).toEqual(first.result);
    expect(second.names).toEqual(first.names);
    expect(world.alerts.published).toHaveLength(alerts);
  });

  it('rotates again afterwards, by its schedule', async () => {
    const world = await RolloutWorld.withConsumers([]);
    await world.rotateWithWorkflow();
    const { started } = await reverted(world);
    for (const retirement of started) await retire(retirement, world);
    const before = await world.current();
    world.clock.advance(2 * 86_400);
    const { outcome } = await world.rotateWithWorkflow();
    expect(outcome.status).toBe('succeeded');
    expect((await world.current()).versionId).not.toBe(before.versionId);
  });

  it('is refused when there is nothing to go back to, a rotation runs, or the version before no longer works', async () => {
    const world = await RolloutWorld.withConsumers([]);
    await expect(reverted(world)).rejects.toBeInstanceOf(Misconfigured);
    await world.rotateWithWorkflow();
    const before = await world.current();

    const { incumbent } = (await world.record()).rotation ?? {};
    const account = world.target.accounts.get(incumbent ?? '');
    world.target.accounts.set(incumbent ?? '', { sessions: 0, ...account, password: undefined });
    await expect(reverted(world)).rejects.toBeInstanceOf(IncumbentRefused);
    expect(await world.current()).toEqual(before);
    expect((await world.record()).lease).toBeUndefined();

    world.clock.advance(2 * 86_400);
    await generate(await world.due(), world).catch(() => undefined);
    await expect(reverted(world)).rejects.toBeInstanceOf(LeaseHeld);
  });
});

function requestOf() {
  return { environment: ENVIRONMENT, secretId: SECRET, requestId: crypto.randomUUID(), requestedBy: 'cli:me' };
}

async function reverted(world: RolloutWorld, request = requestOf()) {
  const started: RetirementInput[] = [];
  const names: string[] = [];
  const startRetirement = async (name: string, input: RetirementInput) => {
    names.push(name);
    started.push(input);
  };
  const result = await revert(request, { ...world.ports(), startRetirement });
  return { result, started, names };
}
