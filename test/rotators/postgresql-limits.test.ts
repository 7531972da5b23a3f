import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CandidateUnproven, StillAlive, TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { parsed, PostgresHarness } from './postgresql-harness.ts';

/** As many as health checks follow each other: each may begin before the one before has ended. */
const PLACES = 3;

let postgres: PostgresHarness;
let owner = 0;
let name: string;
let incumbent: SecretText;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  owner += 1;
  name = `app${owner}`;
  incumbent = await postgres.createLogin(name, `CONNECTION LIMIT ${PLACES}`);
});
afterEach(() => postgres.closeSessions());

const probe = (value: SecretText) => postgres.rotator().probe(value, postgres.settings());
const fill = async (value: SecretText) => {
  for (let place = 0; place < PLACES; place += 1) await postgres.open(value);
};
const otherPassword = (value: SecretText) => postgres.secret({ ...parsed(value), password: 'not-this-one' });

describe('a role whose own connection limit is used up', () => {
  it('takes its password, and no other: the server looks at the limit after it', async () => {
    await fill(incumbent);
    expect(await probe(incumbent)).toBe('accepted');
    expect(await probe(otherPassword(incumbent))).toBe('refused');
  });

  it('takes it also where the limit is that of the database', async () => {
    await postgres.sql(`CREATE DATABASE small_${owner} CONNECTION LIMIT 1`);
    const value = postgres.secret({ ...parsed(incumbent), dbname: `small_${owner}` });
    const other = await postgres.createLogin(`other${owner}`);
    await postgres.open(postgres.secret({ ...parsed(other), dbname: `small_${owner}` }));
    expect(await probe(value)).toBe('accepted');
    expect(await probe(otherPassword(value))).toBe('refused');
  });

  it('does not keep the one before it alive: neither the survivor nor the retired one needs a free place', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    await fill(candidate);
    await fill(incumbent);
    const work = { settings: postgres.settings(), admin: postgres.admin, identity: name, versionId: 'v0' };
    const retirement = { ...work, value: incumbent, survivor: candidate };
    expect(await postgres.rotator().retire(retirement)).toMatchObject({ refusedLogin: true, endedSessions: PLACES });
    expect(await probe(incumbent)).toBe('refused');
  });

  it('is not called dead: its value is still taken', async () => {
    const settings = postgres.settings({ mode: 'single_role' });
    await fill(incumbent);
    const work = { settings, admin: postgres.admin, identity: name, versionId: 'v0' };
    const retirement = { ...work, value: incumbent, survivor: undefined };
    await expect(postgres.rotator('single_role').retire(retirement)).rejects.toBeInstanceOf(StillAlive);
  });

  it.each(['two_roles', 'single_role'] as const)('begins no rotation until there is room (%s)', async (mode) => {
    await fill(incumbent);
    const rotator = postgres.rotator(mode);
    const input = {
      settings: postgres.settings({ mode }),
      admin: postgres.admin,
      incumbent,
      versionId: 'v1',
      known: [],
    };
    await expect(rotator.preflight(input)).rejects.toBeInstanceOf(TransientFailure);
    await postgres.closeSessions();
    expect(await rotator.preflight(input)).toMatchObject({ incumbent: name });
    await rotator.release();
  });

  it('is not healthy as a candidate', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    await fill(candidate);
    const settings = postgres.settings({ preheatSeconds: 0 });
    const test = postgres.rotator().test({ settings, candidate, incumbentIdentity: name });
    await expect(test).rejects.toBeInstanceOf(CandidateUnproven);
  });
});

it('a server that is full as a whole says nothing of a credential', async () => {
  const full = await PostgresHarness.start({
    max_connections: '5',
    superuser_reserved_connections: '0',
    max_wal_senders: '0',
  });
  const value = await full.createLogin('somebody');
  for (let place = 0; place < 5; place += 1) await full.open(full.admin);
  for (const asked of [value, full.secret({ ...parsed(value), password: 'not-this-one' })]) {
    await expect(full.rotator().probe(asked, full.settings())).rejects.toBeInstanceOf(TransientFailure);
  }
  await full.stop();
});
