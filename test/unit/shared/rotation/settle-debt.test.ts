import { describe, expect, it } from 'vitest';
import { LeaseHeld, Misconfigured, StillAlive, TargetUnreachable } from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import type { LedgerCredential } from '../../../../shared/registry/registry.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { withLease } from '../../../../shared/rotation/lease.ts';
import { credential, NOTHING_OWED, withCredentialChange } from '../../../../shared/rotation/ledger.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { settleDebt, settleInput } from '../../../../shared/rotation/settle-debt.ts';
import { ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const LOST = 'lost-version';
const STATEMENT = 'it is not in the list of the provider';

const requestOf = (more: object = {}) =>
  settleInput.parse({
    debt: LOST,
    environment: ENVIRONMENT,
    secretId: SECRET,
    requestId: crypto.randomUUID(),
    requestedBy: 'cli:ada',
    statement: STATEMENT,
    ...more,
  });

/** Rotated once; the incumbent is owed, and so is a candidate whose value was never stored. */
async function indebted(...debts: readonly ('incumbent' | 'lost')[]) {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  const now = world.clock.now();
  const owed = { state: 'grace', retireAt: now, owedSince: now, owedAlertAt: now } as const;
  await updateRecord(world.registry, SECRET, (record) => ({
    ...record,
    ledger: [
      ...record.ledger.map((entry) =>
        debts.includes('incumbent') && entry.versionId === retirement.versionId ? { ...entry, ...owed } : entry,
      ),
      ...(debts.includes('lost') ? [{ identity: 'a key that nobody knows', versionId: LOST, ...owed }] : []),
    ] as readonly LedgerCredential[],
  }));
  return { world, retirement };
}

async function settled(world: RotationWorld) {
  const found: unknown[] = [];
  for await (const { action, context, risk_level: risk } of world.auditTrail.read(SECRET)) {
    if (action === 'rotation.settle.debt_settled') found.push({ ...context, risk });
  }
  return found;
}

describe('a debt that a person settles', () => {
  it('is retired by that word where no value is known, which the audit trail keeps, and its retirement ends', async () => {
    const { world } = await indebted('lost');
    expect(await settleDebt(requestOf(), world)).toEqual({
      versionId: LOST,
      identity: 'a key that nobody knows',
      proof: 'stated',
    });
    const record = await world.record();
    expect(credential(record, LOST)).toEqual({
      identity: 'a key that nobody knows',
      versionId: LOST,
      state: 'retired',
    });
    expect(record.lease).toBeUndefined();
    expect(await settled(world)).toEqual([
      expect.objectContaining({
        version_id: LOST,
        requested_by: 'cli:ada',
        statement: STATEMENT,
        refused_login: false,
        risk: 'high',
      }),
    ]);
    const retirement = { environment: ENVIRONMENT, secretId: SECRET, rotationId: LOST, versionId: LOST };
    expect(await retire({ ...retirement, retireAt: world.clock.now().toISOString() }, world)).toEqual({
      outcome: 'retired',
    });
  });

  it('is tried where its value is known: what is refused is settled', async () => {
    const { world, retirement } = await indebted('incumbent');
    const incumbent = await world.secretStore.read(SECRET, { versionId: retirement.versionId });
    const { username } = JSON.parse(incumbent?.value.reveal() ?? '') as { readonly username: string };
    world.target.accounts.delete(username);
    const request = requestOf({ debt: retirement.versionId });
    expect(await settleDebt(request, world)).toMatchObject({ versionId: retirement.versionId, proof: 'refused' });
    expect(credential(await world.record(), retirement.versionId)?.state).toBe('retired');
  });

  it('stays a debt while its value opens the target, and what was tried is in the audit trail', async () => {
    const { world, retirement } = await indebted('incumbent');
    const before = (await world.record()).ledger;
    const request = requestOf({ debt: retirement.versionId });
    await expect(settleDebt(request, world)).rejects.toBeInstanceOf(StillAlive);
    const record = await world.record();
    expect(record.ledger).toEqual(before);
    expect(record.lease).toBeUndefined();
    expect(await world.actions()).toContain('rotation.settle.failed_StillAlive');
    expect(await settled(world)).toEqual([]);
    expect(retirement.versionId).toBe(before.find(({ owedSince }) => owedSince !== undefined)?.versionId);
  });

  it('is told where it was not named, and nothing is settled: what is asked twice may be something else by then', async () => {
    const { world } = await indebted('lost');
    const before = await world.record();
    expect(await settleDebt(requestOf({ debt: undefined }), world)).toEqual({
      versionId: LOST,
      identity: 'a key that nobody knows',
      proof: 'owed',
    });
    expect(await world.record()).toEqual(before);
    expect(await settled(world)).toEqual([]);
  });

  it('must be named where several are owed; the error says which they are', async () => {
    const { world, retirement } = await indebted('incumbent', 'lost');
    await expect(settleDebt(requestOf({ debt: undefined }), world)).rejects.toThrow(
      `several are owed, say which: ${retirement.versionId} ("app"), ${LOST} ("a key that nobody knows")`,
    );
    expect(await settleDebt(requestOf(), world)).toMatchObject({ proof: 'stated' });
  });

  it('twice is once: the same answer, without another entry', async () => {
    const { world } = await indebted('lost');
    const request = requestOf();
    const answer = await settleDebt(request, world);
    expect(await settleDebt(request, world)).toEqual(answer);
    expect(await settled(world)).toHaveLength(1);
  });

  it('that was settled, and opens the target all the same, is owed again', async () => {
    const { world, retirement } = await indebted();
    const { versionId } = retirement;
    await updateRecord(world.registry, SECRET, (record) =>
      withCredentialChange(record, versionId, { ...NOTHING_OWED, state: 'retired' }),
    );
    await expect(settleDebt(requestOf({ debt: versionId }), world)).rejects.toThrow(/still opens its target/);
    const record = await world.record();
    expect(credential(record, versionId)).toMatchObject({ state: 'grace', retireAt: world.clock.now() });
    expect(record.lease).toBeUndefined();
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
  });

  it('is not what was ended and is to be proved dead once more', async () => {
    const { world, retirement } = await indebted();
    await updateRecord(world.registry, SECRET, (record) => ({
      ...record,
      ledger: record.ledger.map((entry) =>
        entry.versionId === retirement.versionId ? { ...entry, state: 'retired' as const } : entry,
      ),
    }));
    const before = (await world.record()).ledger;
    expect(credential(await world.record(), retirement.versionId)?.retireAt).toBeDefined();
    const request = requestOf({ debt: retirement.versionId });
    await expect(settleDebt(request, world)).rejects.toBeInstanceOf(Misconfigured);
    expect((await world.record()).ledger).toEqual(before);
  });

  it('is never what is current, in its grace period without a debt, or unknown', async () => {
    const { world, retirement } = await indebted();
    const { versionId } = await world.current();
    for (const debt of [versionId, retirement.versionId, 'unknown', undefined]) {
      await expect(settleDebt(requestOf({ debt }), world)).rejects.toBeInstanceOf(Misconfigured);
    }
    expect(await settled(world)).toEqual([]);
  });

  it('waits for who holds the lease', async () => {
    const { world } = await indebted('lost');
    await updateRecord(world.registry, SECRET, (record) => withLease(record, 'retire/x', world.clock.now()));
    await expect(settleDebt(requestOf(), world)).rejects.toBeInstanceOf(LeaseHeld);
    expect((await world.record()).lease?.holder).toBe('retire/x');
  });

  it.each(['revoked ghp_abcdefgh12345678', 'at https://ada:hunter2hunter2@example.com/keys'])(
    'is not taken with a statement that looks like a secret, which nobody repeats',
    async (statement) => {
      const { world } = await indebted('lost');
      const fault = await settleDebt(requestOf({ statement }), world).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Misconfigured);
      expect((fault as Misconfigured).safeMessage).not.toMatch(/hunter2|ghp_/);
      const key = 'deleted AKIAIOSFODNN7EXAMPLE in the console';
      expect(await settleDebt(requestOf({ statement: key }), world)).toMatchObject({ proof: 'stated' });
    },
  );

  it('is not taken with a statement that has a part of the secret in it, which nobody repeats or keeps', async () => {
    const { world, retirement } = await indebted('incumbent', 'lost');
    const values = [world.current(), world.secretStore.read(SECRET, { versionId: retirement.versionId })];
    for (const found of await Promise.all(values)) {
      const text = typeof found?.value === 'string' ? found.value : (found?.value.reveal() ?? '');
      const { password, host } = JSON.parse(text) as { readonly password: string; readonly host: string };
      const request = requestOf({ debt: retirement.versionId, statement: `${host} refuses ${password} now` });
      const fault = await settleDebt(request, world).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Misconfigured);
      expect((fault as Misconfigured).safeMessage).not.toContain(password);
      for await (const entry of world.auditTrail.read(SECRET)) expect(JSON.stringify(entry)).not.toContain(password);
    }
    expect((await world.record()).lease).toBeUndefined();
  });

  it('is not asked for by a text that is in no ledger, which may be anything, and which nobody repeats', async () => {
    const { world } = await indebted('lost');
    const { password } = JSON.parse((await world.current()).value) as { readonly password: string };
    const fault = await settleDebt(requestOf({ debt: password }), world).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Misconfigured);
    expect((fault as Misconfigured).safeMessage).toMatch(/^The version that was named is not in the ledger/);
    expect((fault as Misconfigured).safeMessage).not.toContain(password);
  });

  it('may be told of by the names of places and users, its own among them', async () => {
    const { world } = await indebted('lost');
    const value = {
      username: 'somebody_else',
      password: 'a-password-of-it',
      host: 'db.shop.example',
      key: 'a key that nobody knows',
    };
    await world.secretStore.putPending(SECRET, LOST, new SecretText(JSON.stringify(value)));
    const statement = 'a key that nobody knows: somebody_else is not at db.shop.example';
    expect(await settleDebt(requestOf({ statement }), world)).toMatchObject({ proof: 'refused' });
  });

  it('is not told of by its value, also where that begins with its name', async () => {
    const { world } = await indebted('lost');
    const identity = 'key_81f2';
    const value = `${identity}.q7zt0blw9xyc3mrk`;
    await world.secretStore.putPending(SECRET, LOST, new SecretText(value));
    await updateRecord(world.registry, SECRET, (record) => withCredentialChange(record, LOST, { identity }));
    const statement = `revoked ${value} by hand`;
    await expect(settleDebt(requestOf({ statement }), world)).rejects.toThrow(/has a part of the secret in it/);
    for await (const entry of world.auditTrail.read(SECRET)) expect(JSON.stringify(entry)).not.toContain(value);
  });

  it('is settled by the word where its target says neither yes nor no, which the audit trail has; not while it is away', async () => {
    const { world, retirement } = await indebted('incumbent');
    const request = requestOf({ debt: retirement.versionId });
    world.target.probe = () => Promise.reject(new TargetUnreachable('The target does not answer.'));
    await expect(settleDebt(request, world)).rejects.toBeInstanceOf(TargetUnreachable);
    world.target.probe = () => Promise.reject(new Misconfigured('The API answers 404.'));
    expect(await settleDebt(request, world)).toMatchObject({ proof: 'stated' });
    expect(await settled(world)).toEqual([
      expect.objectContaining({ refused_login: false, untried: 'Misconfigured: The API answers 404.' }),
    ]);
  });
});
