import { describe, expect, it } from 'vitest';
import { type AuditOperation, type AuditTrail, MAX_OPERATIONS } from '../../shared/audit/audit-trail.ts';
import { exportLine, GENESIS, GENESIS_HASH } from '../../shared/audit/chain.ts';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';

/** What `makeTrail` answers: writers over one store, as two Lambda instances would be. */
export interface TrailUnderTest {
  readonly first: AuditTrail;
  readonly second: AuditTrail;
}

export function operation(name: string, change: Partial<AuditOperation> = {}): AuditOperation {
  return {
    operationId: `rotation-1/${name}`,
    timestamp: new Date('2026-03-01T08:00:00.123Z'),
    action: `rotation.${name}`,
    agent: 'rekey/generate',
    context: { ip_address: '10.0.0.7', reason: 'scheduled' },
    riskLevel: 'high',
    ...change,
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What every audit trail promises. Each test uses a secret of its own, so one store serves them all. */
export function auditTrailContract(name: string, makeTrail: () => Promise<TrailUnderTest>): void {
  let count = 0;
  const newSecret = (): string => `contract/secret-${(count += 1)}_+=.@`;

  describe(`${name} as an audit trail`, () => {
    it('answers that nothing is there before the first append', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      expect(await first.head(secret)).toBeUndefined();
      expect(await collect(first.read(secret))).toEqual([]);
      expect(await collect(first.lines(secret))).toEqual([]);
      expect(await collect(first.secretIds())).not.toContain(secret);
    });

    it('appends in order, numbers from 1 and links each entry to the one before', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const head = await first.append(secret, [operation('one'), operation('two')]);
      const later = await first.append(secret, [operation('three', { riskLevel: 'low' })]);
      const entries = await collect(first.read(secret));
      expect(entries.map(({ sequence, action }) => [sequence, action])).toEqual([
        [1, 'rotation.one'],
        [2, 'rotation.two'],
        [3, 'rotation.three'],
      ]);
      expect(entries.map((entry) => entry.previous_hash)).toEqual([GENESIS_HASH, entries[0]?.hash, entries[1]?.hash]);
      expect(head).toEqual({ sequence: 2, hash: entries[1]?.hash });
      expect(later).toEqual({ sequence: 3, hash: entries[2]?.hash });
      expect(await first.head(secret)).toEqual(later);
    });

    it('keeps every field as handed in', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const context = {
        ip_address: '::1',
        reason: 'drift',
        count: 3,
        ok: true,
        versions: ['a', 'b'],
        '10': 'x',
        '9': 'y',
      };
      await first.append(secret, [operation('one', { context, agent: 'agent-7', riskLevel: 'critical' })]);
      expect(await collect(first.read(secret))).toMatchObject([
        { timestamp: '2026-03-01T08:00:00.123Z', secret_id: secret, agent: 'agent-7', context, risk_level: 'critical' },
      ]);
    });

    it('gives as lines exactly the canonical JSON of the entries', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const reason =
        'quotes ","hash":"x","previous_hash":"y", NUL \u0000, escape \u001b[2J, é, 漢字, 😀, line\u2028end';
      const context = { ip_address: '', reason, hash: 'h', previous_hash: 'p' };
      await first.append(secret, [operation('one', { context }), operation('two')]);
      const entries = await collect(first.read(secret));
      expect(entries[0]?.context.reason).toBe(reason);
      expect(await collect(first.lines(secret))).toEqual(entries.map((entry) => exportLine(entry)));
    });

    it('writes text with a lone surrogate, as UTF-8 would carry it, instead of refusing the entry', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      await first.append(secret, [operation('one', { context: { ip_address: '', reason: 'odd \ud800 text' } })]);
      expect((await collect(first.read(secret)))[0]?.context.reason).toBe('odd \ufffd text');
      expect(await verifyTrail(first, [secret])).toMatchObject({ verified: true, entries: 1 });
    });

    it('changes nothing when the same operations are appended again, by anybody', async () => {
      const { first, second } = await makeTrail();
      const secret = newSecret();
      const operations = [operation('one'), operation('two')];
      const head = await first.append(secret, operations);
      const lines = await collect(first.lines(secret));
      expect(await first.append(secret, operations)).toEqual(head);
      expect(await second.append(secret, operations)).toEqual(head);
      expect(await collect(second.lines(secret))).toEqual(lines);
    });

    it('passes over an operation already written even when it now says something else', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const head = await first.append(secret, [operation('one')]);
      expect(await first.append(secret, [operation('one', { action: 'rotation.other' })])).toEqual(head);
      expect((await collect(first.read(secret))).map((entry) => entry.action)).toEqual(['rotation.one']);
    });

    it('writes the rest when some of the operations exist', async () => {
      const { first, second } = await makeTrail();
      const secret = newSecret();
      await first.append(secret, [operation('one'), operation('three')]);
      const head = await second.append(
        secret,
        ['one', 'two', 'three', 'four'].map((name) => operation(name)),
      );
      expect(head.sequence).toBe(4);
      const entries = await collect(first.read(secret));
      expect(entries.map((entry) => entry.action)).toEqual(
        ['one', 'three', 'two', 'four'].map((name) => `rotation.${name}`),
      );
      expect(await verifyTrail(first, [secret])).toMatchObject({ verified: true, entries: 4 });
    });

    it('writes an operation that a call names twice once, as it was named first', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const head = await first.append(secret, [
        operation('one'),
        operation('two'),
        operation('one', { action: 'rotation.again' }),
      ]);
      expect(head.sequence).toBe(2);
      expect((await collect(first.read(secret))).map((entry) => entry.action)).toEqual([
        'rotation.one',
        'rotation.two',
      ]);
    });

    it('answers the head that is there when all operations exist and others were written since', async () => {
      const { first, second } = await makeTrail();
      const secret = newSecret();
      await first.append(secret, [operation('one')]);
      const head = await second.append(secret, [operation('two')]);
      expect(await first.append(secret, [operation('one')])).toEqual(head);
    });

    it('answers the head, or that of an empty chain, for no operations', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      expect(await first.append(secret, [])).toEqual(GENESIS);
      expect(await collect(first.secretIds())).not.toContain(secret);
      const head = await first.append(secret, [operation('one')]);
      expect(await first.append(secret, [])).toEqual(head);
    });

    it('keeps the same operation id of two secrets apart', async () => {
      const { first } = await makeTrail();
      const [secret, other] = [newSecret(), newSecret()];
      await first.append(secret, [operation('one')]);
      await first.append(other, [operation('one')]);
      expect(await collect(first.read(secret))).toMatchObject([{ secret_id: secret, sequence: 1 }]);
      expect(await collect(first.read(other))).toMatchObject([{ secret_id: other, sequence: 1 }]);
    });

    it('takes 30 operations at once and refuses 31 without writing any', async () => {
      const { first } = await makeTrail();
      const [secret, other] = [newSecret(), newSecret()];
      const operations = Array.from({ length: MAX_OPERATIONS + 1 }, (_, index) => operation(String(index)));
      await expect(first.append(other, operations)).rejects.toThrow(RangeError);
      expect(await first.head(other)).toBeUndefined();
      expect(await first.append(secret, operations.slice(1))).toMatchObject({ sequence: MAX_OPERATIONS });
      expect(await first.append(secret, operations.slice(0, 30))).toMatchObject({ sequence: MAX_OPERATIONS + 1 });
    });

    it.each(['', 'a#operations/b', 'a b', 'a\u0000', 'x'.repeat(513)])('refuses the secret name %j', async (secret) => {
      const { first } = await makeTrail();
      await expect(first.append(secret, [operation('one')])).rejects.toThrow(RangeError);
    });

    it.each(['', 'x'.repeat(1025), '\ud800'])('refuses the operation id %j', async (operationId) => {
      const { first } = await makeTrail();
      await expect(first.append(newSecret(), [operation('one', { operationId })])).rejects.toThrow(RangeError);
    });

    it('writes nothing when one operation has no canonical JSON', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      const bad = operation('two', { context: { ip_address: '', reason: '', rate: Number.NaN } });
      await expect(first.append(secret, [operation('one'), bad])).rejects.toThrow(RangeError);
      expect(await first.head(secret)).toBeUndefined();
    });

    it('gives twenty concurrent appends of two writers sequences without gaps', async () => {
      const { first, second } = await makeTrail();
      const secret = newSecret();
      const heads = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? first : second).append(secret, [operation(String(index))]),
        ),
      );
      const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
      expect(heads.map((head) => head.sequence).toSorted((a, b) => a - b)).toEqual(numbers);
      const entries = await collect(first.read(secret));
      expect(entries.map((entry) => entry.sequence)).toEqual(numbers);
      expect(new Set(entries.map((entry) => entry.action)).size).toBe(20);
      expect(await verifyTrail(first, [secret])).toMatchObject({ verified: true, entries: 20 });
    });

    it('writes an operation once when many append it at the same time', async () => {
      const { first, second } = await makeTrail();
      const secret = newSecret();
      const appends = Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? first : second).append(secret, [operation('one')]),
      );
      const heads = await Promise.all(appends);
      expect(new Set(heads.map((head) => head.hash)).size).toBe(1);
      expect(await collect(first.read(secret))).toHaveLength(1);
    });

    it('reads from a sequence on', async () => {
      const { first } = await makeTrail();
      const secret = newSecret();
      await first.append(
        secret,
        ['one', 'two', 'three'].map((name) => operation(name)),
      );
      expect((await collect(first.read(secret, { from: 2 }))).map((entry) => entry.sequence)).toEqual([2, 3]);
      expect(await collect(first.lines(secret, { from: 3 }))).toHaveLength(1);
      expect(await collect(first.read(secret, { from: 0 }))).toHaveLength(3);
      expect(await collect(first.read(secret, { from: 4 }))).toEqual([]);
    });

    it('names every secret that has a chain once, and no marker', async () => {
      const { first } = await makeTrail();
      const [secret, other] = [newSecret(), newSecret()];
      await first.append(secret, [operation('one'), operation('two')]);
      await first.append(other, [operation('one')]);
      const ids = await collect(first.secretIds());
      expect(ids.filter((id) => id.startsWith(secret) || id.startsWith(other)).toSorted()).toEqual(
        [secret, other].toSorted(),
      );
    });
  });
}
