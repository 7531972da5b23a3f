import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../../../shared/audit/audit-trail.ts';
import { canonicalJson, exportLine, hashOf } from '../../../../shared/audit/chain.ts';
import { exportLines } from '../../../../shared/audit/export-lines.ts';
import { ChainVerifier, type Verification, verifyChain } from '../../../../shared/audit/verify.ts';
import * as fc from '../../../harness/properties.ts';
import { anyChain, anyOperation, chainOf, type GeneratedChain } from './generated-chain.ts';

/** A chain and a position (from 1) in it. */
const chainAndEntry = (minLength: number): fc.Arbitrary<{ chain: GeneratedChain; n: number }> =>
  anyChain(minLength).chain((chain) => fc.integer({ min: 1, max: chain.lines.length }).map((n) => ({ chain, n })));

const chainAndPair = anyChain(2).chain((chain) =>
  fc
    .uniqueArray(fc.integer({ min: 1, max: chain.lines.length }), { minLength: 2, maxLength: 2 })
    .map((pair) => pair.toSorted((a, b) => a - b))
    .map(([low = 1, high = 2]) => ({ chain, low, high })),
);

const verifyBytes = (bytes: Uint8Array, chain: GeneratedChain): Promise<Verification> =>
  verifyChain(
    exportLines(
      (async function* () {
        yield bytes;
      })(),
    ),
    { heads: chain.heads },
  );

const parse = (line: string | undefined): AuditEntry => JSON.parse(line ?? '') as AuditEntry;

/** The line with other content and a hash that fits it: what somebody does who knows how it works. */
function forge(line: string | undefined, change: Partial<AuditEntry>): string {
  const { hash: _, ...content } = { ...parse(line), ...change };
  return exportLine({ ...content, hash: hashOf(canonicalJson(content)) });
}

const three = chainOf(fc.sample(anyOperation, { numRuns: 3, seed: 7 }));
const [one = '', two = '', last = ''] = three.lines;

describe('verifyChain', () => {
  it('verifies an untouched chain, as lines, as entries and as the bytes of a file', async () => {
    await fc.assert(
      fc.asyncProperty(anyChain(1), async (chain) => {
        const expected = { verified: true, secrets: 1, entries: chain.lines.length, heads: chain.heads };
        const { heads } = chain;
        expect(await verifyChain(chain.lines, { heads })).toMatchObject(expected);
        expect(await verifyChain(chain.lines.map(parse), { heads })).toMatchObject(expected);
        expect(await verifyBytes(Buffer.from(`${chain.lines.join('\n')}\n`), chain)).toMatchObject(expected);
      }),
    );
  });

  it('verifies nothing as no entries', async () => {
    expect(await verifyChain([])).toEqual({
      verified: true,
      secrets: 0,
      entries: 0,
      heads: new Map(),
      newest: undefined,
    });
  });

  it('finds any removed entry and names it', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndEntry(1), async ({ chain, n }) => {
        const isLast = n === chain.lines.length;
        expect(await verifyChain(chain.lines.toSpliced(n - 1, 1), { heads: chain.heads })).toMatchObject({
          verified: false,
          problem: isLast ? 'truncated' : 'missing',
          secretId: 'prod/openai',
          sequence: n,
          line: isLast ? undefined : n,
          entries: n - 1,
        });
      }),
    );
  });

  it('finds any two swapped entries and names the earlier place', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndPair, async ({ chain, low, high }) => {
        const swapped = chain.lines
          .with(low - 1, chain.lines[high - 1] ?? '')
          .with(high - 1, chain.lines[low - 1] ?? '');
        expect(await verifyChain(swapped, { heads: chain.heads })).toMatchObject({
          verified: false,
          problem: 'reordered',
          sequence: low,
          line: low,
        });
      }),
    );
  });

  it('finds any entry that stands there twice, wherever its copy is', async () => {
    const cases = chainAndEntry(1).chain(({ chain, n }) =>
      fc.integer({ min: 0, max: chain.lines.length }).map((at) => ({ chain, n, at })),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ chain, n, at }) => {
        const lines = chain.lines.toSpliced(at, 0, chain.lines[n - 1] ?? '');
        const early = at < n - 1;
        const expected = early
          ? { problem: 'reordered', sequence: at + 1, line: at + 1 }
          : { problem: 'duplicate', sequence: n, line: Math.max(at + 1, n + 1) };
        expect(await verifyChain(lines, { heads: chain.heads })).toMatchObject({ verified: false, ...expected });
      }),
    );
  });

  it('finds any changed member of an entry and names the entry', async () => {
    const change = fc.oneof(
      fc.record({ action: fc.string() }),
      fc.record({ agent: fc.string() }),
      fc.record({ timestamp: fc.constant('2019-01-01T00:00:00.000Z') }),
      fc.record({ secret_id: fc.constantFrom('prod/other', '__proto__') }),
      fc.record({ sequence: fc.integer({ min: 100, max: 200 }) }),
      fc.record({ hash: fc.constant('f'.repeat(64)) }),
      fc.record({ previous_hash: fc.constant('f'.repeat(64)) }),
      fc.string().map((reason) => ({ context: { ip_address: 'x', reason } })),
    );
    await fc.assert(
      fc.asyncProperty(chainAndEntry(1), change, async ({ chain, n }, change) => {
        const changed = exportLine({ ...parse(chain.lines[n - 1]), ...change });
        fc.pre(changed !== chain.lines[n - 1]);
        const result = await verifyChain(chain.lines.with(n - 1, changed), { heads: chain.heads });
        expect(result).toMatchObject({ verified: false, problem: 'changed', line: n, entries: n - 1 });
        if (!('secret_id' in change)) expect(result).toMatchObject({ secretId: 'prod/openai', sequence: n });
      }),
    );
  });

  it('finds any changed, removed or added byte of an export file and names its line', async () => {
    const cases = anyChain(1).chain((chain) => {
      const bytes = Buffer.from(`${chain.lines.join('\n')}\n`);
      return fc.record({
        chain: fc.constant(chain),
        bytes: fc.constant(bytes),
        // The last LF may be there or not.
        at: fc.integer({ min: 0, max: bytes.length - 2 }),
        byte: fc.integer({ min: 0, max: 255 }),
        how: fc.constantFrom('change', 'remove', 'add'),
      });
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ chain, bytes, at, byte, how }) => {
        const put = how === 'remove' ? [] : [byte];
        const changed = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(put),
          bytes.subarray(how === 'add' ? at : at + 1),
        ]);
        fc.pre(!changed.equals(bytes));
        const line = bytes.subarray(0, at).toString('latin1').split('\n').length;
        expect(await verifyBytes(changed, chain)).toMatchObject({ verified: false, line, entries: line - 1 });
      }),
      { numRuns: 1000 },
    );
  });

  it('finds a replaced entry with a hash of its own by the entry after it, and the last one by the known head', async () => {
    await fc.assert(
      fc.asyncProperty(chainAndEntry(1), async ({ chain, n }) => {
        const lines = chain.lines.with(n - 1, forge(chain.lines[n - 1], { action: 'something.else', agent: 'nobody' }));
        fc.pre(lines[n - 1] !== chain.lines[n - 1]);
        const isLast = n === lines.length;
        const expected = isLast ? { problem: 'head_mismatch', sequence: n } : { problem: 'unlinked', sequence: n + 1 };
        expect(await verifyChain(lines, { heads: chain.heads })).toMatchObject({ verified: false, ...expected });
      }),
    );
  });

  it('finds a first entry that says it follows something', async () => {
    expect(await verifyChain([forge(one, { previous_hash: 'f'.repeat(64) })])).toMatchObject({
      problem: 'unlinked',
      sequence: 1,
    });
  });

  it('keeps mixed chains of several secrets apart and names the broken one', async () => {
    const operations = fc.sample(anyOperation, { numRuns: 4, seed: 3 });
    const [a, b] = [chainOf(operations, 'a').lines, chainOf(operations, '__proto__').lines];
    const mixed = a.flatMap((line, index) => [line, b[index] ?? '']);
    expect(await verifyChain(mixed)).toMatchObject({ verified: true, secrets: 2, entries: 8 });
    expect(await verifyChain(mixed.toSpliced(5, 1))).toMatchObject({
      problem: 'missing',
      secretId: '__proto__',
      sequence: 3,
      line: 7,
      secrets: 2,
    });
  });

  it('finds a whole chain that is missing by its known head', async () => {
    const heads = new Map([...three.heads, ['gone', { sequence: 2, hash: 'a'.repeat(64) }]]);
    expect(await verifyChain(three.lines, { heads })).toMatchObject({
      problem: 'truncated',
      secretId: 'gone',
      sequence: 1,
    });
  });

  it('accepts entries after the known head, which is from before', async () => {
    const heads = new Map([['prod/openai', { sequence: 2, hash: parse(two).hash }]]);
    expect(await verifyChain(three.lines, { heads })).toMatchObject({ verified: true, entries: 3 });
  });

  it('cannot see a tail cut off when no head is known', async () => {
    expect(await verifyChain([one, two])).toMatchObject({ verified: true, entries: 2 });
  });

  it('names the missing entry also when lines after it are broken', async () => {
    expect(await verifyChain([one, last, 'broken'])).toMatchObject({ problem: 'missing', sequence: 2, line: 2 });
    expect(await verifyChain([one, last, 'broken', two])).toMatchObject({ problem: 'reordered', sequence: 2, line: 2 });
  });

  it('does not take an entry of another secret for the missing one', async () => {
    const other = chainOf(fc.sample(anyOperation, { numRuns: 2, seed: 8 }), 'other').lines;
    expect(await verifyChain([one, last, ...other])).toMatchObject({
      problem: 'missing',
      secretId: 'prod/openai',
      sequence: 2,
    });
  });

  it('names a malformed line by its number', async () => {
    expect(await verifyChain([one, '', two])).toMatchObject({ problem: 'malformed', line: 2, secretId: undefined });
    const repeated = two.replace('{"action"', '{"action":"x","action"');
    expect(await verifyChain([one, repeated])).toMatchObject({ problem: 'malformed', line: 2 });
  });

  it('names an entry that is no entry when it is handed objects', async () => {
    const odd = { ...parse(one), context: { ip_address: '', reason: '\ud800' } };
    expect(await verifyChain([odd])).toMatchObject({ problem: 'malformed', line: 1 });
  });

  it('refuses entries of another secret when told which one it reads', async () => {
    expect(await verifyChain([one], { only: 'other' })).toMatchObject({ problem: 'foreign', sequence: 1 });
  });

  it('says in the newest timestamp what was last, whatever the order of secrets', async () => {
    const at = (time: string) =>
      fc.sample(anyOperation, { numRuns: 1, seed: 1 }).map((op) => ({ ...op, timestamp: new Date(time) }));
    const lines = [
      ...chainOf(at('2026-05-01T00:00:00Z'), 'a').lines,
      ...chainOf(at('2026-04-01T00:00:00Z'), 'b').lines,
    ];
    expect(await verifyChain(lines)).toMatchObject({ newest: '2026-05-01T00:00:00.000Z' });
  });

  it('stops reading when the answer is certain, and answers the same when asked again', () => {
    const verifier = new ChainVerifier();
    expect([verifier.accept(one), verifier.accept('broken')]).toEqual([true, false]);
    expect(verifier.finish()).toEqual(verifier.finish());
  });

  it('puts nothing of an entry into the detail', async () => {
    const secretive = forge(one, { action: 'sekret\u001b[2J', previous_hash: 'f'.repeat(64) });
    const result = await verifyChain([secretive]);
    expect(result.verified ? '' : result.detail).not.toContain('sekret');
  });
});
