import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditOperation } from '../../../../shared/audit/audit-trail.ts';
import { canonicalJson, GENESIS_HASH, linkEntries } from '../../../../shared/audit/chain.ts';
import { lineOf, MAX_LINE_CHARACTERS, parseLine } from '../../../../shared/audit/entry-line.ts';
import * as fc from '../../../harness/properties.ts';
import { anyOperation, linesOf } from './generated-chain.ts';

const first: AuditOperation = {
  operationId: 'r1/generate/lease',
  timestamp: new Date('2026-03-01T08:00:00Z'),
  action: 'rotation.generate.lease_taken',
  agent: 'rekey/generate',
  context: { reason: 'scheduled', ip_address: '10.0.0.7', attempt: 1e21, ok: true, versions: ['a'] },
  riskLevel: 'high',
};

/** Written out by hand from RFC 8785: sorted members, no spaces, ES6 numbers. */
const FIRST_CANONICAL =
  '{"action":"rotation.generate.lease_taken","agent":"rekey/generate","context":{"attempt":1e+21,"ip_address":"10.0.0.7",' +
  '"ok":true,"reason":"scheduled","versions":["a"]},"previous_hash":"0000000000000000000000000000000000000000000000000000000000000000",' +
  '"risk_level":"high","secret_id":"prod/openai","sequence":1,"timestamp":"2026-03-01T08:00:00.000Z"}';

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
const line = (text = FIRST_CANONICAL): string => lineOf(text, sha256(text));

describe('linkEntries', () => {
  it('hashes the RFC 8785 form of the entry without its hash', () => {
    expect(linkEntries('prod/openai', undefined, [first])).toEqual([
      { operationId: first.operationId, sequence: 1, canonical: FIRST_CANONICAL, hash: sha256(FIRST_CANONICAL) },
    ]);
  });

  it('starts after 64 zeros and goes on after the head it is given', () => {
    expect(GENESIS_HASH).toMatch(/^0{64}$/);
    const head = { sequence: 41, hash: 'a'.repeat(64) };
    const [next, last] = linkEntries('s', head, [first, first]).map(
      ({ canonical }) => JSON.parse(canonical) as unknown,
    );
    expect(next).toMatchObject({ sequence: 42, previous_hash: head.hash });
    expect(last).toMatchObject({ sequence: 43, previous_hash: sha256(canonicalJson(next)) });
  });

  it.each([
    ['an invalid date', { timestamp: new Date(Number.NaN) }],
    ['a number that JSON cannot hold', { context: { ip_address: '', reason: '', rate: Number.POSITIVE_INFINITY } }],
  ])('refuses %s', (_, change) => {
    expect(() => linkEntries('s', undefined, [{ ...first, ...change }])).toThrow(RangeError);
  });

  it('makes text well-formed in names, values and lists, and nowhere loses an entry for it', () => {
    const context = { ip_address: '\ud800', reason: 'r', 'k\udc00': ['v\ud800'] };
    const [entry] = linkEntries('s', undefined, [{ ...first, agent: 'a\ud800', context }]);
    expect(JSON.parse(entry?.canonical ?? '')).toMatchObject({
      agent: 'a\ufffd',
      context: { ip_address: '\ufffd', reason: 'r', 'k\ufffd': ['v\ufffd'] },
    });
  });
});

describe('an export line', () => {
  it('is the canonical JSON of the entry with its hash, and gives back the bytes that were hashed', () => {
    fc.assert(
      fc.property(anyOperation, (operation) => {
        const [entry] = linkEntries('prod/openai', undefined, [operation]);
        const [text] = linesOf(entry === undefined ? [] : [entry]);
        expect(text).toBe(canonicalJson({ ...(JSON.parse(entry?.canonical ?? '') as object), hash: entry?.hash }));
        expect(parseLine(text ?? '')).toMatchObject({ canonical: entry?.canonical, entry: { hash: entry?.hash } });
      }),
    );
  });

  it.each([
    ['a space', line().replace('":1e+21', '": 1e+21')],
    ['a trailing carriage return', `${line()}\r`],
    ['another spelling of a number', line().replace('1e+21', '1E21')],
    ['another spelling of a character', line().replace('"scheduled"', String.raw`"\u0073cheduled"`)],
    ['a key twice, the same', line().replace('"ok":true', '"ok":true,"ok":true')],
    ['a key twice, first something else', line().replace('"ok":true', '"ok":false,"ok":true')],
    ['a top-level key twice', line().replace('"agent":"rekey/generate"', '"agent":"x","agent":"rekey/generate"')],
    ['members in another order', JSON.stringify({ hash: '', ...(JSON.parse(line()) as object) })],
    ['a lone surrogate', line().replace('scheduled', String.raw`\ud800`)],
    ['facts in another order', line().replace('"ok":true,"reason":"scheduled"', '"reason":"scheduled","ok":true')],
    ['index-like facts in numeric order', line().replace('{"attempt"', '{"9":1,"10":1,"attempt"')],
  ])('is not as written with %s', (_, text) => {
    expect(parseLine(text)).toBe('not_as_written');
  });

  it.each([
    ['nothing', ''],
    ['a byte order mark', `\ufeff${line()}`],
    ['half a line', line().slice(0, 100)],
    ['a raw control character', line().replace('scheduled', '\u0000')],
    ['two entries', line() + line()],
  ])('is not JSON with %s', (_, text) => {
    expect(parseLine(text)).toBe('not_json');
  });

  it.each([
    ['null', 'null'],
    ['a list', '[]'],
    ['a bottomless list', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['no hash', FIRST_CANONICAL],
    ['a hash in capitals', lineOf(FIRST_CANONICAL, sha256(FIRST_CANONICAL).toUpperCase())],
    ['a member more', line().replace('"hash"', '"extra":1,"hash"')],
    ['an own __proto__', line().replace('{"action"', '{"__proto__":{"sequence":1},"action"')],
    ['a nested fact', line().replace('true', '{"a":1}')],
    ['a nested __proto__ fact', line().replace('"ok":true', '"__proto__":{"a":1},"ok":true')],
    ['sequence 0', line().replace('"sequence":1', '"sequence":0')],
    ['a broken sequence', line().replace('"sequence":1', '"sequence":1.5')],
    ['a sequence beyond exact integers', line().replace('"sequence":1', '"sequence":9007199254740993')],
    ['an unknown risk level', line().replace('"high"', '"none"')],
    ['a timestamp without milliseconds', line().replace('00.000Z', '00Z')],
  ])('is not an entry with %s', (_, text) => {
    expect(['not_an_entry', 'not_as_written']).toContain(parseLine(text));
    expect(text).not.toBe(line());
  });

  it('is too long above the limit, which is not parsed at all', () => {
    expect(parseLine('['.repeat(MAX_LINE_CHARACTERS + 1))).toBe('too_long');
    expect(parseLine(line().replace('scheduled', 'x'.repeat(400 * 1024)))).toMatchObject({ entry: { sequence: 1 } });
  });
});
