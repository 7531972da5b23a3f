import { describe, expect, it } from 'vitest';
import type { AuditHead, AuditTrail } from '../../../../shared/audit/audit-trail.ts';
import { verifyTrail } from '../../../../shared/audit/verify-trail.ts';
import { InMemoryAuditTrail } from '../../../fakes/in-memory-audit-trail.ts';
import * as fc from '../../../harness/properties.ts';
import { anyOperation, chainOf } from './generated-chain.ts';

const operations = fc.sample(anyOperation, { numRuns: 3, seed: 5 });
const extra = fc.sample(anyOperation, { numRuns: 1, seed: 6 });

/** A trail whose heads and lines are set by hand. */
function trailOf(
  chains: Readonly<Record<string, { heads: readonly (AuditHead | undefined)[]; lines: readonly string[] }>>,
): AuditTrail {
  const asked = new Map<string, number>();
  const unexpected = (): never => expect.unreachable('verification only reads heads and lines');
  return {
    append: unexpected,
    read: unexpected,
    async head(secretId) {
      const count = asked.get(secretId) ?? 0;
      asked.set(secretId, count + 1);
      return chains[secretId]?.heads[count];
    },
    async *lines(secretId) {
      yield* chains[secretId]?.lines ?? [];
    },
    async *secretIds() {
      yield* Object.keys(chains);
    },
  };
}

const { lines, heads } = chainOf(operations, 'a');
const head = heads.get('a');
const longer = chainOf([...operations, ...extra], 'a');

describe('verifyTrail', () => {
  it('verifies every secret that has a chain', async () => {
    const trail = new InMemoryAuditTrail();
    await trail.append('a', operations);
    await trail.append('b', extra);
    const result = await verifyTrail(trail);
    expect(result).toMatchObject({ verified: true, secrets: 2, entries: 4 });
    expect(result.verified && result.heads).toEqual(
      new Map([
        ['a', await trail.head('a')],
        ['b', await trail.head('b')],
      ]),
    );
  });

  it('counts a secret once when it is named twice', async () => {
    const trail = new InMemoryAuditTrail();
    await trail.append('a', operations);
    expect(await verifyTrail(trail, ['a', 'a'])).toMatchObject({ secrets: 1, entries: 3 });
  });

  it('verifies a chain to which entries are appended meanwhile', async () => {
    const trail = trailOf({ a: { heads: [head, longer.heads.get('a')], lines: longer.lines } });
    expect(await verifyTrail(trail)).toMatchObject({ verified: true, entries: 4 });
  });

  it('finds entries after a head that does not move', async () => {
    const trail = trailOf({ a: { heads: [head, head], lines: longer.lines } });
    expect(await verifyTrail(trail)).toMatchObject({ problem: 'head_behind', secretId: 'a', sequence: 4 });
  });

  it('finds entries without any head', async () => {
    const trail = trailOf({ a: { heads: [undefined, undefined], lines } });
    expect(await verifyTrail(trail)).toMatchObject({ problem: 'head_behind', secretId: 'a', sequence: 1 });
  });

  it('finds a chain cut off before its head', async () => {
    const trail = trailOf({ a: { heads: [head], lines: lines.slice(0, 1) } });
    expect(await verifyTrail(trail)).toMatchObject({ problem: 'truncated', secretId: 'a', sequence: 2 });
  });

  it('finds an entry of another secret in the chain, and names the chain', async () => {
    const trail = trailOf({ a: { heads: [head], lines: [...lines, ...chainOf(extra, 'b').lines] } });
    expect(await verifyTrail(trail)).toMatchObject({ problem: 'foreign', secretId: 'a', sequence: 4 });
  });

  it('names secret and sequence also for a line that is not an entry, and counts what came before', async () => {
    const good = chainOf(extra, 'b');
    const trail = trailOf({
      b: { heads: [good.heads.get('b')], lines: good.lines },
      a: { heads: [head], lines: lines.with(1, '') },
    });
    expect(await verifyTrail(trail)).toMatchObject({
      problem: 'malformed',
      secretId: 'a',
      sequence: 2,
      secrets: 2,
      entries: 2,
    });
  });
});
