import type { Session } from './connect.ts';

/** What the catalogue says of one role. */
export interface RoleFacts {
  readonly name: string;
  readonly canLogin: boolean;
  readonly superuser: boolean;
  readonly replication: boolean;
  readonly createDatabase: boolean;
  readonly createRole: boolean;
  readonly bypassRls: boolean;
  readonly connectionLimit: number;
  readonly expires: boolean;
  readonly comment: string | null;
  /** The role that its sessions become by `ALTER ROLE … SET role`, in this database or everywhere. */
  readonly setRole: string | null;
  readonly sessions: number;
  /** Whether the asking role may grant it: PostgreSQL 16 and later want that for every change. */
  readonly administered: boolean;
}

/** The role that asks, as it acts (after its own `SET role`), and its server. */
export interface AskerFacts {
  readonly currentUser: string;
  readonly sessionUser: string;
  readonly superuser: boolean;
  readonly createRole: boolean;
  readonly createDatabase: boolean;
  readonly bypassRls: boolean;
  readonly replication: boolean;
  readonly versionNumber: number;
  readonly version: string;
}

/** `ADMIN` over a role matters, and `GRANT … WITH INHERIT, SET` exists, from here on. */
export const VERSION_16 = 160_000;

/** Who `session` is, and on which server. */
export async function readAsker(session: Session): Promise<AskerFacts> {
  const rows = await session.query<AskerFacts>(
    'reading who is logged in',
    `SELECT current_user::text AS "currentUser", session_user::text AS "sessionUser", rolsuper AS superuser,
            rolcreaterole AS "createRole", rolcreatedb AS "createDatabase", rolbypassrls AS "bypassRls",
            rolreplication AS replication,
            current_setting('server_version_num')::int AS "versionNumber", current_setting('server_version') AS version
       FROM pg_catalog.pg_roles WHERE rolname = current_user`,
  );
  return rows[0] as AskerFacts;
}

/**
 * The roles among `names` that exist, by name. Needs no privilege. Sessions come from the function behind
 * `pg_stat_activity`: the view's two joins cost a fresh connection more than all the rest.
 */
export async function readRoles(session: Session, names: readonly string[]): Promise<ReadonlyMap<string, RoleFacts>> {
  const rows = await session.query<RoleFacts>(
    'reading the roles',
    `SELECT r.rolname::text AS name, r.rolcanlogin AS "canLogin", r.rolsuper AS superuser, r.rolreplication AS replication,
            r.rolcreatedb AS "createDatabase", r.rolcreaterole AS "createRole", r.rolbypassrls AS "bypassRls",
            r.rolconnlimit AS "connectionLimit",
            r.rolvaliduntil IS NOT NULL AND r.rolvaliduntil <> 'infinity' AS expires,
            pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
            ${setRoleOf('r.oid')} AS "setRole",
            (SELECT count(*)::int FROM pg_catalog.pg_stat_get_activity(NULL) a WHERE a.usesysid = r.oid) AS sessions,
            pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER WITH ADMIN OPTION') AS administered
       FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1::text[])`,
    [names],
  );
  return new Map(rows.map((row) => [row.name, row]));
}

/** Whether `member`, which must exist, is in `role`, directly or not. */
export async function isMember(session: Session, member: string, role: string): Promise<boolean> {
  const rows = await session.query<{ isMember: boolean }>(
    'reading a membership',
    `SELECT pg_catalog.pg_has_role($1::name, oid, 'MEMBER') AS "isMember" FROM pg_catalog.pg_roles WHERE rolname = $2`,
    [member, role],
  );
  return rows[0]?.isMember === true;
}

/** SQL: the `SET role` that holds for a role in this database; its own setting there goes before the general one. */
export function setRoleOf(oid: string): string {
  return `(SELECT substr(entry, length('role=') + 1)
             FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS entry
            WHERE s.setrole = ${oid} AND entry LIKE 'role=%'
              AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
            ORDER BY s.setdatabase DESC LIMIT 1)`;
}
