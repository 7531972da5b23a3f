import { describe, expect, it } from 'vitest';
import type { LedgerCredential } from '../../../../shared/registry/registry.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { NOTHING_OWED } from '../../../../shared/rotation/ledger.ts';
import { withLease } from '../../../../shared/rotation/lease.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { revert } from '../../../../shared/rotation/revert.ts';
import type { SecretVersion } from '../../../../shared/secret-store.ts';
import { ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

/** Rotated once, the incumbent retired; what the record looks like when that died before it gave its lease back. */
async function diedAtTheEnd(holder: (versionId: string) => string) {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  world.clock.advance(2 * 3600);
  await retire(retirement, world);
  await updateRecord(world.registry, SECRET, (record) =>
    withLease(record, holder(retirement.versionId), world.clock.now()),
  );
  return { world, retirement };
}

describe('a retirement that died once its credential was proved dead', () => {
  it('gives its lease back when it is run again, so that the next rotation need not wait for it', async () => {
    const { world, retirement } = await diedAtTheEnd((versionId) => `retire/${versionId}`);
    const before = await world.actions();
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    const { lease, ledger } = await world.record();
    // It may only have seemed to have died: the lease stays until it has surely ended.
    expect(Math.round(((lease?.expiresAt.getTime() ?? 0) - world.clock.now().getTime()) / 1000)).toBe(65);
    expect(ledger.map(({ state }) => state).sort()).toEqual(['current', 'retired']);
    expect(await world.actions()).toEqual(before);
    world.clock.advance(3 * 86_400);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('gives it back at once when the time of the one before is over', async () => {
    const { world, retirement } = await diedAtTheEnd((versionId) => `retire/${versionId}`);
    world.clock.advance(65);
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    expect((await world.record()).lease).toBeUndefined();
  });

  it("leaves another's lease alone", async () => {
    const { world, retirement } = await diedAtTheEnd(() => 'somebody else');
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    expect((await world.record()).lease?.holder).toBe('somebody else');
  });
});

describe('a second try of a retirement while the first is at the target', () => {
  /** Rotated once; the incumbent's grace is over, and so is another credential's. */
  async function overdueTwice() {
    const world = await RotationWorld.adopted({ graceSeconds: 7200 });
    const { retirement } = await world.rotate(await world.due());
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    world.clock.advance(7200);
    const another: LedgerCredential = {
      identity: 'app_b',
      versionId: 'other',
      state: 'grace',
      ...NOTHING_OWED,
      retireAt: world.clock.now(),
    };
    await updateRecord(world.registry, SECRET, (record) => ({ ...record, ledger: [...record.ledger, another] }));
    return { world, retirement };
  }

  /** Within the first try, when it ends the other credential and has written down that its own is dead. */
  function meanwhile(world: RotationWorld, work: () => Promise<void>): void {
    const end = world.target.retire.bind(world.target);
    world.target.retire = async (given) => {
      if (given.identity === 'app_b') {
        world.target.retire = end;
        await work();
      }
      return end(given);
    };
  }

  it('leaves the lease to it, so that no rotation begins beside it', async () => {
    const { world, retirement } = await overdueTwice();
    let begun: unknown;
    meanwhile(world, async () => {
      expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
      const input = { ...(await inputOf(world)), rotationId: crypto.randomUUID() };
      begun = await generate(input, world).catch((error: Error) => error.message);
    });
    await retire(retirement, world);
    expect(begun).toMatch(/is being retired/);
    world.clock.advance(66);
    const next = { ...(await inputOf(world)), rotationId: crypto.randomUUID() };
    await world.rotate(next);
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it('takes nothing from the one that came after it', async () => {
    const { world, retirement } = await overdueTwice();
    meanwhile(world, async () => {
      world.clock.advance(30);
      await updateRecord(world.registry, SECRET, (record) =>
        withLease(record, `retire/${retirement.versionId}`, world.clock.now()),
      );
    });
    await retire(retirement, world);
    expect((await world.record()).lease?.holder).toBe(`retire/${retirement.versionId}`);
  });

  const inputOf = async (world: RotationWorld) => ({
    environment: ENVIRONMENT,
    secretId: SECRET,
    rotationId: (await world.record()).rotation?.rotationId ?? '',
    reason: 'manual' as const,
    requestedBy: 'test',
  });
});

it('a retirement goes by the ledger as it is under its lease: what somebody has gone back to meanwhile is kept', async () => {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  const replaced = (await world.secretStore.read(SECRET, { stage: 'AWSCURRENT' })) as SecretVersion;
  world.clock.advance(3600);
  const list = world.rollouts.consumers.bind(world.rollouts);
  world.rollouts.consumers = async (secretId) => {
    world.rollouts.consumers = list;
    const request = {
      environment: ENVIRONMENT,
      secretId: SECRET,
      requestId: crypto.randomUUID(),
      requestedBy: 'cli:ada',
    };
    const startRetirement = async () => undefined;
    await revert(request, Object.assign(Object.create(world) as RotationWorld, { startRetirement }));
    // The next read of the label still answers the version before, as Secrets Manager's may.
    const read = world.secretStore.read.bind(world.secretStore);
    world.secretStore.read = async (id, which) => {
      if (!('stage' in which)) return read(id, which);
      world.secretStore.read = read;
      return replaced;
    };
    return list(secretId);
  };
  expect(await retire(retirement, world)).toEqual({ outcome: 'kept' });
  const { ledger } = await world.record();
  expect(ledger.map(({ identity, state }) => `${identity} ${state}`)).toEqual(['app current', 'app_a grace']);
  expect(await world.currentOpensTarget()).toBe(true);
});
