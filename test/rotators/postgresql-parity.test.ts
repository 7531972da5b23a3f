import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CandidateUnproven } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { PostgresHarness } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let owner = 0;
let name: string;
let incumbent: SecretText;
let candidate: SecretText;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());
beforeEach(() => {
  owner += 1;
  name = `app${owner}`;
  postgres.onWait = async () => undefined;
  postgres.waits.length = 0;
});
afterEach(() => postgres.closeSessions());

const test = () => postgres.rotator().test({ settings: postgres.settings(), candidate, incumbentIdentity: name });

describe('a candidate in front of the same owner role', () => {
  beforeEach(async () => {
    incumbent = await postgres.createLogin(name);
    candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
  });

  it('is equal as installed', async () => {
    expect(await test()).toMatchObject({ healthy: 3, parity: expect.arrayContaining(['tables', 'role settings']) });
    expect(postgres.waits).toEqual([]);
  });

  it.each([
    ['another search path', (n: string) => `ALTER ROLE ${n}_a SET search_path = elsewhere`, /setting search_path/],
    [
      'a time limit of the incumbent',
      (n: string) => `ALTER ROLE ${n} SET statement_timeout = 1234`,
      /setting statement_timeout/,
    ],
    [
      'a limit in one database',
      (n: string) => `ALTER ROLE ${n} IN DATABASE postgres SET work_mem = '9MB'`,
      /setting work_mem/,
    ],
    ['a connection limit', (n: string) => `ALTER ROLE ${n}_a CONNECTION LIMIT 50`, /login attribute connection limit/],
    ['replication', (n: string) => `ALTER ROLE ${n} REPLICATION`, /login attribute replication/],
    ['databases of its own', (n: string) => `ALTER ROLE ${n}_a CREATEDB`, /login attribute createdb/],
    ['roles of its own', (n: string) => `ALTER ROLE ${n}_a CREATEROLE`, /login attribute createrole/],
    ['a way around row security', (n: string) => `ALTER ROLE ${n}_a BYPASSRLS`, /login attribute bypassrls/],
    [
      'a role that only the candidate may become',
      (n: string) => `GRANT pg_monitor TO ${n}_a`,
      /reachable role pg_monitor/,
    ],
  ])('is unproven by %s', async (_, statement, difference) => {
    await postgres.sql(statement(name));
    const fault = await test().catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(CandidateUnproven);
    expect((fault as CandidateUnproven).safeMessage).toMatch(difference);
    expect((fault as CandidateUnproven).safeMessage).not.toMatch(/1234|elsewhere/);
  });

  it.each([
    ['does not become the owner role', (n: string) => `ALTER ROLE ${n}_a RESET role`, /act as role/],
    ['may not become the owner role', (n: string) => `REVOKE ${n} FROM ${n}_a`, /act as role/],
    ['may not log in', (n: string) => `ALTER ROLE ${n}_a NOLOGIN`, /refuses its login/],
  ])('is unproven when it %s, after the pre-heat time', async (_, statement, reason) => {
    await postgres.sql(statement(name));
    await expect(test()).rejects.toThrow(reason);
    expect(postgres.waits).toEqual(Array.from({ length: 8 }, () => 250));
  });

  it('is retried until it is healthy as many times in a row as asked', async () => {
    await postgres.sql(`ALTER ROLE ${name}_a NOLOGIN`);
    postgres.onWait = async () => {
      if (postgres.waits.length === 3) await postgres.sql(`ALTER ROLE ${name}_a LOGIN`);
    };
    expect(await test()).toMatchObject({ healthy: 3 });
    expect(postgres.waits).toEqual([250, 250, 250]);
  });
});

describe('a candidate in front of another owner role than the incumbent acts as', () => {
  const settings = () => {
    const { host, port } = postgres.server;
    return postgres.settings({
      connection: { host, port, dbname: 'postgres', ownerRole: `team${owner}`, tls: 'prefer' },
    });
  };
  beforeEach(async () => {
    await postgres.sql(`CREATE ROLE team${owner}; GRANT CREATE, USAGE ON SCHEMA public TO team${owner}`);
    incumbent = await postgres.createLogin(name, `IN ROLE team${owner}`);
    await postgres.sql(
      `CREATE TABLE t${owner} (x int, y int); CREATE SEQUENCE s${owner}; GRANT ALL ON t${owner}, s${owner} TO team${owner}`,
    );
    await postgres.sql(
      `CREATE FUNCTION f${owner}() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION f${owner} FROM public`,
    );
    await postgres.sql(`GRANT EXECUTE ON FUNCTION f${owner} TO team${owner}`);
    candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings: settings() });
  });

  it.each([
    [
      'a table',
      (n: number) => `REVOKE TRUNCATE ON t${n} FROM team${n}; GRANT TRUNCATE ON t${n} TO app${n}`,
      /table public\.t/,
    ],
    [
      'a column',
      (n: number) => `CREATE TABLE c${n} (x int); GRANT SELECT (x) ON c${n} TO app${n}`,
      /column public\.c\d+\.x/,
    ],
    [
      'a sequence',
      (n: number) => `REVOKE UPDATE ON SEQUENCE s${n} FROM team${n}; GRANT UPDATE ON SEQUENCE s${n} TO app${n}`,
      /sequence/,
    ],
    [
      'a function',
      (n: number) => `REVOKE EXECUTE ON FUNCTION f${n} FROM team${n}; GRANT EXECUTE ON FUNCTION f${n} TO app${n}`,
      /function/,
    ],
    ['a schema', (n: number) => `CREATE SCHEMA "Sch ${n}"; GRANT USAGE ON SCHEMA "Sch ${n}" TO app${n}`, /schema "Sch/],
    ['a database right', (n: number) => `GRANT CREATE ON DATABASE postgres TO app${n}`, /database postgres/],
    ['ownership', (n: number) => `CREATE TABLE own${n} (); ALTER TABLE own${n} OWNER TO app${n}`, /table public\.own/],
    [
      'a type',
      (n: number) =>
        `CREATE TYPE e${n} AS ENUM (); REVOKE ALL ON TYPE e${n} FROM public; GRANT USAGE ON TYPE e${n} TO app${n}`,
      /type public\.e/,
    ],
    ['an attribute', (n: number) => `ALTER ROLE app${n} CREATEDB`, /role attribute createdb/],
    ['row level security', (n: number) => `ALTER ROLE app${n} BYPASSRLS`, /role attribute bypassrls/],
    ['a membership', (n: number) => `GRANT pg_read_all_data TO app${n}`, /membership pg_read_all_data/],
    [
      'default privileges',
      (n: number) => `ALTER DEFAULT PRIVILEGES FOR ROLE app${n} GRANT SELECT ON TABLES TO pg_monitor`,
      /default privilege/,
    ],
    [
      'more than the incumbent',
      (n: number) =>
        `CREATE TABLE m${n} (); GRANT SELECT ON m${n} TO team${n} WITH GRANT OPTION; REVOKE team${n} FROM app${n}`,
      /table public\.m/,
    ],
  ])('is unproven by %s', async (_, statement, difference) => {
    const input = { settings: settings(), candidate, incumbentIdentity: name };
    expect(await postgres.rotator().test(input)).toMatchObject({ healthy: 3 });
    await postgres.sql(statement(owner));
    const fault = await postgres
      .rotator()
      .test(input)
      .catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(CandidateUnproven);
    expect((fault as CandidateUnproven).safeMessage).toMatch(difference);
  });

  it('is compared over 500 tables by as many statements as over none', async () => {
    const statementsOfTest = async () => {
      const from = (await postgres.log()).length;
      await postgres.rotator().test({ settings: settings(), candidate, incumbentIdentity: name });
      return (await postgres.log(from)).match(/LOG: {2}(?:statement|execute)/g)?.length;
    };
    const before = await statementsOfTest();
    expect(before).toBeGreaterThan(0);
    await postgres.sql(
      `DO $$ BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE TABLE many_%s (id int); GRANT ALL ON many_%s TO team${owner}', i, i); END LOOP; END $$`,
    );
    expect(await statementsOfTest()).toBe(before);
  });
});

describe('what a login may do as itself', () => {
  const powers = (role: string) =>
    postgres.sql(
      `SELECT rolcreatedb AS "createDatabase", rolcreaterole AS "createRole", rolbypassrls AS "bypassRls"
         FROM pg_roles WHERE rolname = '${role}'`,
    );
  const NONE = { createDatabase: false, createRole: false, bypassRls: false };

  it('is not given twice where the incumbent is the owner role: the candidate has it by acting as that', async () => {
    incumbent = await postgres.createLogin(name, 'CREATEDB BYPASSRLS');
    candidate = await postgres.bringIn({ incumbent, versionId: 'v1' });
    expect(await powers(`${name}_a`)).toEqual([NONE]);
    await postgres.as(candidate, `CREATE DATABASE of_${name}`);
    expect(await test()).toMatchObject({ healthy: 3 });
  });

  it('is given to the candidate where the login has it beside its owner role, and taken from a role that comes back', async () => {
    incumbent = await postgres.createLogin(name, 'CREATEDB');
    await postgres.sql(`CREATE ROLE team_of_${name}; GRANT team_of_${name} TO ${name}`);
    await postgres.sql(`ALTER ROLE ${name} SET role = team_of_${name}`);
    const first = await postgres.bringIn({ incumbent, versionId: 'v1' });
    expect(await powers(`team_of_${name}_a`)).toEqual([{ ...NONE, createDatabase: true }]);
    await postgres.sql(`ALTER ROLE team_of_${name}_a NOCREATEDB`);
    await postgres.sql(`CREATE ROLE team_of_${name}_b NOLOGIN CREATEDB BYPASSRLS CREATEROLE`);
    await postgres.sql(`COMMENT ON ROLE team_of_${name}_b IS 'managed by Rekey for prod/app/db'`);
    const known = [{ identity: `team_of_${name}_b`, versionId: 'v0', state: 'retired' as const }];
    await postgres.bringIn({ incumbent: first, versionId: 'v2', known });
    expect(await powers(`team_of_${name}_b`)).toEqual([NONE]);
  });

  it('is said before anything is made where the administrator may not give it', async () => {
    incumbent = await postgres.createLogin(name, 'CREATEDB');
    const admin = await postgres.createLogin(`admin${owner}`, 'CREATEROLE');
    await postgres.sql(`CREATE ROLE team_of_${name}; GRANT team_of_${name} TO ${name}`);
    await postgres.sql(`GRANT ${name}, team_of_${name} TO admin${owner} WITH ADMIN OPTION`);
    await postgres.sql(`ALTER ROLE ${name} SET role = team_of_${name}`);
    const preflight = postgres
      .rotator()
      .preflight({ settings: postgres.settings(), admin, incumbent, versionId: 'v1', known: [] });
    await expect(preflight).rejects.toThrow(/has CREATEDB, which the administrator may not give/);
  });
});
