import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { saltFor, scramVerifier } from '../../shared/rotators/postgresql/scram.ts';
import type { KnownCredential } from '../../shared/rotators/rotator.ts';
import { parsed, PostgresHarness, usernameOf } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let owner = 0;
let name: string;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());
beforeEach(() => {
  owner += 1;
  name = `app${owner}`;
});
afterEach(() => postgres.closeSessions());

describe('a postgresql secret in two_roles mode', () => {
  it('is adopted, then its two roles take turns, and each retired value is refused', async () => {
    const rotator = postgres.rotator();
    const settings = postgres.settings();
    let incumbent = await postgres.createLogin(name);
    let known: KnownCredential[] = [{ identity: name, versionId: 'v0', state: 'current' }];
    let replaced = 'v0';
    const turns: string[] = [];
    for (const versionId of ['v1', 'v2', 'v3', 'v4']) {
      const candidate = await postgres.bringIn({ incumbent, versionId, known });
      turns.push(usernameOf(candidate));
      expect(await rotator.probe(incumbent, settings)).toBe('accepted');
      const identity = usernameOf(incumbent);
      const report = await rotator.retire({
        settings,
        admin: postgres.admin,
        identity,
        versionId: replaced,
        value: incumbent,
        survivor: candidate,
      });
      replaced = versionId;
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 0 });
      expect(await rotator.probe(incumbent, settings)).toBe('refused');
      expect(await rotator.probe(candidate, settings)).toBe('accepted');
      known = [
        ...known.map((entry) => ({ ...entry, state: 'retired' as const })),
        { identity: usernameOf(candidate), versionId, state: 'current' },
      ];
      incumbent = candidate;
    }
    expect(turns).toEqual([`${name}_a`, `${name}_b`, `${name}_a`, `${name}_b`]);
    const roles = await postgres.sql(
      'SELECT rolname, rolcanlogin, rolpassword IS NOT NULL AS has_password FROM pg_authid WHERE rolname LIKE $1 ORDER BY 1',
      [`${name}%`],
    );
    expect(roles).toEqual([
      { rolname: name, rolcanlogin: false, has_password: false },
      { rolname: `${name}_a`, rolcanlogin: false, has_password: false },
      { rolname: `${name}_b`, rolcanlogin: true, has_password: true },
    ]);
  });

  it('opens what either role made to the other, and keeps the old owner in place', async () => {
    const incumbent = await postgres.createLogin(name);
    await postgres.as(incumbent, `CREATE TABLE t${owner}_old (x int)`);
    const a = await postgres.bringIn({ incumbent, versionId: 'v1' });
    await postgres.as(a, `CREATE TABLE t${owner}_a (x int)`);
    const b = await postgres.bringIn({ incumbent: a, versionId: 'v2' });
    await postgres.as(b, `CREATE TABLE t${owner}_b (x int)`);
    for (const who of [incumbent, a, b]) {
      for (const table of ['old', 'a', 'b']) {
        await postgres.as(who, `INSERT INTO t${owner}_${table} VALUES (1)`);
        await postgres.as(who, `ALTER TABLE t${owner}_${table} ADD COLUMN IF NOT EXISTS y int`);
      }
    }
    const owners = await postgres.sql(
      'SELECT DISTINCT tableowner::text AS owner FROM pg_tables WHERE tablename LIKE $1',
      [`t${owner}\\_%`],
    );
    expect(owners).toEqual([{ owner: name }]);
  });

  it('owns what a candidate makes behind a pool, which clears sessions between two clients', async () => {
    const incumbent = await postgres.createLogin(name);
    const from = (await postgres.log()).length;
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    expect((await postgres.log(from)).match(/statement: DISCARD ALL/g)).toHaveLength(1);
    const session = await postgres.open(candidate);
    await session.query('DISCARD ALL');
    await session.query(`CREATE TABLE t${owner}_pool (x int)`);
    const tables = await postgres.sql(
      `SELECT tableowner::text AS owner FROM pg_tables WHERE tablename = 't${owner}_pool'`,
    );
    expect(tables).toEqual([{ owner: name }]);
  });

  it('does every step twice with one effect', async () => {
    const rotator = postgres.rotator();
    const settings = postgres.settings();
    const incumbent = await postgres.createLogin(name);
    await postgres.sql(`ALTER ROLE "${name}" SET search_path = "$user", public, 'Odd, "schema'`);
    const startedAt = postgres.nextStart();
    const values = { settings, admin: postgres.admin, incumbent, versionId: 'v1', startedAt };
    const { candidate: identity } = await rotator.preflight({ ...values, known: [] });
    expect(await rotator.preflight({ ...values, known: [] })).toMatchObject({ candidate: identity });
    const candidate = rotator.propose({ ...values, candidate: identity });
    await rotator.install({ ...values, candidate });
    const before = await snapshot();
    await rotator.install({ ...values, candidate });
    expect(await snapshot()).toEqual(before);
    const known: KnownCredential[] = [{ identity, versionId: 'v1', state: 'proposed' }];
    expect(await rotator.preflight({ ...values, known })).toMatchObject({ candidate: identity });
    for (const _ of [1, 2]) await rotator.test({ settings, candidate, incumbentIdentity: name });
    expect(await snapshot()).toEqual(before);
    for (const _ of [1, 2]) {
      const report = await rotator.retire({
        settings,
        admin: postgres.admin,
        identity,
        versionId: 'v1',
        value: candidate,
        survivor: incumbent,
      });
      expect(report.refusedLogin).toBe(true);
    }
    expect(await rotator.probe(incumbent, settings)).toBe('accepted');
  });

  it('stores byte for byte the verifier that it computed', async () => {
    const incumbent = await postgres.createLogin(name);
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    const { username, password } = parsed(candidate);
    const [stored] = await postgres.sql('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [username]);
    expect(stored).toEqual({ rolpassword: await scramVerifier(password, { salt: saltFor(password, 'v1') }) });
  });

  it('never puts a password into the log of a server that logs every statement', async () => {
    const incumbent = await postgres.createLogin(name);
    const a = await postgres.bringIn({ incumbent, versionId: 'v1' });
    const b = await postgres.bringIn({ incumbent: a, versionId: 'v2' });
    const retirement = {
      settings: postgres.settings(),
      admin: postgres.admin,
      identity: `${name}_a`,
      versionId: 'v1',
      value: a,
      survivor: b,
    };
    await postgres.rotator().retire(retirement);
    const log = await readFile(postgres.server.logFile, 'utf8');
    expect(log).toContain(`ALTER ROLE "${name}_b" LOGIN PASSWORD 'SCRAM-SHA-256$4096:`);
    for (const value of [a, b]) expect(log).not.toContain(parsed(value).password);
  });

  it('opens two connections in preflight, none in install that follows it, the threshold in test, three in retire', async () => {
    const rotator = postgres.rotator();
    const settings = postgres.settings();
    const legacy = await postgres.createLogin(name);
    const incumbent = await postgres.bringIn({ incumbent: legacy, versionId: 'v1' });
    const startedAt = postgres.nextStart();
    const values = { settings, admin: postgres.admin, incumbent, versionId: 'v2', startedAt };
    const counts: Record<string, readonly string[]> = {};
    const count = async <Result>(step: string, work: Promise<Result>): Promise<Result> => {
      const result = await work;
      counts[step] = postgres.connections.splice(0);
      return result;
    };
    postgres.connections.splice(0);
    await count('preflight', rotator.preflight({ ...values, known: [] }));
    const candidate = rotator.propose({ ...values, candidate: `${name}_b` });
    await count('install', rotator.install({ ...values, candidate }));
    await count('test', rotator.test({ settings, candidate, incumbentIdentity: `${name}_a` }));
    const identity = `${name}_a`;
    const retirement = { settings, admin: postgres.admin, identity, versionId: 'v1' };
    await count('retire', rotator.retire({ ...retirement, value: incumbent, survivor: candidate }));
    expect(counts).toEqual({
      preflight: ['accepted', 'accepted'],
      install: [],
      test: ['accepted', 'accepted', 'accepted'],
      retire: ['accepted', 'accepted', 'refused'],
    });
  });

  it('carries the other keys of the secret over, and the role settings and limits', async () => {
    const login = await postgres.createLogin(name, "CONNECTION LIMIT 7 VALID UNTIL '2099-01-01'");
    await postgres.sql(`ALTER ROLE "${name}" SET statement_timeout = '7s'`);
    await postgres.sql(`ALTER ROLE "${name}" IN DATABASE postgres SET work_mem = '8MB'`);
    await postgres.sql(`ALTER ROLE "${name}" SET search_path = "$user", public, 'Odd, "schema'`);
    const incumbent = postgres.secret({ ...parsed(login), sslmode: 'prefer', team: { name: 'blue' }, ssl: false });
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    expect(parsed(candidate)).toEqual({ ...parsed(incumbent), username: `${name}_a`, password: expect.any(String) });
    expect(parsed(candidate).password).toMatch(/^[\w-]{32}$/);
    const [session] = await postgres.as(
      candidate,
      `SELECT current_setting('statement_timeout') AS timeout, current_setting('work_mem') AS memory,
              current_setting('search_path') AS path, current_user::text AS who`,
    );
    expect(session).toEqual({ timeout: '7s', memory: '8MB', path: '"$user", public, "Odd, ""schema"', who: name });
    const [role] = await postgres.sql('SELECT rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname = $1', [
      `${name}_a`,
    ]);
    expect(role).toEqual({ rolconnlimit: 7, rolvaliduntil: null });
  });

  it.each([
    ["VALID UNTIL '2099-01-01'", /Role "app\d+" has a VALID UNTIL; role "app\d+_a", .* has none/],
    ["VALID UNTIL 'infinity'", undefined],
    ['', undefined],
  ])('warns of an end of the login that is not carried over: %s', async (clause, warning) => {
    const incumbent = await postgres.createLogin(name, clause);
    const values = { settings: postgres.settings(), admin: postgres.admin, incumbent, versionId: 'v1' };
    const candidate = postgres.secret({ ...parsed(incumbent), username: `${name}_a`, password: 'x'.repeat(32) });
    const report = await postgres.rotator().install({ ...values, startedAt: postgres.nextStart(), candidate });
    expect(report.warning).toEqual(warning === undefined ? undefined : expect.stringMatching(warning));
  });

  it('makes owner role and candidate for a secret that has no value', async () => {
    const { host, port } = postgres.server;
    const connection = { host, port, dbname: 'postgres', tls: 'prefer' as const };
    const settings = postgres.settings({ secretId: `Green/Field-${owner}`, connection });
    const rotator = postgres.rotator();
    const candidate = await postgres.bringIn({ incumbent: undefined, versionId: 'v1', settings });
    expect(parsed(candidate)).toMatchObject({
      engine: 'postgres',
      host,
      port,
      dbname: 'postgres',
      username: `green_field_${owner}_a`,
    });
    const second = await postgres.bringIn({ incumbent: candidate, versionId: 'v2', settings });
    expect(usernameOf(second)).toBe(`green_field_${owner}_b`);
    const identity = usernameOf(candidate);
    const retirement = { settings, admin: postgres.admin, identity, versionId: 'v1' };
    expect(await rotator.retire({ ...retirement, value: undefined, survivor: second })).toMatchObject({
      refusedLogin: false,
    });
    expect(await rotator.probe(candidate, settings)).toBe('refused');
  });

  it('ends the open sessions of a retired role, and leaves them when told to', async () => {
    const rotator = postgres.rotator();
    const incumbent = await postgres.createLogin(name);
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    const session = await postgres.open(incumbent);
    const ended = new Promise((resolve) => session.once('end', resolve));
    const retirement = {
      admin: postgres.admin,
      identity: name,
      versionId: 'v0',
      value: incumbent,
      survivor: candidate,
    };
    expect(await rotator.retire({ ...retirement, settings: postgres.settings({ endSessions: false }) })).toMatchObject({
      endedSessions: 0,
    });
    expect((await session.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }]);
    expect(await rotator.retire({ ...retirement, settings: postgres.settings() })).toMatchObject({ endedSessions: 1 });
    await ended;
  });

  async function snapshot() {
    return postgres.sql(
      `SELECT r.rolname, r.rolcanlogin, r.rolpassword, r.rolconnlimit, r.rolvaliduntil, shobj_description(r.oid, 'pg_authid') AS comment,
              (SELECT array_agg(s.setdatabase || ':' || s.setconfig::text ORDER BY 1) FROM pg_db_role_setting s WHERE s.setrole = r.oid) AS settings,
              (SELECT array_agg(m.roleid::regrole::text || m.inherit_option || m.set_option || m.admin_option ORDER BY 1)
                 FROM pg_auth_members m WHERE m.member = r.oid) AS memberships
         FROM pg_authid r WHERE r.rolname LIKE $1 ORDER BY 1`,
      [`${name}%`],
    );
  }
});
