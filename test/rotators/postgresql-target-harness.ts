import { Client } from 'pg';
import { SecretText } from '../../shared/redact.ts';
import { postgresqlRotator } from '../../shared/rotators/postgresql/postgresql-rotator.ts';
import { slotsOf } from '../../shared/rotators/postgresql/role-names.ts';
import { inRealTime } from '../fakes/manual-clock.ts';
import { parsed, PostgresHarness } from './postgresql-harness.ts';
import type { Accounted, Adopted, KeptConnection, TargetHarness } from './target-harness.ts';

/** Nobody listens there: it takes root to. */
const CLOSED_PORT = 1;

interface LoginRole {
  readonly name: string;
  readonly canLogin: boolean;
  readonly verifier: string | null;
  readonly comment: string | null;
  readonly settings: string | null;
  readonly memberOf: string | null;
}

/** A real PostgreSQL for the shared suites: two roles in front of one that was made by hand. */
export async function openPostgresql(declared: Adopted['declared'] = {}): Promise<TargetHarness> {
  const postgres = await PostgresHarness.start();
  const rolesOf = ({ name }: Adopted) => readRoles(postgres, [name, ...slotsOf(name)]);
  return {
    type: 'postgresql',
    adopt: async (name) => ({ name, declared, incumbent: await postgres.createLogin(name), admin: postgres.admin }),
    rotator: (clock) => postgresqlRotator({ clock: inRealTime(clock) }),
    state: async (adopted) => JSON.stringify(await rolesOf(adopted)),
    unaccounted: async (adopted, accounted) => {
      const unknown: string[] = [];
      for (const { name, canLogin } of await rolesOf(adopted)) {
        if (canLogin && !(await explains(accounted, name))) unknown.push(`role ${name}`);
      }
      return unknown;
    },
    use: async (value) => {
      const connection = await connect(value);
      try {
        await connection.use();
      } finally {
        await connection.end();
      }
    },
    connect,
    obstruct: async (adopted) => {
      await postgres.createLogin(slotsOf(adopted.name)[0]);
      const before = JSON.stringify(await rolesOf(adopted));
      return { isUntouched: async () => JSON.stringify(await rolesOf(adopted)) === before };
    },
    unreachable: (value) => new SecretText(JSON.stringify({ ...parsed(value), port: CLOSED_PORT })),
    stop: () => postgres.stop(),
  };
}

/** A role has one password: whose value opens it, whose it is. */
async function explains(accounted: readonly Accounted[], name: string): Promise<boolean> {
  for (const { value } of accounted) {
    if (value === undefined || parsed(value).username !== name) continue;
    const connection = await connect(value).catch(() => undefined);
    await connection?.end();
    if (connection !== undefined) return true;
  }
  return false;
}

async function connect(value: SecretText): Promise<KeptConnection> {
  const { username, password, host, port, dbname } = parsed(value);
  const client = new Client({
    host: String(host),
    port: Number(port),
    database: String(dbname),
    user: username,
    password,
  });
  // Ended by the server: the next use says so.
  client.on('error', () => undefined);
  await client.connect();
  return {
    use: async () => void (await client.query('SELECT 1')),
    end: () => client.end().catch(() => undefined),
  };
}

async function readRoles(postgres: PostgresHarness, names: readonly string[]): Promise<readonly LoginRole[]> {
  return postgres.sql<LoginRole>(
    `SELECT rolname::text AS name, rolcanlogin AS "canLogin", md5(rolpassword) AS verifier,
            shobj_description(a.oid, 'pg_authid') AS comment,
            (SELECT string_agg(concat_ws(' ', setdatabase, setconfig), '; ' ORDER BY setdatabase)
               FROM pg_db_role_setting WHERE setrole = a.oid) AS settings,
            (SELECT string_agg(roleid::regrole::text, ', ' ORDER BY roleid)
               FROM pg_auth_members WHERE member = a.oid) AS "memberOf"
       FROM pg_authid a WHERE rolname::text = ANY ($1) ORDER BY 1`,
    [names],
  );
}
