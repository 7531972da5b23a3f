import { escapeIdentifier, escapeLiteral } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IncumbentRefused, Misconfigured } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import * as fc from '../harness/properties.ts';
import { parsed, PostgresHarness, usernameOf } from './postgresql-harness.ts';

let postgres: PostgresHarness;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());

const fragment = fc.constantFrom(
  '"',
  "'",
  '\\',
  '$$',
  ';',
  '--',
  ' ',
  '=',
  ',',
  '{',
  '}',
  'é',
  '漢',
  '😀',
  'A',
  'z',
  '_',
  '%',
  '\n',
  '\r',
  '\t',
  '\u0001',
  '\u007f',
);
const hostile = fc
  .array(fragment, { minLength: 1, maxLength: 30 })
  .map((parts) => parts.join(''))
  .filter((name) => Buffer.byteLength(name) <= 50);

it('rotates roles with any name, and passwords with any character', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(hostile, hostile, hostile, async (name, password, setting) => {
      run += 1;
      const username = `${run}${name}`;
      const rotator = postgres.rotator();
      const settings = postgres.settings({ secretId: `secret ${name}`, healthyThreshold: 1 });
      const login = await postgres.createLogin(username);
      await postgres.sql(`ALTER ROLE ${escapeIdentifier(username)} PASSWORD ${escapeLiteral(password)}`);
      const incumbent = postgres.secret({ ...parsed(login), password, hostile: setting });
      await postgres.sql(
        `ALTER ROLE ${escapeIdentifier(username)} SET search_path = ${escapeIdentifier(setting)}, public`,
      );
      const a = await postgres.bringIn({ incumbent, versionId: password, settings });
      const b = await postgres.bringIn({ incumbent: a, versionId: 'v2', settings });
      expect([usernameOf(a), usernameOf(b)]).toEqual([`${username}_a`, `${username}_b`]);
      expect(parsed(b)['hostile']).toBe(setting);
      const identity = usernameOf(a);
      const retirement = {
        settings,
        admin: postgres.admin,
        identity,
        versionId: password,
        value: a,
        survivor: b,
      };
      expect((await rotator.retire(retirement)).refusedLogin).toBe(true);
      const single = postgres.rotator('single_role');
      const own = { ...postgres.settings({ secretId: name, mode: 'single_role' }) };
      const chosen = postgres.secret({ ...parsed(incumbent), password });
      const values = { settings: own, admin: undefined, incumbent, versionId: 'v', startedAt: postgres.nextStart() };
      await single.install({ ...values, candidate: chosen });
      expect(await single.probe(chosen, own)).toBe('accepted');
    }),
    { numRuns: 12 },
  );
});

it('keeps long names apart within 63 bytes', async () => {
  const incumbent = await postgres.createLogin('漢'.repeat(21));
  const a = await postgres.bringIn({ incumbent, versionId: 'v1' });
  const b = await postgres.bringIn({ incumbent: a, versionId: 'v2' });
  for (const value of [a, b]) expect(Buffer.byteLength(usernameOf(value))).toBeLessThanOrEqual(63);
  expect(usernameOf(a)).not.toBe(usernameOf(b));
});

describe('a password that clients prepare differently', () => {
  it.each([
    ['made another character', 'ﬁ'],
    ['left out', '\u00ad'],
    ['a blank of another kind', '\u3000'],
    ['composed with the one before', 'e\u0301'],
  ])('is said before anything is made: one character is %s', async (_, character) => {
    const incumbent = await postgres.createLogin(`prepared${character.codePointAt(character.length - 1)}`);
    const password = `a-leaked-value${character}`;
    await postgres.sql(`ALTER ROLE ${escapeIdentifier(usernameOf(incumbent))} PASSWORD ${escapeLiteral(password)}`);
    const input = { admin: postgres.admin, versionId: 'v1', known: [] };
    const preflight = (value: SecretText, policy?: RotatorSettings['policy']) =>
      postgres
        .rotator()
        .preflight({ ...input, settings: postgres.settings(policy === undefined ? {} : { policy }), incumbent: value });
    const changed = postgres.secret({ ...parsed(incumbent), password });
    const fault = await preflight(changed).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Misconfigured);
    expect((fault as Misconfigured).safeMessage).toMatch(/^The incumbent's password has characters that clients/);
    const plain = await postgres.createLogin(`plain${character.codePointAt(character.length - 1)}`);
    const policy = { length: 32, alphabet: `abcdefgh${character}`, require: [] };
    await expect(preflight(plain, policy)).rejects.toThrow('policy has characters in its alphabet that clients');
  });
});

describe('a secret that no PostgreSQL login can be', () => {
  const roles = () => postgres.sql('SELECT xmin::text, * FROM pg_authid ORDER BY oid');
  const unsendable = fc.constantFrom('\0', 'a\0', '\0b', '\ud800', 'a\udfff', '\udfff\ud800');

  it('is refused by name before anything is asked of the server, whichever of its texts it is', async () => {
    const incumbent = await postgres.createLogin('hostile');
    const before = await roles();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('username', 'password', 'dbname', 'host'),
        fc.oneof(
          unsendable,
          fc.tuple(hostile, unsendable, hostile).map((parts) => parts.join('')),
        ),
        async (key, text) => {
          const broken = postgres.secret({ ...parsed(incumbent), [key]: `a-leaked-value ${text}` });
          const input = { settings: postgres.settings(), admin: postgres.admin, versionId: 'v1', known: [] };
          const fault = await postgres
            .rotator()
            .preflight({ ...input, incumbent: broken })
            .catch((error: unknown) => error);
          expect(fault).toBeInstanceOf(Misconfigured);
          expect((fault as Misconfigured).safeMessage).toContain(`PostgreSQL: ${key} missing or of a wrong form.`);
          expect((fault as Misconfigured).safeMessage).not.toContain('a-leaked-value');
        },
      ),
      { numRuns: 40 },
    );
    expect(await roles()).toEqual(before);
  });

  it.each([
    ['username', 64 * 1024],
    ['username', 64],
    ['password', 64 * 1024],
  ])('has a %s of %i bytes: nothing comes of it', async (key, bytes) => {
    const incumbent = await postgres.createLogin(`long_${key}_${bytes}`);
    const before = await roles();
    const broken = postgres.secret({ ...parsed(incumbent), [key]: 'x'.repeat(bytes) });
    const input = { settings: postgres.settings(), admin: postgres.admin, versionId: 'v1', known: [] };
    const preflight = postgres.rotator().preflight({ ...input, incumbent: broken });
    await expect(preflight).rejects.toThrow(key === 'username' ? Misconfigured : IncumbentRefused);
    expect(await roles()).toEqual(before);
  });
});
