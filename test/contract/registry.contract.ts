import { describe, expect, it } from 'vitest';
import type { AuditOperation, AuditTrail } from '../../shared/audit/audit-trail.ts';
import type { Registry, RotationRecord, SecretRecord } from '../../shared/registry/registry.ts';
import { declaration } from '../harness/rotation-world.ts';

const DUE = new Date('2026-03-01T12:00:00.000Z');

export interface RegistryUnderTest {
  readonly registry: Registry;
  readonly auditTrail: AuditTrail;
  /** Writes over the stored text of a record, and nothing beside it. */
  readonly spoil: (secretId: string, text: string) => Promise<void>;
}

/** What every Registry promises. */
export function registryContract(name: string, makeRegistry: () => Promise<RegistryUnderTest>): void {
  describe(`${name} keeps the contract of a registry`, () => {
    it('gives back what was saved, one revision later', async () => {
      const { registry } = await makeRegistry();
      const record = fresh('a', { rotation: rotation(), ledger: [entry], lease: { holder: 'x', expiresAt: DUE } });
      expect(await registry.get('a')).toBeUndefined();
      expect(await registry.save(record)).toBe('saved');
      expect(await registry.get('a')).toEqual({ ...record, revision: 1 });
    });

    it('lets one of two writers of the same revision win', async () => {
      const { registry } = await makeRegistry();
      await registry.save(fresh('a'));
      const read = (await registry.get('a')) as SecretRecord;
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, failures) => registry.save({ ...read, failures: failures + 1 })),
      );
      expect(outcomes.filter((outcome) => outcome === 'saved')).toHaveLength(1);
      const winner = outcomes.indexOf('saved');
      expect(await registry.get('a')).toMatchObject({ failures: winner + 1, revision: 2 });
    });

    it('refuses to make a record that exists', async () => {
      const { registry } = await makeRegistry();
      await registry.save(fresh('a'));
      expect(await registry.save(fresh('a', { failures: 5 }))).toBe('conflict');
    });

    it('answers saved when the same write comes again because its answer was lost', async () => {
      const { registry } = await makeRegistry();
      await registry.save(fresh('a'));
      const next = { ...fresh('a'), failures: 1, revision: 1 };
      await registry.save(next);
      expect(await registry.save(next)).toBe('saved');
      expect((await registry.get('a'))?.revision).toBe(2);
    });

    it('archives a replaced rotation together with the record', async () => {
      const { registry } = await makeRegistry();
      await registry.save(fresh('a', { rotation: rotation() }));
      expect(await registry.archivedRotation('a', rotation().rotationId)).toBeUndefined();
      expect(await registry.save({ ...fresh('a'), revision: 1 }, { archived: rotation() })).toBe('saved');
      expect(await registry.archivedRotation('a', rotation().rotationId)).toEqual(rotation());
      expect(
        await registry.save(
          { ...fresh('a'), revision: 1, failures: 9 },
          { archived: { ...rotation(), rotationId: OTHER } },
        ),
      ).toBe('conflict');
      expect(await registry.archivedRotation('a', OTHER)).toBeUndefined();
    });

    it('writes entries into the chain together with the record', async () => {
      const { registry, auditTrail } = await makeRegistry();
      expect(await registry.save(fresh('a'), { entries: entries('one', 'two') })).toBe('saved');
      expect(await registry.get('a')).toMatchObject({ revision: 1 });
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 2 });
      const next = { ...fresh('a'), revision: 1, failures: 1 };
      expect(await registry.save(next, { entries: entries('two', 'three') })).toBe('saved');
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 3 });
      expect(await registry.save({ ...next, revision: 2 }, { entries: entries('one') })).toBe('saved');
      expect(await registry.get('a')).toMatchObject({ revision: 3, failures: 1 });
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 3 });
    });

    it('writes neither record nor entries when another writer came first', async () => {
      const { registry, auditTrail } = await makeRegistry();
      await registry.save(fresh('a'));
      expect(await registry.save(fresh('a', { failures: 2 }), { entries: entries('one') })).toBe('conflict');
      expect(await auditTrail.head('a')).toBeUndefined();
      const raced = await Promise.all(
        Array.from({ length: 6 }, (_, failures) =>
          registry.save(fresh('a', { revision: 1, failures: failures + 1 }), { entries: entries(`by ${failures}`) }),
        ),
      );
      expect(raced.filter((outcome) => outcome === 'saved')).toHaveLength(1);
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 1 });
    });

    it('keeps the head with the record, and writes after one that has moved since', async () => {
      const { registry, auditTrail } = await makeRegistry();
      await registry.save(fresh('a'), { entries: entries('one') });
      const record = (await registry.get('a')) as SecretRecord;
      expect(record.auditHead).toEqual(await auditTrail.head('a'));
      expect(await registry.save(record)).toBe('saved');
      expect((await registry.get('a'))?.auditHead).toEqual(record.auditHead);
      await auditTrail.append('a', entries('two'));
      expect(await registry.save({ ...record, revision: 2 }, { entries: entries('three') })).toBe('saved');
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 3 });
      expect((await registry.get('a'))?.auditHead).toMatchObject({ sequence: 3 });
    });

    it('starts no rotation that was archived before', async () => {
      const { registry } = await makeRegistry();
      const other = { ...rotation(), rotationId: OTHER };
      await registry.save(fresh('a', { rotation: rotation() }));
      expect(await registry.save(fresh('a', { rotation: other, revision: 1 }), { archived: rotation() })).toBe('saved');
      expect(await registry.save(fresh('a', { rotation: rotation(), revision: 2 }), { archived: other })).toBe(
        'conflict',
      );
      expect(await registry.get('a')).toMatchObject({ revision: 2, rotation: { rotationId: OTHER } });
    });

    it('answers saved when record and entries come again because their answer was lost', async () => {
      const { registry, auditTrail } = await makeRegistry();
      expect(await registry.save(fresh('a'), { entries: entries('one') })).toBe('saved');
      expect(await registry.save(fresh('a'), { entries: entries('one') })).toBe('saved');
      expect(await registry.get('a')).toMatchObject({ revision: 1 });
      expect(await auditTrail.head('a')).toMatchObject({ sequence: 1 });
    });

    it('finds what is due, the longest due first, within the limit', async () => {
      const { registry } = await makeRegistry();
      await registry.save(fresh('late', { dueAt: new Date(DUE.getTime() - 60_000) }));
      await registry.save(fresh('now', { dueAt: DUE }));
      await registry.save(fresh('tomorrow', { dueAt: new Date(DUE.getTime() + 86_400_000) }));
      await registry.save(fresh('orphan', { dueAt: DUE, status: 'orphaned' }));
      await registry.save(fresh('never', { dueAt: undefined }));
      expect(await foundDue(registry, 10)).toEqual({ due: ['late', 'now'], unreadable: [] });
      expect(await foundDue(registry, 1)).toEqual({ due: ['late'], unreadable: [] });
    });

    it('lists every record', async () => {
      const { registry } = await makeRegistry();
      for (const name of ['a', 'b/c', 'd']) await registry.save(fresh(name));
      const names: string[] = [];
      for await (const { secretId } of registry.list()) names.push(secretId);
      expect(names.sort()).toEqual(['a', 'b/c', 'd']);
    });

    it.each([
      ['no JSON', '{"secretId":"b/c","environ'],
      ['a field that it does not know', JSON.stringify({ ...fresh('b/c'), hunter2: 1 })],
      [
        'a rotation whose id is none',
        JSON.stringify(fresh('b/c', { rotation: { ...rotation(), rotationId: 'hunter2' } })),
      ],
    ])('gives all other records when one is %s, and names it', async (_, text) => {
      const { registry, spoil } = await makeRegistry();
      for (const name of ['a', 'b/c', 'd']) await registry.save(fresh(name));
      await spoil('b/c', text);
      const { due, unreadable } = await foundDue(registry, 10);
      expect({ due: due.toSorted(), unreadable }).toEqual({ due: ['a', 'd'], unreadable: ['b/c'] });
      expect((await foundDue(registry, 1)).due).toHaveLength(1);
      const names: string[] = [];
      const listing = (async () => {
        for await (const { secretId } of registry.list()) names.push(secretId);
      })();
      await expect(listing).rejects.toMatchObject({ name: 'RecordUnreadable', secretIds: ['b/c'] });
      expect(names.sort()).toEqual(['a', 'd']);
      const reading = registry.get('b/c');
      await expect(reading).rejects.toThrow('The registry\'s entry of "b/c" cannot be read');
      await expect(reading).rejects.not.toThrow('hunter2');
    });

    it('finds what is due behind more unreadable records than the limit', async () => {
      const { registry, spoil } = await makeRegistry();
      const early = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
      for (const name of early) await registry.save(fresh(name, { dueAt: new Date(DUE.getTime() - 60_000) }));
      for (const name of early) await registry.save(fresh(`late ${name}`));
      for (const name of early) await spoil(name, 'null');
      expect((await foundDue(registry, 1)).due).toHaveLength(1);
      expect((await foundDue(registry, 3)).due).toHaveLength(3);
    });

    it('reads a record of a Rekey that did not count refusals apart', async () => {
      const { registry, spoil } = await makeRegistry();
      await registry.save(fresh('a', { failures: 2 }));
      const { refusals: _, revision: __, auditHead: ___, ...old } = fresh('a', { failures: 2 });
      await spoil('a', JSON.stringify(old));
      expect(await registry.get('a')).toMatchObject({ failures: 2, refusals: 0 });
    });
  });
}

async function foundDue(
  registry: Registry,
  limit: number,
): Promise<{ readonly due: readonly string[]; readonly unreadable: readonly string[] }> {
  const { records, unreadable } = await registry.findDue(DUE, limit);
  return { due: records.map(({ secretId }) => secretId), unreadable };
}

const OTHER = '00000000-0000-8000-8000-000000000002';

const entry = {
  identity: 'app_a',
  versionId: '00000000-0000-8000-8000-000000000001',
  state: 'grace',
  retireAt: DUE,
  owedSince: undefined,
  owedAlertAt: undefined,
} as const;

function entries(...operationIds: readonly string[]): readonly AuditOperation[] {
  return operationIds.map((operationId) => ({
    operationId,
    timestamp: DUE,
    action: 'rotation.test.done',
    agent: 'rekey/test',
    context: { ip_address: 'internal', reason: 'a test' },
    riskLevel: 'low' as const,
  }));
}

function rotation(): RotationRecord {
  return {
    environment: 'production',
    secretId: 'a',
    rotationId: '00000000-0000-8000-8000-000000000001',
    reason: 'scheduled',
    requestedBy: 'rule',
    status: 'rolled_back',
    startedAt: DUE,
    endedAt: DUE,
    candidate: 'app_a',
    incumbent: undefined,
    incumbentVersionId: undefined,
    rollout: undefined,
    phases: [{ name: 'generate', startedAt: DUE, endedAt: undefined, facts: { a: 'b' } }],
    fault: { name: 'TargetUnreachable', message: 'text' },
    alerted: ['rotation_rolled_back'],
  };
}

function fresh(secretId: string, changes: Partial<SecretRecord> = {}): SecretRecord {
  return {
    secretId,
    environment: 'production',
    type: 'postgresql',
    declaration: declaration({ name: secretId }),
    status: 'active',
    dueAt: DUE,
    lease: undefined,
    rotation: undefined,
    ledger: [],
    lastRotatedAt: undefined,
    failures: 0,
    refusals: 0,
    revision: 0,
    auditHead: undefined,
    ...changes,
  };
}
