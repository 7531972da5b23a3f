import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import {
  AdminRefused,
  IncumbentRefused,
  Misconfigured,
  RefusedByPolicy,
  RekeyError,
  RetirementPending,
  SameAsSurvivor,
  SlotOccupied,
  StillAlive,
  TargetUnreachable,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { parsed, PostgresHarness, SECRET_ID } from './postgresql-harness.ts';
import { startProxy } from './redis-proxy.ts';

let postgres: PostgresHarness;
let owner = 0;
let name: string;
let incumbent: SecretText;

beforeAll(async () => {
  // A server with PostgreSQL's own password check: it takes verifiers.
  postgres = await PostgresHarness.start({
    shared_preload_libraries: 'passwordcheck',
    'passwordcheck.min_password_length': '20',
  });
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  owner += 1;
  name = `app${owner}`;
  incumbent = await postgres.createLogin(name);
});
afterEach(() => postgres.closeSessions());

const preflight = (more: { readonly known?: readonly KnownCredential[]; readonly admin?: SecretText } = {}) =>
  postgres.rotator().preflight({
    settings: postgres.settings(),
    admin: postgres.admin,
    incumbent,
    versionId: 'v1',
    known: [],
    ...more,
  });

describe('preflight', () => {
  it('refuses a wrong administrator, a wrong incumbent, a closed port, a missing administrator', async () => {
    const wrong = (value: SecretText, more: object) => postgres.secret({ ...parsed(value), ...more });
    await expect(preflight({ admin: wrong(postgres.admin, { password: 'not-this-one' }) })).rejects.toBeInstanceOf(
      AdminRefused,
    );
    const { admin } = postgres;
    const settings = postgres.settings();
    const input = { settings, admin, versionId: 'v1', known: [] };
    const rotator = postgres.rotator();
    await expect(
      rotator.preflight({ ...input, incumbent: wrong(incumbent, { password: 'not-this-one' }) }),
    ).rejects.toBeInstanceOf(IncumbentRefused);
    const port = await freePort();
    const away = { ...input, admin: wrong(admin, { port }), incumbent: wrong(incumbent, { port }) };
    await expect(rotator.preflight(away)).rejects.toBeInstanceOf(TargetUnreachable);
    await expect(rotator.preflight({ ...input, admin: undefined, incumbent })).rejects.toBeInstanceOf(Misconfigured);
    await expect(
      rotator.preflight({ ...input, incumbent: wrong(incumbent, { dbname: 'nowhere' }) }),
    ).rejects.toBeInstanceOf(Misconfigured);
  });

  it('does not take the administrator to another server than its secret names', async () => {
    const elsewhere = postgres.secret({ ...parsed(postgres.admin), host: 'db.example.com' });
    await expect(preflight({ admin: elsewhere })).rejects.toThrow(/does not name this server/);
    const { host, port } = postgres.server;
    const settings = postgres.settings({ connection: { host, port, dbname: 'postgres', tls: 'prefer' } });
    const declared = { settings, admin: elsewhere, incumbent, versionId: 'v1', known: [] };
    expect(await postgres.rotator().preflight(declared)).toMatchObject({ candidate: `${name}_a` });
  });

  it('refuses an administrator who may not create roles, or may not grant the owner role', async () => {
    const admin = await postgres.createLogin(`admin${owner}`);
    await expect(preflight({ admin })).rejects.toThrow(/CREATEROLE/);
    await postgres.sql(`ALTER ROLE admin${owner} CREATEROLE`);
    await expect(preflight({ admin })).rejects.toThrow(/ADMIN OPTION/);
    await postgres.sql(`GRANT ${name} TO admin${owner} WITH ADMIN OPTION`);
    expect(await preflight({ admin })).toMatchObject({ candidate: `${name}_a` });
  });

  it("refuses to rotate the administrator's own role", async () => {
    const { admin } = postgres;
    const own = { settings: postgres.settings(), admin, incumbent: admin, versionId: 'v1', known: [] };
    await expect(postgres.rotator().preflight(own)).rejects.toThrow(/administrator's own role/);
  });

  it('refuses a slot that a role of others has, or that the ledger does not know', async () => {
    await postgres.sql(`CREATE ROLE ${name}_a`);
    await expect(preflight()).rejects.toBeInstanceOf(SlotOccupied);
    const known: KnownCredential[] = [{ identity: `${name}_a`, versionId: 'v0', state: 'retired' }];
    await expect(preflight({ known })).rejects.toBeInstanceOf(SlotOccupied);
    await postgres.sql(`COMMENT ON ROLE ${name}_a IS 'managed by Rekey for ${SECRET_ID}'`);
    await expect(preflight()).rejects.toBeInstanceOf(SlotOccupied);
    expect(await preflight({ known })).toMatchObject({ candidate: `${name}_a` });
    await postgres.sql(`ALTER ROLE ${name}_a LOGIN`);
    await expect(preflight({ known })).rejects.toBeInstanceOf(SlotOccupied);
    await expect(preflight({ known: [{ ...known[0]!, state: 'grace' }] })).rejects.toBeInstanceOf(RetirementPending);
    expect(await preflight({ known: [{ ...known[0]!, versionId: 'v1', state: 'proposed' }] })).toMatchObject({
      candidate: `${name}_a`,
    });
  });

  it('refuses a slot whose role has live sessions', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    await postgres.open(candidate);
    const settings = postgres.settings({ endSessions: false });
    const retirement = {
      settings,
      admin: postgres.admin,
      identity: `${name}_a`,
      versionId: 'v1',
      value: candidate,
      survivor: incumbent,
    };
    await postgres.rotator().retire(retirement);
    const known: KnownCredential[] = [{ identity: `${name}_a`, versionId: 'v1', state: 'retired' }];
    const input = { settings, admin: postgres.admin, incumbent, versionId: 'v2', known };
    await expect(postgres.rotator().preflight(input)).rejects.toThrow(/sessions/);
  });

  it('refuses a secret in which another key holds the password too', async () => {
    const { username, password } = parsed(incumbent);
    const value = postgres.secret({ username, password, url: `postgres://${username}:${password}@db/postgres` });
    const input = {
      settings: postgres.settings(),
      admin: postgres.admin,
      incumbent: value,
      versionId: 'v1',
      known: [],
    };
    await expect(postgres.rotator().preflight(input)).rejects.toThrow(/"url"/);
  });

  it('touches nothing', async () => {
    const read = () => postgres.sql('SELECT xmin::text, * FROM pg_authid ORDER BY oid');
    const before = await read();
    await preflight();
    expect(await read()).toEqual(before);
  });
});

function installing(work: {
  readonly mode: RotatorSettings['mode'];
  readonly admin: SecretText;
  readonly candidate: SecretText;
}) {
  const { mode, ...values } = work;
  return {
    ...values,
    settings: postgres.settings({ mode }),
    incumbent,
    versionId: 'v1',
    startedAt: postgres.nextStart(),
  };
}

describe('install', () => {
  it('never alters a role of others that has taken the name', async () => {
    const foreign = await postgres.createLogin(`${name}_a`);
    const candidate = postgres.secret({ ...parsed(incumbent), username: `${name}_a`, password: 'x'.repeat(32) });
    const values = { settings: postgres.settings(), admin: postgres.admin, incumbent, versionId: 'v1' };
    const input = { ...values, startedAt: postgres.nextStart(), candidate };
    await expect(postgres.rotator().install(input)).rejects.toBeInstanceOf(SlotOccupied);
    const retirement = { ...input, identity: `${name}_a`, value: candidate, survivor: incumbent };
    expect(await postgres.rotator().retire(retirement)).toMatchObject({ refusedLogin: true });
    expect(await postgres.rotator().probe(foreign, input.settings)).toBe('accepted');
  });

  it.each(['single_role', 'two_roles'] as const)(
    'names a verifier that the password check of the server refuses, and leaves nothing (%s)',
    async (mode) => {
      // Of a verifier the check sees whether it is that of the role's own name.
      const username = mode === 'two_roles' ? `${name}_a` : name;
      const candidate = postgres.secret({ ...parsed(incumbent), username, password: username });
      const input = installing({ mode, admin: postgres.admin, candidate });
      await expect(postgres.rotator(mode).install(input)).rejects.toBeInstanceOf(RefusedByPolicy);
      expect(await postgres.rotator().probe(incumbent, input.settings)).toBe('accepted');
      expect(await postgres.rotator().probe(candidate, input.settings)).toBe('refused');
      expect(await postgres.sql(`SELECT FROM pg_roles WHERE rolname = '${name}_a'`)).toEqual([]);
      const another = postgres.secret({ ...parsed(candidate), password: 'y'.repeat(32) });
      await postgres.rotator(mode).install({ ...input, candidate: another });
      expect(await postgres.rotator().probe(another, input.settings)).toBe('accepted');
    },
  );

  it('does not take the want of a right for the policy of the server', async () => {
    const admin = await postgres.createLogin(`other${owner}`);
    const candidate = postgres.secret({ ...parsed(incumbent), password: 'y'.repeat(32) });
    const input = installing({ mode: 'single_role', admin, candidate });
    await expect(postgres.rotator('single_role').install(input)).rejects.toBeInstanceOf(Misconfigured);
    expect(await postgres.rotator().probe(incumbent, input.settings)).toBe('accepted');
  });

  it('makes all of the role or nothing of it', async () => {
    await postgres.sql(`ALTER ROLE ${name} SET log_statement = 'none'`);
    const admin = await postgres.createLogin(`admin${owner}`, 'CREATEROLE');
    await postgres.sql(`GRANT ${name} TO admin${owner} WITH ADMIN OPTION`);
    const attempt = postgres.bringIn({ incumbent, versionId: 'v1', admin });
    await expect(attempt).rejects.toBeInstanceOf(Misconfigured);
    expect(await postgres.sql(`SELECT FROM pg_roles WHERE rolname = '${name}_a'`)).toEqual([]);
  });
});

describe('retire', () => {
  it('never ends a credential when the one that must go on is refused', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    await postgres.sql(`ALTER ROLE ${name}_a NOLOGIN`);
    const settings = postgres.settings();
    const work = { settings, admin: postgres.admin, identity: name, versionId: 'v0' };
    const retirement = { ...work, value: incumbent, survivor: candidate };
    await expect(postgres.rotator().retire(retirement)).rejects.toBeInstanceOf(IncumbentRefused);
    expect(await postgres.rotator().probe(incumbent, settings)).toBe('accepted');
    const same = { ...retirement, identity: name, survivor: incumbent };
    await expect(postgres.rotator().retire(same)).rejects.toBeInstanceOf(SameAsSurvivor);
  });

  it('does not call a role dead that it can neither end nor try', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    const retirement = {
      settings: postgres.settings(),
      admin: postgres.admin,
      identity: name,
      versionId: 'v0',
      value: undefined,
      survivor: candidate,
    };
    await expect(postgres.rotator().retire(retirement)).rejects.toBeInstanceOf(StillAlive);
  });

  it('ends sessions as an administrator who is no superuser', async () => {
    const admin = await postgres.createLogin(`admin${owner}`, 'CREATEROLE');
    await postgres.sql(`GRANT ${name} TO admin${owner} WITH ADMIN OPTION`);
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', admin });
    await postgres.open(incumbent);
    const settings = postgres.settings();
    const retirement = {
      settings,
      admin,
      identity: name,
      versionId: 'v0',
      value: incumbent,
      survivor: candidate,
    };
    expect(await postgres.rotator().retire(retirement)).toMatchObject({ refusedLogin: true, endedSessions: 1 });
    const next = await postgres.bringIn({ incumbent: candidate, versionId: 'v2', admin });
    await postgres.open(candidate);
    const second = { ...retirement, identity: `${name}_a`, versionId: 'v1', value: candidate, survivor: next };
    expect(await postgres.rotator().retire(second)).toMatchObject({ refusedLogin: true, endedSessions: 1 });
    const left = `SELECT FROM pg_auth_members WHERE member = 'admin${owner}'::regrole AND inherit_option AND roleid <> '${name}'::regrole`;
    expect(await postgres.sql(left)).toEqual([]);
  });
});

it('no error text or cause-free field quotes a password', async () => {
  const { password } = parsed(incumbent);
  const faults = await Promise.all(
    [
      preflight({ admin: postgres.secret({ username: 'postgres', password }) }),
      preflight({ admin: postgres.secret({ username: '', password }) }),
      preflight({ admin: postgres.secret({ username: 'postgres', password, port: password }) }),
    ].map((attempt) => attempt.catch((error: unknown) => error)),
  );
  for (const fault of faults) {
    expect(fault).toBeInstanceOf(RekeyError);
    expect((fault as RekeyError).safeMessage).not.toContain(password);
  }
});

it('leaves a server that says nothing any more where it is', async () => {
  let isSilent = false;
  const proxy = await startProxy(postgres.server.port, () =>
    isSilent ? new Promise(() => undefined) : Promise.resolve(undefined),
  );
  const via = (value: SecretText) => postgres.secret({ ...parsed(value), port: proxy.port });
  const rotator = postgres.rotator();
  const input = { settings: postgres.settings(), versionId: 'v1', known: [] };
  await rotator.preflight({ ...input, admin: via(postgres.admin), incumbent: via(incumbent) });
  isSilent = true;
  await rotator.release();
  await proxy.stop();
});
