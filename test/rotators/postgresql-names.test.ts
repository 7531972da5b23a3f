import * as fc from 'fast-check';
import { escapeIdentifier } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
      const incumbent = postgres.secret({ ...parsed(login), hostile: setting });
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
