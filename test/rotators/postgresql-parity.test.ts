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
      'a policy of row security',
      (n: number) =>
        `${withRowSecurity(n)}; CREATE POLICY p ON t${n} FOR INSERT TO app${n} WITH CHECK (true);
         CREATE POLICY q ON t${n} FOR SELECT TO team${n} USING (true)`,
      /row security of public\.t/,
    ],
    [
      'a policy that holds back rows of the owner role alone',
      (n: number) =>
        `${withRowSecurity(n)}; GRANT team${n} TO app${n} WITH INHERIT FALSE; GRANT SELECT ON t${n} TO app${n};
         CREATE POLICY p ON t${n} USING (true); CREATE POLICY q ON t${n} AS RESTRICTIVE TO team${n} USING (false)`,
      /row security of public\.t/,
    ],
    [
      'a policy that asks for the current user',
      (n: number) => `${withRowSecurity(n)}; CREATE POLICY p ON t${n} TO team${n} USING (current_user = 'x')`,
      /row security of public\.t/,
    ],
    [
      'the schema that has its name',
      (n: number) => `CREATE SCHEMA app${n}; GRANT USAGE ON SCHEMA app${n} TO app${n}, team${n}`,
      /search path public instead of app\d+, public/,
    ],
    [
      'an account at a foreign server',
      (n: number) =>
        `${withServer(n)}; CREATE USER MAPPING FOR app${n} SERVER far${n}; CREATE USER MAPPING FOR PUBLIC SERVER far${n}`,
      /user mapping of far/,
    ],
    [
      'a foreign data wrapper',
      (n: number) => `${withServer(n)}; GRANT USAGE ON FOREIGN DATA WRAPPER w${n} TO app${n}`,
      /foreign data wrapper w/,
    ],
    [
      'a parameter of its sessions',
      (n: number) => `GRANT SET ON PARAMETER log_min_duration_statement TO app${n}`,
      /parameter log_min_duration_statement/,
    ],
    [
      'a parameter of the server',
      (n: number) => `GRANT ALTER SYSTEM ON PARAMETER log_min_messages TO app${n}`,
      /parameter log_min_messages/,
    ],
    ['a tablespace', (n: number) => `GRANT CREATE ON TABLESPACE pg_default TO app${n}`, /tablespace pg_default/],
    [
      'a language',
      (n: number) => `REVOKE USAGE ON LANGUAGE plpgsql FROM public; GRANT USAGE ON LANGUAGE plpgsql TO app${n}`,
      /language plpgsql/,
    ],
    [
      'reading a large object',
      (n: number) => `SELECT lo_create(${n}); GRANT SELECT ON LARGE OBJECT ${n} TO app${n}`,
      /large object \d/,
    ],
    [
      'a large object of its own',
      (n: number) =>
        `SELECT lo_create(${n}); GRANT SELECT ON LARGE OBJECT ${n} TO team${n}; ALTER LARGE OBJECT ${n} OWNER TO app${n}`,
      /large object \d/,
    ],
    [
      'a role that it may give to others',
      (n: number) => `GRANT pg_monitor TO team${n}; GRANT pg_monitor TO app${n} WITH ADMIN OPTION`,
      /admin option on pg_monitor/,
    ],
    [
      'a column that it may share',
      (n: number) => `GRANT SELECT (x) ON t${n} TO app${n} WITH GRANT OPTION`,
      /column public\.t\d+\.x/,
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
    expect((fault as CandidateUnproven).safeMessage).toContain(`ALTER ROLE "${name}" SET role = 'team${owner}'`);
  });

  it('is proven by what the owner role has as well, or alone', async () => {
    const [app, team] = [name, `team${owner}`];
    const both = `${app}, ${team}`;
    await postgres.sql(
      `${withRowSecurity(owner)}; CREATE POLICY p ON t${owner} FOR SELECT TO ${app} USING (x = y);
       CREATE POLICY q ON t${owner} FOR SELECT TO ${team} USING (x = y); CREATE POLICY r ON t${owner} TO ${team} USING (true);
       CREATE POLICY s ON t${owner} AS RESTRICTIVE TO ${app} USING (true);
       CREATE TABLE other${owner} (x int); CREATE POLICY p ON other${owner} TO ${app} USING (true);
       CREATE TABLE none${owner} (x int); ALTER TABLE none${owner} ENABLE ROW LEVEL SECURITY;
       CREATE POLICY p ON none${owner} TO ${app} USING (true)`,
    );
    await postgres.sql(
      `${withServer(owner)}; CREATE USER MAPPING FOR ${app} SERVER far${owner}; CREATE USER MAPPING FOR ${team} SERVER far${owner};
       GRANT USAGE ON FOREIGN DATA WRAPPER w${owner} TO ${both}; GRANT SET ON PARAMETER log_min_duration_statement TO ${both};
       GRANT ALTER SYSTEM ON PARAMETER log_min_messages TO ${team}; GRANT CREATE ON TABLESPACE pg_default TO ${both};
       GRANT pg_monitor TO ${both} WITH ADMIN OPTION; SELECT lo_create(${owner}); GRANT ALL ON LARGE OBJECT ${owner} TO ${both}`,
    );
    await postgres.sql(
      `CREATE SCHEMA ${app}; GRANT USAGE ON SCHEMA ${app} TO ${both};
       ALTER ROLE ${app} SET search_path = "$user", '${app}', public; ALTER ROLE ${team}_a SET search_path = "$user", '${app}', public`,
    );
    expect(await postgres.rotator().test({ settings: settings(), candidate, incumbentIdentity: name })).toMatchObject({
      parity: expect.arrayContaining(['row security', 'search path']),
    });
  });

  it('is proven, and at no cost, once the incumbent acts as the owner role too', async () => {
    await postgres.sql(`${withRowSecurity(owner)}; CREATE POLICY p ON t${owner} TO ${name} USING (true)`);
    await postgres.sql(`ALTER ROLE "${name}" SET role = 'team${owner}'`);
    const from = (await postgres.log()).length;
    expect(await postgres.rotator().test({ settings: settings(), candidate, incumbentIdentity: name })).toMatchObject({
      healthy: 3,
    });
    expect(await postgres.log(from)).not.toContain('pg_policy');
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

function withRowSecurity(number: number): string {
  return `ALTER TABLE t${number} ENABLE ROW LEVEL SECURITY`;
}

function withServer(number: number): string {
  return `CREATE FOREIGN DATA WRAPPER w${number}; CREATE SERVER far${number} FOREIGN DATA WRAPPER w${number}`;
}

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
