import { describe, expect, it } from 'vitest';
import { StillHeld } from '../../../../shared/errors.ts';
import type { LedgerCredential } from '../../../../shared/registry/registry.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import type { RetirementInput } from '../../../../shared/rotation/payloads.ts';
import { withLease } from '../../../../shared/rotation/lease.ts';
import { NOTHING_OWED } from '../../../../shared/rotation/ledger.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { RolloutWorld } from '../../../harness/rollout-world.ts';
import { declaration, ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const HOUR = 3600;

async function swept(world: RotationWorld, environment = ENVIRONMENT) {
  const started: RetirementInput[] = [];
  const names: string[] = [];
  const startRetirement = async (name: string, input: RetirementInput) => {
    if (names.includes(name)) return;
    names.push(name);
    started.push(input);
  };
  const { clock, registry, secretStore, auditTrail } = world;
  const result = await sweep({ clock, registry, secretStore, auditTrail, startRetirement }, environment);
  return { result, started, names };
}

const change = (world: RotationWorld, entries: readonly Partial<LedgerCredential>[]) =>
  updateRecord(world.registry, SECRET, (record) => ({
    ...record,
    ledger: record.ledger.map((entry, index) => ({ ...entry, ...entries[index] })),
  }));

/** Rotated once; the incumbent is in its grace period. */
async function rotated(): Promise<{ readonly world: RotationWorld; readonly retirement: RetirementInput }> {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  return { world, retirement };
}

describe('the sweep', () => {
  it('finds nothing where every credential has somebody who ends it', async () => {
    const { world, retirement } = await rotated();
    expect(await swept(world)).toMatchObject({ result: { secrets: 1, orphans: 0, restarted: 0 }, started: [] });
    world.clock.advance(2 * HOUR);
    await retire(retirement, world);
    world.clock.advance(24 * HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  it('starts a retirement again that has been silent for hours, under a new name each time', async () => {
    const { world, retirement } = await rotated();
    world.clock.advance(HOUR + 149 * 60);
    expect((await swept(world)).started).toEqual([]);
    world.clock.advance(2 * 60);
    const { result, started, names } = await swept(world);
    expect(result).toEqual({ secrets: 1, orphans: 0, restarted: 1 });
    expect(started).toMatchObject([{ secretId: SECRET, versionId: retirement.versionId }]);
    world.clock.advance(3 * HOUR);
    expect((await swept(world)).names).not.toEqual(names);
    expect(await retire(started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('leaves a debt alone that people were told of lately', async () => {
    const { world } = await rotated();
    world.clock.advance(10 * HOUR);
    await change(world, [{ owedSince: world.clock.now(), owedAlertAt: world.clock.now() }]);
    world.clock.advance(HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  it('takes in a candidate of a rotation that is over, writes it down once, and has it ended', async () => {
    const { world } = await rotated();
    const record = await world.record();
    const index = record.ledger.findIndex(({ state }) => state === 'current');
    const orphan = { identity: 'app_b', versionId: crypto.randomUUID() };
    world.target.accounts.set(orphan.identity, { password: 'lost', sessions: 0 });
    await updateRecord(world.registry, SECRET, (latest) => ({
      ...latest,
      ledger: [...latest.ledger, { ...latest.ledger[index], ...orphan, state: 'proposed' } as LedgerCredential],
    }));
    const { result, started } = await swept(world);
    expect(result).toEqual({ secrets: 1, orphans: 1, restarted: 0 });
    await swept(world);
    expect((await world.actions()).filter((action) => action.includes('orphan_found'))).toHaveLength(1);
    expect(await retire(started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.loginNames()).not.toContain('app_b');
  });

  it('does not touch the candidate of a rotation that runs, nor one whose lease has run out', async () => {
    const world = await RotationWorld.adopted();
    await generate(await world.due(), world);
    expect((await swept(world)).started).toEqual([]);
    world.clock.advance(5 * HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  describe('where a rotation died and the dispatcher no longer comes', () => {
    const GONE: readonly (readonly [string, (world: RotationWorld) => Promise<unknown>])[] = [
      ['left the file', (world) => world.configure([])],
      ['has a type without a rotator', (world) => world.configure([declaration({ type: 'redis' })])],
    ];

    async function died(leave: (world: RotationWorld) => Promise<unknown>): Promise<RotationWorld> {
      const world = await RotationWorld.adopted();
      await generate(await world.due(), world);
      await leave(world);
      return world;
    }

    it.each(GONE)('waits for its lease, then takes the candidate in: the secret %s', async (_, leave) => {
      const world = await died(leave);
      expect((await swept(world)).started).toEqual([]);
      world.clock.advance(16 * 60);
      const { result, started } = await swept(world);
      expect(result).toMatchObject({ orphans: 1 });
      const { rotation, lease, ledger } = await world.record();
      expect(rotation).toMatchObject({ status: 'rolled_back', fault: { name: 'Abandoned' } });
      expect(lease).toBeUndefined();
      expect(ledger.map(({ state }) => state).sort()).toEqual(['current', 'grace']);
      expect(started).toMatchObject([{ versionId: rotation?.rotationId }]);
      expect((await swept(world)).result).toMatchObject({ orphans: 0 });
    });

    it('ends it while the secret is out of the file, and rotates it again when it is back', async () => {
      const world = await died((left) => left.configure([]));
      world.clock.advance(16 * 60);
      const { started } = await swept(world);
      expect(await retire(started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
      expect(world.target.loginNames()).toEqual(['app']);
      await world.configure([declaration()]);
      world.clock.advance(48 * HOUR);
      await world.rotate(await world.due());
      expect(await world.currentOpensTarget()).toBe(true);
    });

    it('leaves it to the dispatcher when the secret is back before the sweep, whatever its schedule is now', async () => {
      const world = await died((left) => left.configure([]));
      const { rotation } = await world.record();
      await world.configure([declaration({ schedule: { kind: 'every', seconds: 90 * 24 * HOUR } })]);
      world.clock.advance(16 * 60);
      expect((await swept(world)).started).toEqual([]);
      expect(await world.due()).toMatchObject({ rotationId: rotation?.rotationId });
    });

    it('tells consumers that had the candidate to go back', async () => {
      const world = await RolloutWorld.withConsumers(['acknowledges']);
      const before = await world.current();
      const input = await world.due();
      await generate(input, world);
      const [follower] = world.followers;
      if (follower === undefined) throw new Error('no consumer');
      follower.holds = input.rotationId;
      await follower.beat();
      await world.configure([]);
      world.clock.advance(16 * 60);
      const [retirement] = (await swept(world)).started;
      await follower.beat();
      await expect(retire(retirement as RetirementInput, world)).rejects.toBeInstanceOf(StillHeld);
      await world.everybodyLooks();
      expect(follower.holds).toBe(before.versionId);
      expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    });
  });

  it('gives one of two current entries a grace period: the one without the label', async () => {
    const { world } = await rotated();
    await change(world, [{ state: 'current', retireAt: undefined }]);
    const { started } = await swept(world);
    expect(started).toHaveLength(1);
    const { versionId } = await world.current();
    expect(started[0]?.versionId).not.toBe(versionId);
    const { ledger } = await world.record();
    expect(ledger.map(({ state }) => state).sort()).toEqual(['current', 'grace']);
  });

  it('looks at its own environment only, and at all of it although one secret fails', async () => {
    const { world } = await rotated();
    world.clock.advance(5 * HOUR);
    expect((await swept(world, 'staging')).result).toEqual({ secrets: 0, orphans: 0, restarted: 0 });
    const { clock, registry, secretStore, auditTrail } = world;
    const startRetirement = async () => {
      throw new Error('Step Functions is away');
    };
    await expect(sweep({ clock, registry, secretStore, auditTrail, startRetirement }, ENVIRONMENT)).rejects.toThrow(
      '1 of 1 secrets could not be swept',
    );
  });
});

it('the sweep writes of no orphan that somebody else has begun to see to', async () => {
  const { world } = await rotated();
  const orphan = { ...NOTHING_OWED, identity: 'app_b', versionId: crypto.randomUUID(), state: 'proposed' } as const;
  await updateRecord(world.registry, SECRET, (record) => ({ ...record, ledger: [...record.ledger, orphan] }));
  const look = world.secretStore.describe.bind(world.secretStore);
  world.secretStore.describe = async (secretId) => {
    world.secretStore.describe = look;
    await updateRecord(world.registry, SECRET, (record) => withLease(record, 'somebody', world.clock.now()));
    return look(secretId);
  };
  expect(await swept(world)).toMatchObject({ result: { orphans: 0 }, started: [] });
  expect((await world.actions()).filter((action) => action.includes('orphan'))).toEqual([]);
  // Nor does it forget it.
  world.clock.advance(2 * HOUR);
  expect((await swept(world)).result.orphans).toBe(1);
  expect((await world.actions()).filter((action) => action.includes('orphan'))).toHaveLength(1);
});
