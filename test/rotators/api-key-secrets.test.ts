import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Misconfigured, type RekeyError } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { assertKeyOnce, parseKeySecret, withKey } from '../../shared/rotators/api-key/key-secret.ts';
import * as fc from '../harness/properties.ts';
import { ApiKeyHarness, keyOf } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: ApiKeyHarness;
let made = 0;

beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness.stop());

async function rotated(shape: (key: string) => string): Promise<string> {
  made += 1;
  const adopted = await harness.adopt(`secrets${made}`, (place) => shape(harness.server.mint(place).value));
  const rotations = new RotationByHand(harness.rotator(), adopted);
  await rotations.rotate();
  return (await rotations.rotate()).value.reveal();
}

describe("the secret's shape", () => {
  it('stays plain text where it was plain text, a line end aside: the ledger has the id', async () => {
    expect(await rotated((key) => key)).toMatch(/^sk-svcacct-[\w-]+$/);
    expect(await rotated((key) => `${key}\n`)).toMatch(/^sk-svcacct-[\w-]+$/);
  });

  it.each(['api_key', 'apiKey', 'OPENAI_API_KEY'])(
    'stays JSON with its key in %s and every other key',
    async (field) => {
      const value = JSON.parse(await rotated((key) => JSON.stringify({ model: 'gpt', [field]: key, tags: ['a'] })));
      expect(Object.keys(value)).toEqual(['model', field, 'tags', 'key_id']);
      expect(harness.server.key(value.key_id)?.value).toBe(value[field]);
    },
  );

  it('is JSON with the id for a secret that has had no value', async () => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`);
    const rotator = harness.rotator();
    const { settings } = new RotationByHand(rotator, adopted);
    const values = { settings, admin: adopted.admin, incumbent: undefined, versionId: 'v1', known: [] };
    const preflight = await rotator.preflight(values);
    expect(preflight.incumbent).toBeUndefined();
    const issuance = { since: new Date(), existing: [], attempts: 1 };
    const report = await rotator.issue({ ...values, startedAt: new Date(), candidate: preflight.candidate, issuance });
    expect(JSON.parse(report.value.reveal())).toEqual({ api_key: expect.any(String), key_id: report.identity });
    expect(await rotator.test({ settings, candidate: report.value, incumbentIdentity: undefined })).toEqual({
      healthy: 1,
      parity: [],
    });
  });

  it('carries the end of a key that has one, and no stale one', () => {
    const incumbent = parseKeySecret(
      new SecretText('{"api_key":"sk-old","expires_at":"2020-01-01T00:00:00.000Z"}'),
      'incumbent',
    );
    const made = { id: 'key_1', value: new SecretText('sk-new') };
    expect(JSON.parse(withKey(incumbent, made).reveal())).toEqual({
      api_key: 'sk-new',
      key_id: 'key_1',
      expires_at: null,
    });
    const ends = { ...made, expiresAt: new Date(0) };
    expect(JSON.parse(withKey(undefined, ends).reveal())).toMatchObject({ expires_at: '1970-01-01T00:00:00.000Z' });
  });

  it.each([
    ['two keys', '{"api_key":"sk-a-leaked-value-1","apiKey":"sk-a-leaked-value-2"}'],
    ['a key of another type', '{"api_key":17,"note":"a-leaked-value"}'],
    ['an id of another type', '{"api_key":"sk-a-leaked-value","key_id":17}'],
    ['an id that is no id', '{"api_key":"sk-a-leaked-value","key_id":"../x"}'],
    ['the key itself for an id', '{"api_key":"a-leaked-value-of-a-key","key_id":"a-leaked-value-of-a-key"}'],
    ['an id with the key in it', '{"api_key":"a-leaked-value-of-a-key","key_id":"key_a-leaked-value-of-a-key"}'],
    ['a part of the key for an id', '{"api_key":"a-leaked-value-of-a-key","key_id":"leaked-value"}'],
    ['another key for an id', '{"api_key":"sk-of-now","key_id":"sk-svcacct-a-leaked-value"}'],
    ['key and id the wrong way round', '{"api_key":"key_0123456789","key_id":"sk-a-leaked-value"}'],
    ['a line end in the key', '{"api_key":"sk-a-leaked\\nvalue"}'],
  ])('stops before any request where it holds %s', async (_, text) => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`, () => text);
    const before = harness.server.log.length;
    const error = await new RotationByHand(harness.rotator(), adopted)
      .preflight('v1')
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Misconfigured);
    expect((error as RekeyError).safeMessage).not.toContain('a-leaked');
    expect(harness.server.log.length).toBe(before);
  });

  it('stops where another key of it holds the API key too', async () => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`, (place) => {
      const { value } = harness.server.mint(place);
      return JSON.stringify({ api_key: value, header: `Bearer ${value}` });
    });
    const preflight = new RotationByHand(harness.rotator(), adopted).preflight('v1');
    await expect(preflight).rejects.toThrow(/"header" of the incumbent's secret holds the API key as well/);
  });
});

describe('hostile texts', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom(
      '\u0000',
      'sk-a\r\nx-evil: 1',
      'sk-\u{1F511}',
      ' ',
      '',
      '"',
      '[',
      '{',
      '\\',
      '\ud800',
      'a'.repeat(65_536),
    ),
    fc.json(),
  );

  it('are refused without being repeated, or taken as they are', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        let found: ReturnType<typeof parseKeySecret>;
        try {
          found = parseKeySecret(new SecretText(text), 'incumbent');
        } catch (error) {
          expect(error).toBeInstanceOf(Misconfigured);
          expect((error as Error).cause).toBeUndefined();
          if (text.trim().length > 8) expect((error as RekeyError).safeMessage).not.toContain(text.trim());
          return;
        }
        const plain = found.key.reveal();
        expect(new Headers({ authorization: `Bearer ${plain}` }).get('authorization')).toBe(`Bearer ${plain}`);
      }),
      { numRuns: 500 },
    );
  });

  it('under other keys of the JSON are carried over as they are', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary', maxLength: 20 }), fc.jsonValue()), (others) => {
        const { apiKey: _, OPENAI_API_KEY: __, key_id: ___, expires_at: ____, ...rest } = others;
        const json = JSON.stringify({ ...rest, api_key: 'sk-aaaaaaaaaaaaaaaa' });
        const incumbent = parseKeySecret(new SecretText(json), 'incumbent');
        const candidate = withKey(incumbent, { id: 'key_1', value: new SecretText('sk-b') });
        const { api_key: _____, ...before } = JSON.parse(json);
        const { api_key: key, key_id: id, ...after } = JSON.parse(candidate.reveal());
        expect(after).toEqual(before);
        expect([key, id]).toEqual(['sk-b', 'key_1']);
        assertKeyOnce(parseKeySecret(candidate, 'candidate'));
      }),
    );
  });
});

it('no identity, fact, name or path at the provider holds any part of a key', async () => {
  made += 1;
  const adopted = await harness.adopt(`secrets${made}`);
  const rotations = new RotationByHand(harness.rotator(), adopted);
  const brought = await rotations.bringIn();
  const report = await rotations.retire(rotations.promote(brought));
  const told = JSON.stringify([brought.preflight, rotations.known, report, harness.server.log]);
  for (const value of [adopted.incumbent, brought.value]) expect(told).not.toContain(keyOf(value).slice(0, 16));
  expect(told).not.toContain('sk-');
});
