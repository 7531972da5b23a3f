import { readFile } from 'node:fs/promises';
import { escapeIdentifier } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CandidateUnproven, Misconfigured, SlotOccupied } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';
import * as fc from '../harness/properties.ts';
import { parsed, PostgresHarness, SECRET_ID, usernameOf } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let owner = 0;
let name: string;
let incumbent: SecretText;

const readOnly = (more: Partial<RotatorSettings> = {}) =>
  postgres.settings({ privileges: 'read_only', healthyThreshold: 1, ...more });

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres?.stop());
beforeEach(async () => {
  owner += 1;
  name = `app${owner}`;
  incumbent = await postgres.createLogin(name);
});
afterEach(() => postgres.closeSessions());

/** What the server says to each statement: `done`, or its SQLSTATE. */
async function answers(who: SecretText, statements: readonly string[]): Promise<readonly string[]> {
  const client = await postgres.open(who);
  const said: string[] = [];
  for (const statement of statements) {
    said.push(
      await client.query(statement).then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      ),
    );
  }
  return said;
}

async function unproven(candidate: SecretText, settings = readOnly()): Promise<string> {
  const error = await postgres
    .rotator()
    .test({ settings, candidate, incumbentIdentity: name })
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CandidateUnproven);
  return (error as CandidateUnproven).safeMessage;
}

const memberships = (roles: readonly string[]) =>
  postgres.sql<{ of: string; member: string }>(
    `SELECT roleid::regrole::text AS of, member::regrole::text AS member, grantor::regrole::text AS grantor,
            admin_option, inherit_option, set_option
       FROM pg_auth_members WHERE member::regrole::text = ANY ($1) ORDER BY 1, 2, 3`,
    [roles],
  );

/** Everything that grants anything to the read-only role. */
const grants = () =>
  postgres.sql(
    `SELECT 'class' AS kind, oid::regclass::text AS name, relacl::text AS acl FROM pg_class WHERE relacl::text LIKE $1
     UNION ALL SELECT 'schema', nspname, nspacl::text FROM pg_namespace WHERE nspacl::text LIKE $1
     UNION ALL SELECT 'column', attrelid::regclass || '.' || attname, attacl::text FROM pg_attribute WHERE attacl::text LIKE $1
     UNION ALL SELECT 'default', defaclobjtype::text, defaclacl::text FROM pg_default_acl WHERE defaclacl::text LIKE $1
     UNION ALL SELECT 'role', rolname, rolcanlogin || ' ' || shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $2
     ORDER BY 1, 2`,
    [`%${name}_ro=%`, `${name}_ro`],
  );

describe('a candidate that may only read', () => {
  it('has been refused a write also where its owner role has nothing to write to', async () => {
    const { host, port } = postgres.server;
    const settings = readOnly({
      secretId: `prod/empty${owner}`,
      connection: { host, port, dbname: 'postgres', tls: 'prefer' },
    });
    const rotator = postgres.rotator();
    const values = { settings, admin: postgres.admin, incumbent: undefined, versionId: 'v1' };
    const { candidate: identity } = await rotator.preflight({ ...values, known: [] });
    const candidate = rotator.propose({ ...values, candidate: identity });
    await rotator.install({ ...values, startedAt: postgres.nextStart(), candidate });
    const from = (await postgres.log()).length;
    const report = await rotator.test({ settings, candidate, incumbentIdentity: undefined });
    expect(report.parity).toContain('refused writes');
    expect((await postgres.log(from)).match(/ERROR: {2}permission denied/g)).toHaveLength(1);
    await rotator.release();
  });

  /** Things of the owner role, and things of others that it may read. */
  const objects = (n: string) => `
    CREATE SCHEMA "S ${n}" AUTHORIZATION ${n};
    CREATE SCHEMA hidden_${n};
    CREATE TABLE public.${n}_t (id int GENERATED ALWAYS AS IDENTITY, x int, twice int GENERATED ALWAYS AS (x * 2) STORED);
    CREATE TABLE "S ${n}"."a ""table""" (x int) PARTITION BY LIST (x);
    CREATE TABLE "S ${n}".part PARTITION OF "S ${n}"."a ""table""" DEFAULT;
    CREATE SEQUENCE "S ${n}".numbers;
    CREATE VIEW "S ${n}".sight AS SELECT 1 AS one;
    CREATE MATERIALIZED VIEW "S ${n}".stored AS SELECT 1 AS one;
    CREATE TABLE hidden_${n}.secret (x int);
    CREATE TABLE public.${n}_shared (x int);
    CREATE TABLE public.${n}_columns (seen int, "also seen" int, unseen int);
    CREATE TABLE public.${n}_foreign (x int);
    ALTER TABLE public.${n}_t OWNER TO ${n};
    ALTER TABLE "S ${n}"."a ""table""" OWNER TO ${n}; ALTER TABLE "S ${n}".part OWNER TO ${n};
    ALTER SEQUENCE "S ${n}".numbers OWNER TO ${n}; ALTER VIEW "S ${n}".sight OWNER TO ${n};
    ALTER MATERIALIZED VIEW "S ${n}".stored OWNER TO ${n};
    GRANT SELECT ON hidden_${n}.secret TO ${n};
    GRANT SELECT, INSERT ON public.${n}_shared TO ${n};
    GRANT SELECT (seen, "also seen") ON public.${n}_columns TO ${n};`;
  const reads = (n: string) => [
    `SELECT * FROM public.${n}_t`,
    `SELECT * FROM "S ${n}"."a ""table"""`,
    `SELECT * FROM "S ${n}".part`,
    `SELECT last_value FROM "S ${n}".numbers`,
    `SELECT * FROM "S ${n}".sight`,
    `SELECT * FROM "S ${n}".stored`,
    `SELECT * FROM public.${n}_shared`,
    `SELECT seen, "also seen" FROM public.${n}_columns`,
  ];
  const refused = (n: string) => [
    `SELECT * FROM hidden_${n}.secret`,
    `SELECT unseen FROM public.${n}_columns`,
    `SELECT * FROM public.${n}_foreign`,
    `INSERT INTO public.${n}_t (x) VALUES (1)`,
    `UPDATE public.${n}_t SET x = 1`,
    `DELETE FROM public.${n}_t`,
    `TRUNCATE public.${n}_t`,
    `INSERT INTO public.${n}_shared VALUES (1)`,
    `SELECT nextval('"S ${n}".numbers')`,
    `SELECT setval('"S ${n}".numbers', 7)`,
    `REFRESH MATERIALIZED VIEW "S ${n}".stored`,
    `CREATE TABLE public.${n}_new ()`,
    `CREATE TABLE "S ${n}".new ()`,
    `CREATE SCHEMA new_${n}`,
    `CREATE ROLE new_${n}`,
    `DROP TABLE public.${n}_t`,
    `ALTER TABLE public.${n}_t ADD COLUMN y int`,
    `SET ROLE ${n}`,
    `SET SESSION AUTHORIZATION ${n}`,
  ];

  it('reads all that its owner role reads, and what that makes later; everything else is refused', async () => {
    await postgres.sql(objects(name));
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings: readOnly() });
    expect(usernameOf(candidate)).toBe(`${name}_a`);
    expect(await answers(candidate, reads(name))).toEqual(reads(name).map(() => 'done'));
    expect(new Set(await answers(candidate, refused(name)))).toEqual(new Set(['42501']));
    await postgres.sql(
      `GRANT CREATE ON DATABASE postgres TO ${name}; SET ROLE ${name}; CREATE SCHEMA later_${name}; CREATE TABLE later_${name}.t ()`,
    );
    await postgres.as(incumbent, `CREATE TABLE public.${name}_later (x int); CREATE SEQUENCE public.${name}_counts`);
    expect(
      await answers(candidate, [
        `SELECT * FROM later_${name}.t`,
        `SELECT * FROM public.${name}_later`,
        `SELECT last_value FROM public.${name}_counts`,
        `INSERT INTO public.${name}_later VALUES (1)`,
      ]),
    ).toEqual(['done', 'done', 'done', '42501']);
    expect(await memberships([`${name}_a`, `${name}_ro`])).toEqual([
      expect.objectContaining({ of: `${name}_ro`, member: `${name}_a`, inherit_option: true, set_option: true }),
    ]);
  });

  it('is proved by what it reads and by writes that the server refuses', async () => {
    await postgres.sql(objects(name));
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings: readOnly() });
    const rotator = postgres.rotator();
    const report = await rotator.test({ settings: readOnly(), candidate, incumbentIdentity: name });
    expect(report).toMatchObject({ healthy: 1, parity: expect.arrayContaining(['readable tables', 'refused writes']) });
    await rotator.release();
    const log = await readFile(postgres.server.logFile, 'utf8');
    expect(log).toContain(`INSERT INTO public.${name}_t (x) SELECT x FROM public.${name}_t WHERE false`);
    expect(log).toContain(`CREATE TABLE "S ${name}".rekey_may_not_make_this ()`);
  });

  it('is installed twice with one effect, and renewed by every rotation', async () => {
    await postgres.sql(objects(name));
    const rotator = postgres.rotator();
    const values = {
      settings: readOnly(),
      admin: postgres.admin,
      incumbent,
      versionId: 'v1',
      startedAt: postgres.nextStart(),
    };
    const preflight = await rotator.preflight({ ...values, known: [] });
    expect(preflight.facts).toMatchObject({ owner_role: name, read_only_role: `${name}_ro` });
    const candidate = rotator.propose({ ...values, candidate: preflight.candidate });
    await rotator.install({ ...values, candidate });
    const before = await grants();
    expect(before.length).toBeGreaterThan(8);
    await rotator.install({ ...values, candidate });
    expect(await grants()).toEqual(before);
    await rotator.release();
    await postgres.sql(`REVOKE ALL ON public.${name}_t, public.${name}_shared FROM ${name}_ro`);
    await postgres.sql(`ALTER DEFAULT PRIVILEGES FOR ROLE ${name} REVOKE ALL ON TABLES FROM ${name}_ro`);
    await postgres.sql(`CREATE TABLE public.${name}_new (x int); GRANT SELECT ON public.${name}_new TO ${name}`);
    expect(await unproven(candidate)).toMatch(
      new RegExp(`table public\\.${name}_new, table public\\.${name}_shared, table public\\.${name}_t`),
    );
    const second = await postgres.bringIn({ incumbent: candidate, versionId: 'v2', settings: readOnly() });
    expect(usernameOf(second)).toBe(`${name}_b`);
    expect(await answers(second, [...reads(name), `SELECT * FROM public.${name}_new`])).not.toContain('42501');
    expect(await grants()).toEqual(expect.arrayContaining(before));
  });

  it('is retired like any other; the next one takes its place', async () => {
    const known: KnownCredential[] = [{ identity: name, versionId: 'v0', state: 'retired' }];
    let current = incumbent;
    for (const versionId of ['v1', 'v2', 'v3']) {
      const candidate = await postgres.bringIn({ incumbent: current, versionId, known, settings: readOnly() });
      const identity = usernameOf(current);
      const work = { settings: readOnly(), admin: postgres.admin, identity, versionId: known.at(-1)?.versionId ?? '' };
      const report = await postgres.rotator().retire({ ...work, value: current, survivor: candidate });
      expect(report).toMatchObject({ refusedLogin: true });
      expect(await postgres.rotator().probe(current, readOnly())).toBe('refused');
      known.push({ identity: usernameOf(candidate), versionId, state: 'retired' });
      current = candidate;
    }
  });

  it('has no replication, which reads everything', async () => {
    await postgres.sql(`ALTER ROLE ${name} REPLICATION CONNECTION LIMIT 7`);
    await postgres.bringIn({ incumbent, versionId: 'v1', settings: readOnly() });
    const [role] = await postgres.sql(`SELECT rolreplication, rolconnlimit FROM pg_roles WHERE rolname = '${name}_a'`);
    expect(role).toEqual({ rolreplication: false, rolconnlimit: 7 });
  });

  it('of a secret without a value reads what its new owner role makes', async () => {
    const { host, port } = postgres.server;
    const connection = { host, port, dbname: 'postgres', tls: 'prefer' as const };
    const settings = readOnly({ secretId: `prod/fresh${owner}`, connection });
    const candidate = await postgres.bringIn({ incumbent: undefined, versionId: 'v1', settings });
    expect(usernameOf(candidate)).toBe(`prod_fresh${owner}_a`);
    await postgres.sql(
      `GRANT CREATE ON SCHEMA public TO prod_fresh${owner}; SET ROLE prod_fresh${owner}; CREATE TABLE public.fresh${owner} (x int)`,
    );
    const statements = [`SELECT * FROM public.fresh${owner}`, `INSERT INTO public.fresh${owner} VALUES (1)`];
    expect(await answers(candidate, statements)).toEqual(['done', '42501']);
    // With the owner role declared, the role to act as is known without the server's word.
    const declared = { ...settings, connection: { ...connection, ownerRole: `prod_fresh${owner}` } };
    await postgres.rotator().test({ settings: declared, candidate, incumbentIdentity: undefined });
    await postgres.sql(`ALTER ROLE prod_fresh${owner}_a RESET role`);
    expect(
      await postgres.rotator().test({ settings: declared, candidate, incumbentIdentity: undefined }).catch(String),
    ).toMatch(new RegExp(`not as "prod_fresh${owner}_ro"`));
  });
});

describe('a secret whose privileges change', () => {
  it('gets each kind of candidate at the next rotation, with exactly what that kind needs', async () => {
    await postgres.as(incumbent, `CREATE TABLE ${name}_t (x int)`);
    const known: KnownCredential[] = [{ identity: name, versionId: 'v0', state: 'retired' }];
    let current = incumbent;
    const write = `INSERT INTO ${name}_t VALUES (1)`;
    for (const [index, privileges] of (
      ['same', 'read_only', 'same', 'read_only', 'read_only', 'same'] as const
    ).entries()) {
      const versionId = `v${index + 1}`;
      const settings = postgres.settings({ privileges });
      const candidate = await postgres.bringIn({ incumbent: current, versionId, known, settings });
      const login = usernameOf(candidate);
      expect(login).toBe(`${name}_${index % 2 === 0 ? 'a' : 'b'}`);
      const role = privileges === 'same' ? name : `${name}_ro`;
      expect(await memberships([login]), versionId).toEqual([expect.objectContaining({ of: role })]);
      expect(await postgres.as(candidate, 'SELECT current_user::text AS role')).toEqual([{ role }]);
      expect(await answers(candidate, [`SELECT * FROM ${name}_t`, write])).toEqual([
        'done',
        privileges === 'same' ? 'done' : '42501',
      ]);
      const identity = usernameOf(current);
      const work = { settings, admin: postgres.admin, identity, versionId: known.at(-1)?.versionId ?? '' };
      await postgres.rotator().retire({ ...work, value: current, survivor: candidate });
      known.push({ identity: login, versionId, state: 'retired' });
      current = candidate;
    }
  });

  it('leaves also a membership that somebody else has granted', async () => {
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings: readOnly() });
    const admin = await postgres.createLogin(`other${owner}`, 'CREATEROLE');
    await postgres.sql(`GRANT ${name} TO other${owner} WITH ADMIN OPTION`);
    await postgres.sql(`CREATE ROLE ${name}_b; COMMENT ON ROLE ${name}_b IS 'managed by Rekey for ${SECRET_ID}'`);
    await postgres.as(admin, `GRANT ${name} TO ${name}_b`);
    await postgres.sql(`GRANT ${name} TO ${name}_b`);
    expect(await memberships([`${name}_b`])).toHaveLength(2);
    const known: KnownCredential[] = [{ identity: `${name}_b`, versionId: 'v0', state: 'retired' }];
    await postgres.bringIn({ incumbent: candidate, versionId: 'v2', known, settings: readOnly() });
    expect(await memberships([`${name}_b`])).toEqual([expect.objectContaining({ of: `${name}_ro` })]);
  });

  it('is not fooled by a candidate of the other kind', async () => {
    const writer = await postgres.bringIn({ incumbent, versionId: 'v1' });
    expect(await unproven(writer)).toMatch(/not the read-only role of this secret/);
    const known: KnownCredential[] = [{ identity: `${name}_a`, versionId: 'v1', state: 'current' }];
    const reader = await postgres.bringIn({ incumbent: writer, versionId: 'v2', known, settings: readOnly() });
    await postgres.as(incumbent, `CREATE TABLE ${name}_t (x int)`);
    expect(await unproven(reader, postgres.settings())).toMatch(/reachable role|table/);
  });
});

describe('a read-only candidate is unproven', () => {
  let candidate: SecretText;
  beforeEach(async () => {
    await postgres.sql(`CREATE ROLE team${owner}; CREATE TABLE public.team${owner} (x int, y int)`);
    await postgres.sql(`GRANT SELECT ON public.team${owner} TO ${name}`);
    await postgres.as(incumbent, `CREATE TABLE ${name}_t (x int, y int); CREATE SEQUENCE ${name}_s`);
    candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings: readOnly() });
  });

  it.each([
    [
      'a table less',
      (n: string) => `REVOKE SELECT ON ${n}_t FROM ${n}_ro`,
      /reads something else .*: table public\.app\d+_t\./,
    ],
    ['a table more', (n: string) => `CREATE TABLE x_${n} (); GRANT SELECT ON x_${n} TO ${n}_ro`, /table public\.x_app/],
    ['a sequence less', (n: string) => `REVOKE SELECT ON ${n}_s FROM ${n}_ro`, /sequence public\.app\d+_s/],
    [
      'a column less',
      (n: string) => `CREATE TABLE x_${n} (x int); GRANT SELECT (x) ON x_${n} TO ${n}`,
      /column public\.x_app\d+\.x/,
    ],
    ['a schema less', (n: string) => `CREATE SCHEMA x_${n}; GRANT USAGE ON SCHEMA x_${n} TO ${n}`, /schema x_app/],
    [
      'a table in a schema that it may not use',
      (n: string) =>
        `CREATE SCHEMA x_${n}; CREATE TABLE x_${n}.t (); GRANT USAGE ON SCHEMA x_${n} TO ${n}; GRANT SELECT ON x_${n}.t TO ${n}, ${n}_ro`,
      /table x_app\d+\.t/,
    ],
    [
      'row security that its owner passes',
      (n: string) => `ALTER TABLE ${n}_t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ${n}_t USING (true)`,
      /row security of public\.app\d+_t/,
    ],
    [
      'policies that are not for it',
      (n: string) =>
        `ALTER TABLE ${n}_t ENABLE ROW LEVEL SECURITY; ALTER TABLE ${n}_t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON ${n}_t TO ${n} USING (true)`,
      /row security of public\.app\d+_t/,
    ],
    [
      'no account at a foreign server',
      (n: string) =>
        `CREATE FOREIGN DATA WRAPPER w_${n}; CREATE SERVER s_${n} FOREIGN DATA WRAPPER w_${n}; CREATE FOREIGN TABLE f_${n} () SERVER s_${n};
         GRANT SELECT ON f_${n} TO ${n}, ${n}_ro; CREATE USER MAPPING FOR ${n} SERVER s_${n}`,
      /user mapping of s_app/,
    ],
    [
      'another search path',
      (n: string) => `ALTER ROLE ${n}_a SET search_path = elsewhere`,
      /differ in: setting search_path/,
    ],
    [
      'a connection limit',
      (n: string) => `ALTER ROLE ${n}_a CONNECTION LIMIT 5`,
      /differ in: login attribute connection limit/,
    ],
    [
      'a right to insert',
      (n: string) => `GRANT INSERT ON ${n}_t TO ${n}_ro`,
      /more than read: writing to public\.app\d+_t/,
    ],
    [
      'a right to update a column',
      (n: string) => `GRANT UPDATE (x) ON ${n}_t TO ${n}_ro`,
      /writing to public\.app\d+_t/,
    ],
    [
      'a right of everybody to delete',
      (n: string) => `GRANT DELETE ON public.team${n.slice(3)} TO PUBLIC`,
      /writing to public\.team/,
    ],
    [
      'a right to draw numbers',
      (n: string) => `GRANT USAGE ON SEQUENCE ${n}_s TO ${n}_ro`,
      /writing to public\.app\d+_s/,
    ],
    ['a right to maintain', (n: string) => `GRANT MAINTAIN ON ${n}_t TO ${n}_ro`, /writing to public\.app\d+_t/],
    [
      'a right of its login, to which sessions may go back',
      (n: string) => `GRANT INSERT ON ${n}_t TO ${n}_a`,
      /writing to public\.app\d+_t/,
    ],
    [
      'a thing that its login has made before',
      (n: string) =>
        `CREATE TABLE x_${n} (); GRANT SELECT ON x_${n} TO ${n}, ${n}_ro; ALTER TABLE x_${n} OWNER TO ${n}_a`,
      /writing to public\.x_app/,
    ],
    [
      'a table more of its login',
      (n: string) => `CREATE TABLE x_${n} (); GRANT SELECT ON x_${n} TO ${n}_a`,
      /reads something else .*table public\.x_app/,
    ],
    [
      'a right to create in a schema',
      (n: string) => `CREATE SCHEMA x_${n}; GRANT ALL ON SCHEMA x_${n} TO ${n}, ${n}_ro`,
      /CREATE on schema x_app/,
    ],
    [
      'a right to create schemas',
      (n: string) => `GRANT CREATE ON DATABASE postgres TO ${n}_ro`,
      /CREATE on database postgres/,
    ],
    ['a further membership', (n: string) => `GRANT team${n.slice(3)} TO ${n}_a`, /membership in team/],
    ['a membership of its role', (n: string) => `GRANT team${n.slice(3)} TO ${n}_ro`, /membership in team/],
    ['the membership in the owner role', (n: string) => `GRANT ${n} TO ${n}_a`, /membership in app/],
    ['an attribute', (n: string) => `ALTER ROLE ${n}_ro CREATEDB`, /role attribute createdb/],
    ['an attribute of its login', (n: string) => `ALTER ROLE ${n}_a BYPASSRLS`, /role attribute bypassrls/],
    ['a mark that is gone', (n: string) => `COMMENT ON ROLE ${n}_ro IS NULL`, /not the read-only role of this secret/],
  ])('by %s', async (_, statement, text) => {
    await postgres.sql(statement(name));
    expect(await unproven(candidate)).toMatch(text);
    await postgres.sql(`REVOKE ALL ON public.team${owner} FROM PUBLIC`);
  });

  it('by a schema in which everybody may create', async () => {
    await postgres.sql('GRANT CREATE ON SCHEMA public TO PUBLIC');
    try {
      expect(await unproven(candidate)).toMatch(/more than read: CREATE on schema public/);
    } finally {
      await postgres.sql('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    }
  });

  it('by a server that does not say why it does not do it', async () => {
    await postgres.sql(
      `CREATE FUNCTION no${owner}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a-leaked-value'; END $$`,
    );
    await postgres.sql(
      `CREATE EVENT TRIGGER no${owner} ON ddl_command_start WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION no${owner}()`,
    );
    try {
      const text = await unproven(candidate);
      expect(text).toMatch(/refused CREATE TABLE in public cannot be seen: the server answers SQLSTATE P0001/);
    } finally {
      await postgres.sql(`DROP EVENT TRIGGER no${owner}`);
    }
  });

  it('not by row security that names its role, nor by policies for everybody where its owner has them too', async () => {
    await postgres.sql(
      `ALTER TABLE ${name}_t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ${name}_t FOR SELECT TO ${name}_ro USING (x > 0);
       ALTER TABLE team${owner} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON team${owner} USING (true)`,
    );
    expect(await postgres.rotator().test({ settings: readOnly(), candidate, incumbentIdentity: name })).toMatchObject({
      healthy: 1,
    });
  });
});

describe('an administrator who is no superuser', () => {
  let admin: SecretText;
  beforeEach(async () => {
    admin = await postgres.createLogin(`admin${owner}`, 'CREATEROLE');
    await postgres.sql(`GRANT ${name} TO admin${owner} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE`);
    await postgres.as(incumbent, `CREATE TABLE ${name}_t (x int)`);
  });

  it.each([
    ['may not become the owner role', () => ''],
    ['has given itself a part of it', () => `GRANT ${name} TO CURRENT_USER WITH INHERIT TRUE, SET FALSE`],
    ['may become the owner role', () => `GRANT ${name} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE`],
  ])('and %s grants as that role, and is what it was afterwards', async (_, first) => {
    await postgres.as(admin, first());
    const before = await memberships([`admin${owner}`]);
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', admin, settings: readOnly() });
    expect(await answers(candidate, [`SELECT * FROM ${name}_t`, `INSERT INTO ${name}_t VALUES (1)`])).toEqual([
      'done',
      '42501',
    ]);
    await postgres.as(incumbent, `CREATE TABLE ${name}_later (x int)`);
    expect(await answers(candidate, [`SELECT * FROM ${name}_later`])).toEqual(['done']);
    const after = await memberships([`admin${owner}`]);
    expect(after.filter(({ of }) => of === name)).toEqual(before);
    const next = await postgres.bringIn({ incumbent: candidate, versionId: 'v2', admin });
    expect(await answers(next, [`INSERT INTO ${name}_t VALUES (1)`])).toEqual(['done']);
  });

  it('is told before anything happens which grants somebody else must give; with them it goes on', async () => {
    await postgres.sql(
      `CREATE SCHEMA "of others ${owner}"; CREATE TABLE "of others ${owner}".t (x int, y int); CREATE TABLE "of others ${owner}".c (x int, y int);
       GRANT USAGE ON SCHEMA "of others ${owner}" TO ${name}; GRANT SELECT ON "of others ${owner}".t TO ${name};
       GRANT SELECT (y) ON "of others ${owner}".c TO ${name}`,
    );
    const roles = () => postgres.sql(`SELECT rolname FROM pg_roles WHERE rolname LIKE '${name}%' ORDER BY 1`);
    const before = await roles();
    const rotator = postgres.rotator();
    const values = { settings: readOnly(), admin, incumbent, versionId: 'v1' };
    const error = await rotator.preflight({ ...values, known: [] }).catch((reason: unknown) => reason);
    await rotator.release();
    expect(error).toBeInstanceOf(Misconfigured);
    const { safeMessage } = error as Misconfigured;
    const statements = [
      `GRANT USAGE ON SCHEMA "of others ${owner}" TO "${name}" WITH GRANT OPTION`,
      `GRANT SELECT ON TABLE "of others ${owner}".t TO "${name}" WITH GRANT OPTION`,
      `GRANT SELECT (y) ON TABLE "of others ${owner}".c TO "${name}" WITH GRANT OPTION`,
    ];
    for (const statement of statements) expect(safeMessage).toContain(statement);
    expect(await roles()).toEqual(before);
    for (const statement of statements) await postgres.sql(statement);
    const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', admin, settings: readOnly() });
    const reads = [
      `SELECT x FROM "of others ${owner}".t`,
      `SELECT y FROM "of others ${owner}".c`,
      `SELECT x FROM "of others ${owner}".c`,
    ];
    expect(await answers(candidate, reads)).toEqual(['done', 'done', '42501']);
  });
});

describe('the read-only role', () => {
  it('of others that has the name is left alone', async () => {
    await postgres.sql(
      `CREATE ROLE ${name}_ro LOGIN PASSWORD 'theirs'; COMMENT ON ROLE ${name}_ro IS 'managed by Rekey for other'`,
    );
    const before = await grants();
    const rotator = postgres.rotator();
    const values = { settings: readOnly(), admin: postgres.admin, incumbent, versionId: 'v1' };
    await expect(rotator.preflight({ ...values, known: [] })).rejects.toBeInstanceOf(SlotOccupied);
    const candidate = postgres.secret({ ...parsed(incumbent), username: `${name}_a`, password: 'x'.repeat(32) });
    const install = rotator.install({ ...values, candidate, startedAt: postgres.nextStart() });
    await expect(install).rejects.toBeInstanceOf(SlotOccupied);
    await rotator.release();
    expect(await grants()).toEqual(before);
    // With the same privileges nobody needs it.
    await postgres.bringIn({ incumbent, versionId: 'v1' });
  });

  it('is not made in single_role mode', async () => {
    const rotator = postgres.rotator('single_role');
    const settings = readOnly({ mode: 'single_role' });
    const values = { settings, admin: postgres.admin, incumbent, versionId: 'v1', known: [] };
    await expect(rotator.preflight(values)).rejects.toThrow(/read_only needs mode two_roles/);
    await expect(rotator.preflight(values)).rejects.toBeInstanceOf(Misconfigured);
  });

  it('fits into 63 bytes, and reads whatever names objects have', async () => {
    const piece = fc.constantFrom(
      '"',
      "'",
      ';',
      '--',
      '%I',
      '%s',
      '$1',
      '\\',
      ' ',
      '.',
      '(',
      'é',
      '\u{1f600}',
      '\n',
      'A',
      'b',
      '_',
    );
    const identifier = fc.string({ unit: piece, minLength: 1, maxLength: 14 });
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(identifier, identifier, identifier, async (schema, table, column) => {
        turn += 1;
        let role = `${owner}x${turn}`;
        for (const character of `${schema}${'ü'.repeat(32)}`) {
          if (Buffer.byteLength(role + character) <= 63) role += character;
        }
        const login = await postgres.createLogin(role);
        const place = escapeIdentifier(`${schema}${owner}${turn}`);
        const [who, relation, field] = [role, table, column].map(escapeIdentifier);
        await postgres.sql(
          `CREATE SCHEMA ${place} AUTHORIZATION ${who}; CREATE TABLE ${place}.${relation} (${field} int, hidden int);
           CREATE TABLE ${place}.own (${field} int); ALTER TABLE ${place}.own OWNER TO ${who};
           GRANT SELECT (${field}) ON ${place}.${relation} TO ${who}`,
        );
        const settings = readOnly({ secretId: `prod/${owner}/${turn}` });
        const candidate = await postgres.bringIn({ incumbent: login, versionId: 'v1', settings });
        const [session] = await postgres.as<{ acts: string }>(candidate, 'SELECT current_user::text AS acts');
        const acts = session?.acts ?? '';
        expect(Buffer.byteLength(acts)).toBeLessThanOrEqual(63);
        expect(acts).toMatch(/_ro$/);
        expect(
          await answers(candidate, [
            `SELECT ${field} FROM ${place}.${relation}`,
            `SELECT ${field} FROM ${place}.own`,
            `SELECT hidden FROM ${place}.${relation}`,
            `INSERT INTO ${place}.own VALUES (1)`,
          ]),
        ).toEqual(['done', 'done', '42501', '42501']);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });
});
