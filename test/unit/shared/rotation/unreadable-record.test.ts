import { describe, expect, it } from 'vitest';
import { RecordUnreadable } from '../../../../shared/errors.ts';
import type { Registry } from '../../../../shared/registry/registry.ts';
import { dispatch } from '../../../../shared/rotation/dispatch.ts';
import type { RecoveryPorts } from '../../../../shared/rotation/recover.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { declaration, ENVIRONMENT, RotationWorld } from '../../../harness/rotation-world.ts';

const SECRETS = ['a', 'broken', 'z'];
const SCHEDULED = { 'detail-type': 'Scheduled Event' as const, resources: ['rule'] };
const SENTENCE = 'The registry\'s entry of "broken" cannot be read';

/** Three secrets, with a credential in its grace period where wanted; the record of one is spoilt. */
async function withOneBroken({ inGrace = false } = {}): Promise<RotationWorld> {
  const world = new RotationWorld();
  for (const name of SECRETS) world.secretStore.seed(name, world.target.seed(`app of ${name}`));
  await world.configure(SECRETS.map((name) => declaration({ name })));
  if (inGrace) {
    for (const name of SECRETS) {
      const record = await world.registry.get(name);
      if (record === undefined) throw new Error(`${name} is not registered`);
      const entry = { owedSince: undefined, owedAlertAt: undefined, state: 'grace' as const };
      const ledger = [{ ...entry, identity: 'app', versionId: crypto.randomUUID(), retireAt: world.clock.now() }];
      await world.registry.save({ ...record, ledger });
    }
  }
  world.registry.spoil('broken', '{"secretId":"broken"}');
  return world;
}

describe('a record that cannot be read', () => {
  it('keeps no other secret from being dispatched, and is named', async () => {
    const world = await withOneBroken();
    const { rotations, unreadable } = await dispatch(SCHEDULED, world);
    expect(rotations.map(({ input }) => input.secretId).toSorted()).toEqual(['a', 'z']);
    expect(unreadable).toBe(`${SENTENCE}.`);
    expect((await dispatch(SCHEDULED, world)).rotations).toEqual([]);
  });

  it('does not either when the index still has it as it was', async () => {
    const world = await withOneBroken();
    const { registry, clock, environment } = world;
    const findDue: Registry['findDue'] = async (now, limit) => {
      const { records } = await registry.findDue(now, limit);
      return { records: [...records.map((record) => ({ ...record, secretId: 'broken' })), ...records], unreadable: [] };
    };
    const stale: Registry = {
      get: (secretId) => registry.get(secretId),
      save: (record, also) => registry.save(record, also),
      archivedRotation: (secretId, rotationId) => registry.archivedRotation(secretId, rotationId),
      list: () => registry.list(),
      findDue,
    };
    const { rotations, unreadable } = await dispatch(SCHEDULED, { registry: stale, clock, environment });
    expect(rotations.map(({ input }) => input.secretId).toSorted()).toEqual(['a', 'z']);
    expect(unreadable).toBe(`${SENTENCE}.`);
  });

  it('fails a request of that very secret', async () => {
    const world = await withOneBroken();
    const detail = { secret_id: 'broken', reason: 'manual' as const, requested_by: 'me' };
    const request = { id: 'x', 'detail-type': 'Rotation Requested' as const, detail };
    await expect(dispatch(request, world)).rejects.toBeInstanceOf(RecordUnreadable);
  });

  it('keeps no other secret from being swept, and the sweep fails by its name', async () => {
    const world = await withOneBroken({ inGrace: true });
    world.clock.advance(10 * 3600);
    const started: string[] = [];
    const startRetirement: RecoveryPorts['startRetirement'] = async (_, { secretId }) => void started.push(secretId);
    const { clock, registry, secretStore, auditTrail } = world;
    const ports = { clock, registry, secretStore, auditTrail };
    const sweeping = sweep({ ...ports, startRetirement }, ENVIRONMENT);
    await expect(sweeping).rejects.toBeInstanceOf(RecordUnreadable);
    await expect(sweeping).rejects.toThrow(SENTENCE);
    expect(started.toSorted()).toEqual(['a', 'z']);
    const failing = { ...ports, startRetirement: () => Promise.reject(new Error('away')) };
    await expect(sweep(failing, ENVIRONMENT)).rejects.toThrow(`2 of 2 secrets could not be swept. ${SENTENCE}`);
  });

  it('keeps no other secret from being configured, and Configure fails by its name', async () => {
    const world = await withOneBroken();
    const file = ['broken', 'a', 'new'].map((name) => declaration({ name, graceSeconds: 7 }));
    const configuring = world.configure(file);
    await expect(configuring).rejects.toMatchObject({ name: 'RecordUnreadable', secretIds: ['broken'] });
    for (const name of ['a', 'new']) {
      expect(await world.registry.get(name)).toMatchObject({ status: 'active', declaration: { graceSeconds: 7 } });
    }
    expect(await world.registry.get('z')).toMatchObject({ status: 'orphaned' });
    await expect(world.configure([declaration({ name: 'z' })])).rejects.toThrow(SENTENCE);
    expect(await world.registry.get('z')).toMatchObject({ status: 'active' });
  });
});

describe('the error of unreadable records', () => {
  it('names ten secrets, and says how many more there are', () => {
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const { safeMessage } = new RecordUnreadable(names);
    expect(safeMessage).toContain('"s9" and 2 more cannot be read');
    expect(safeMessage).not.toContain('s10');
  });
});
