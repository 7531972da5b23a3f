import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Misconfigured, RekeyError } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { assertTokenOnce, parseTokenSecret, withToken } from '../../shared/rotators/github-token/token-secret.ts';
import * as fc from '../harness/properties.ts';
import { GitHubTokenHarness, tokenOf } from './github-token-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: GitHubTokenHarness;
let made = 0;

beforeAll(async () => {
  harness = await GitHubTokenHarness.start();
});
afterAll(() => harness.stop());

async function rotated(shape: (token: string) => string): Promise<string> {
  made += 1;
  const adopted = await harness.adopt(`secrets${made}`, ({ installationId }) =>
    shape(harness.server.mint(installationId)),
  );
  const rotations = new RotationByHand(harness.rotator(), adopted);
  return (await rotations.rotate()).value.reveal();
}

describe("the secret's shape", () => {
  it('stays plain text where it was plain text, a line end aside', async () => {
    expect(await rotated((token) => token)).toMatch(/^ghs_\w+$/);
    expect(await rotated((token) => `${token}\n`)).toMatch(/^ghs_\w+$/);
  });

  it('stays JSON with every other key', async () => {
    const value = JSON.parse(
      await rotated((token) => JSON.stringify({ token, host: 'github.com', tags: ['a'], expires_at: 'x' })),
    );
    expect(value).toMatchObject({ host: 'github.com', tags: ['a'] });
    expect(Object.keys(value)).toEqual(['token', 'host', 'tags', 'expires_at']);
    expect(Date.parse(value.expires_at)).toBeGreaterThan(Date.now());
  });

  it('is JSON for a secret that has had no value', async () => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`);
    const rotator = harness.rotator();
    const { settings } = new RotationByHand(rotator, adopted);
    const values = { settings, admin: adopted.admin, incumbent: undefined, versionId: 'v1', known: [] };
    const preflight = await rotator.preflight(values);
    expect(preflight.incumbent).toBeUndefined();
    const issuance = { since: new Date(), existing: [], attempts: 1 };
    const { value } = await rotator.issue({
      ...values,
      startedAt: new Date(),
      candidate: preflight.candidate,
      issuance,
    });
    expect(Object.keys(JSON.parse(value.reveal()))).toEqual(['token', 'expires_at']);
    expect(await rotator.test({ settings, candidate: value, incumbentIdentity: undefined })).toMatchObject({
      healthy: 1,
    });
  });

  it('stops where another key holds the token too', async () => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`, ({ installationId }) => {
      const token = harness.server.mint(installationId);
      return JSON.stringify({ token, clone: `https://x-access-token:${token}@github.com/octo-org/one.git` });
    });
    const preflight = new RotationByHand(harness.rotator(), adopted).preflight('v1');
    await expect(preflight).rejects.toThrow(/"clone" of the incumbent's secret holds the token as well/);
  });

  it('that GitHub refuses, and that never was a token, stops a rotation: it may be another secret', async () => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`, () => 'a-leaked-value');
    const rotations = new RotationByHand(harness.rotator(), adopted);
    await expect(rotations.preflight('v1')).rejects.toThrow(/does not look like one/);
    // A form that GitHub may come to hand out: what Rekey itself has stored is believed.
    const issuance = { since: new Date(), existing: [], attempts: 1 };
    const { versionId: incumbentVersionId } = rotations.current;
    const known = [{ identity: 'i', versionId: incumbentVersionId, state: 'current', issuance } as const];
    const { settings } = rotations;
    const values = { settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId: 'v1' };
    expect(await harness.rotator().preflight({ ...values, incumbentVersionId, known })).toMatchObject({
      facts: { incumbent: expect.stringContaining('it has ended') },
    });
  });
});

describe('hostile texts', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom(
      '\u0000',
      'a\r\nx-evil: 1',
      'ghs_\u{1F511}',
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
        let found: ReturnType<typeof parseTokenSecret>;
        try {
          found = parseTokenSecret(new SecretText(text), 'incumbent');
        } catch (error) {
          expect(error).toBeInstanceOf(Misconfigured);
          expect((error as Error).cause).toBeUndefined();
          if (text.trim().length > 8) expect((error as RekeyError).safeMessage).not.toContain(text.trim());
          return;
        }
        // What is taken can stand in a header.
        expect(() => new Headers({ authorization: `token ${found.token.reveal()}` })).not.toThrow();
        expect(new Headers({ a: `token ${found.token.reveal()}` }).get('a')).toBe(`token ${found.token.reveal()}`);
      }),
      { numRuns: 500 },
    );
  });

  it('under other keys of the JSON are carried over as they are', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary', maxLength: 20 }), fc.jsonValue()), (others) => {
        const json = JSON.stringify({ ...others, token: 'ghs_aaaaaaaaaaaaaaaa' });
        const incumbent = parseTokenSecret(new SecretText(json), 'incumbent');
        const made = withToken(incumbent, new SecretText('ghs_b'), new Date(0));
        const { token: _, expires_at: __, ...before } = JSON.parse(json);
        const { token, expires_at: ___, ...after } = JSON.parse(made.reveal());
        expect(after).toEqual(before);
        expect(token).toBe('ghs_b');
        assertTokenOnce(parseTokenSecret(made, 'candidate'));
      }),
    );
  });

  it.each(['a\r\nb', 'é', 'a b', '\u0000'])('%j in "token" reaches no request', async (token) => {
    made += 1;
    const adopted = await harness.adopt(`secrets${made}`, () => JSON.stringify({ token }));
    const before = harness.server.log.length;
    await expect(new RotationByHand(harness.rotator(), adopted).preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
    expect(harness.server.log.length).toBe(before);
  });
});

it('no identity or fact holds any part of a token', async () => {
  made += 1;
  const adopted = await harness.adopt(`secrets${made}`);
  const rotations = new RotationByHand(harness.rotator(), adopted);
  const brought = await rotations.bringIn();
  const report = await rotations.retire(rotations.promote(brought));
  const told = JSON.stringify([brought.preflight, rotations.known, report]);
  for (const value of [adopted.incumbent, brought.value]) expect(told).not.toContain(tokenOf(value).slice(4));
  expect(told).not.toContain('ghs_');
});
