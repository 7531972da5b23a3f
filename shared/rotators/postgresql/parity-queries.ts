/** What PostgreSQL tells apart, by kind of object: https://www.postgresql.org/docs/18/ddl-priv.html */
const TABLE_PRIVILEGES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];
const VERSION_17 = 170_000;

/** `$1`, `$2`: oids of the incumbent's and the candidate's login. Their settings, but for the role that they become. */
export const SETTING_DIFFERENCES = `
    SELECT 'setting' AS kind, name FROM (
      SELECT setrole, setdatabase, split_part(entry, '=', 1) AS name, entry
        FROM pg_db_role_setting, unnest(setconfig) AS entry
       WHERE setrole IN ($1::oid, $2::oid) AND entry NOT LIKE 'role=%') AS settings
     GROUP BY setdatabase, name HAVING count(DISTINCT entry) <> 1 OR count(*) <> 2`;

/** The same two; what `ALTER ROLE` says of the logins themselves. */
export const LOGIN_ATTRIBUTE_DIFFERENCES = `
    SELECT 'login attribute' AS kind, name FROM pg_roles one, pg_roles two,
           LATERAL (VALUES ('replication', one.rolreplication <> two.rolreplication),
                           ('connection limit', one.rolconnlimit <> two.rolconnlimit)) AS attribute (name, differs)
     WHERE one.oid = $1::oid AND two.oid = $2::oid AND differs`;

/**
 * The same two; what each may do as itself (`SET ROLE NONE`). `isTheRole`: the incumbent's sessions act as that login, so
 * that a candidate which acts as it need not have itself what it has; more it must not have.
 */
export function loginPowerDifferences(isTheRole: boolean): string {
  const differs = (column: string) =>
    isTheRole ? `two.${column} AND NOT one.${column}` : `one.${column} <> two.${column}`;
  return `
    SELECT 'login attribute' AS kind, name FROM pg_roles one, pg_roles two,
           LATERAL (VALUES ('superuser', ${differs('rolsuper')}), ('createdb', ${differs('rolcreatedb')}),
                           ('createrole', ${differs('rolcreaterole')}), ('bypassrls', ${differs('rolbypassrls')})) AS attribute (name, differs)
     WHERE one.oid = $1::oid AND two.oid = $2::oid AND differs`;
}

/** The same two: roles that one may become, or act for, and the other not. `$3`: oids of roles that do not count. */
export function reachDifferences(hasSetOption: boolean): string {
  const reach = hasSetOption ? 'SET' : 'MEMBER';
  return `
    SELECT 'reachable role' AS kind, format('%I', r.rolname) AS name FROM pg_roles r
     WHERE r.oid NOT IN ($1::oid, $2::oid) AND r.oid <> ALL ($3::oid[])
       AND pg_has_role($1::oid, r.oid, '${reach}') <> pg_has_role($2::oid, r.oid, '${reach}')`;
}

/** `$1`, `$2`: oids of the roles that the incumbent's and the candidate's sessions act as. */
export function privilegeDifferences(versionNumber: number): string {
  const table = versionNumber >= VERSION_17 ? [...TABLE_PRIVILEGES, 'MAINTAIN'] : TABLE_PRIVILEGES;
  const relation = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`;
  // The server's own objects are everybody's alike, unless somebody granted or revoked.
  const isOrdinary = (acl: string) =>
    `(n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' OR ${acl} IS NOT NULL)`;
  return [
    ATTRIBUTES,
    `SELECT 'database', format('%I', d.datname) FROM pg_database d WHERE d.datname = current_database()
        AND ${differs({ kind: 'database', oid: 'd.oid', owner: 'd.datdba', privileges: ['CONNECT', 'CREATE', 'TEMPORARY'] })}`,
    `SELECT 'schema', format('%I', n.nspname) FROM pg_namespace n WHERE n.nspname !~ '^pg_(temp|toast)'
        AND ${differs({ kind: 'schema', oid: 'n.oid', owner: 'n.nspowner', privileges: ['USAGE', 'CREATE'] })}`,
    `SELECT 'table', format('%I.%I', n.nspname, c.relname) FROM ${relation}
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ${isOrdinary('c.relacl')}
        AND ${differs({ kind: 'table', oid: 'c.oid', owner: 'c.relowner', privileges: table })}`,
    `SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname) FROM ${relation}
       JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
        AND ROW(${columns('$1')}) IS DISTINCT FROM ROW(${columns('$2')})`,
    `SELECT 'sequence', format('%I.%I', n.nspname, c.relname) FROM ${relation} WHERE c.relkind = 'S' AND ${isOrdinary('c.relacl')}
        AND ${differs({ kind: 'sequence', oid: 'c.oid', owner: 'c.relowner', privileges: ['USAGE', 'SELECT', 'UPDATE'] })}`,
    `SELECT 'function', format('%I.%I', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE ${isOrdinary('p.proacl')}
        AND ${differs({ kind: 'function', oid: 'p.oid', owner: 'p.proowner', privileges: ['EXECUTE'] })}`,
    `SELECT 'type', format('%I.%I', n.nspname, t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE (t.typacl IS NOT NULL OR t.typtype IN ('e', 'd', 'r'))
        AND ${differs({ kind: 'type', oid: 't.oid', owner: 't.typowner', privileges: ['USAGE'] })}`,
    `SELECT 'foreign server', format('%I', s.srvname) FROM pg_foreign_server s
      WHERE ${differs({ kind: 'server', oid: 's.oid', owner: 's.srvowner', privileges: ['USAGE'] })}`,
    DEFAULT_PRIVILEGES,
    `SELECT 'membership', format('%I', r.rolname) FROM pg_roles r WHERE r.oid NOT IN ($1::oid, $2::oid)
        AND pg_has_role($1::oid, r.oid, 'USAGE') <> pg_has_role($2::oid, r.oid, 'USAGE')`,
  ].join('\nUNION ALL\n');
}

const ATTRIBUTES = `
    SELECT 'role attribute' AS kind, name FROM pg_roles one, pg_roles two,
           LATERAL (VALUES ('superuser', one.rolsuper <> two.rolsuper),
                           ('createdb', one.rolcreatedb <> two.rolcreatedb),
                           ('createrole', one.rolcreaterole <> two.rolcreaterole),
                           ('bypassrls', one.rolbypassrls <> two.rolbypassrls)) AS attribute (name, differs)
     WHERE one.oid = $1::oid AND two.oid = $2::oid AND differs`;

/** What objects made from now on give: by either role, and to either role by others. A role itself counts as "self". */
const DEFAULT_PRIVILEGES = `
    SELECT 'default privilege', concat_ws(' ', n.nspname, objects, privilege_type) FROM (
      SELECT side.number, d.defaclnamespace, d.defaclobjtype AS objects, a.privilege_type, a.is_grantable,
             CASE WHEN d.defaclrole = side.role THEN 0 ELSE d.defaclrole END AS maker,
             CASE WHEN d.defaclrole <> side.role OR a.grantee = side.role THEN NULL ELSE a.grantee END AS grantee
        FROM (VALUES (1, $1::oid), (2, $2::oid)) AS side (number, role), pg_default_acl d, aclexplode(d.defaclacl) AS a
       WHERE d.defaclrole = side.role
          OR (d.defaclrole NOT IN ($1::oid, $2::oid) AND a.grantee <> 0 AND pg_has_role(side.role, a.grantee, 'USAGE'))) AS given
      LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
     GROUP BY n.nspname, defaclnamespace, objects, privilege_type, is_grantable, maker, grantee
    HAVING count(DISTINCT number) = 1`;

function differs(object: {
  readonly kind: string;
  readonly oid: string;
  readonly owner: string;
  readonly privileges: readonly string[];
}): string {
  const { kind, oid, owner, privileges } = object;
  const grantable = privileges.map((privilege) => `${privilege} WITH GRANT OPTION`).join(', ');
  const held = (role: string) =>
    [...privileges, grantable]
      .map((privilege) => `has_${kind}_privilege(${role}::oid, ${oid}, '${privilege}')`)
      .join(', ');
  const row = (role: string) => `ROW(${held(role)}, pg_has_role(${role}::oid, ${owner}, 'USAGE'))`;
  return `${row('$1')} IS DISTINCT FROM ${row('$2')}`;
}

function columns(role: string): string {
  return ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']
    .flatMap((privilege) => [privilege, `${privilege} WITH GRANT OPTION`])
    .map((privilege) => `has_column_privilege(${role}::oid, c.oid, a.attnum, '${privilege}')`)
    .join(', ');
}
