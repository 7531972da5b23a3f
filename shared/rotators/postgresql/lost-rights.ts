import { policyApplies, rowSecurityHolds } from './read-only-queries.ts';

const VERSION_15 = 150_000;

/**
 * `$1`, `$2`: oids of the roles that the incumbent's and the candidate's sessions act as, which are two. What only the
 * first has, or finds otherwise; what only the second has is no fault.
 */
export function lostRights(versionNumber: number): readonly string[] {
  return [
    ROW_SECURITY,
    SEARCH_PATH,
    USER_MAPPINGS,
    `SELECT 'tablespace', format('%I', t.spcname) FROM pg_tablespace t WHERE ${lost('tablespace', 't.oid', 'CREATE')}`,
    `SELECT 'language', format('%I', l.lanname) FROM pg_language l WHERE ${lost('language', 'l.oid', 'USAGE')}`,
    `SELECT 'foreign data wrapper', format('%I', w.fdwname) FROM pg_foreign_data_wrapper w
      WHERE ${lost('foreign_data_wrapper', 'w.oid', 'USAGE')}`,
    LARGE_OBJECTS,
    ADMIN_OPTIONS,
    ...(versionNumber < VERSION_15 ? [] : [PARAMETERS]),
  ];
}

function lost(kind: string, object: string, privilege: string): string {
  const has = (role: string) => `has_${kind}_privilege(${role}::oid, ${object}, '${privilege}')`;
  return `${has('$1')} AND NOT ${has('$2')}`;
}

/** How PostgreSQL writes what asks who the current user is, in an expression that it has stored. */
const CURRENT_USER = String.raw`\m(CURRENT_USER|CURRENT_ROLE|USER)\M`;

/**
 * Policies that let rows through for the first alone, hold rows back from the second alone, or ask who the current user
 * is. Another policy for the same commands that names the second says that somebody has thought of it.
 */
const ROW_SECURITY = `
    SELECT DISTINCT 'row security of', format('%I.%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_policy p ON p.polrelid = c.oid
     WHERE c.relrowsecurity AND ${rowSecurityHolds('$2')}
       AND (has_any_column_privilege($1::oid, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege($1::oid, c.oid, 'DELETE'))
       AND (${policyApplies('$1')} <> ${policyApplies('$2')} AND ${policyApplies('$1')} = p.polpermissive
         OR ${policyApplies('$1')} AND concat(pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)) ~ '${CURRENT_USER}')
       AND NOT EXISTS (SELECT FROM pg_policy own WHERE own.polrelid = c.oid AND own.oid <> p.oid AND own.polcmd = p.polcmd
                          AND own.polpermissive = p.polpermissive AND $2::oid = ANY (own.polroles))`;

/** The schemas, in their order, that a name without a schema is looked for in: `"$user"` is the name of the role. */
const SEARCH_PATH = `
    SELECT 'search path', format('%s instead of %s', COALESCE(max(found) FILTER (WHERE number = 2), 'nothing'),
                                 COALESCE(max(found) FILTER (WHERE number = 1), 'nothing'))
      FROM (SELECT number, string_agg(quote_ident(nspname), ', ' ORDER BY place) AS found
              FROM (SELECT side.number, n.nspname, min(entry.place) AS place
                      FROM (VALUES (1, $1::oid), (2, $2::oid)) AS side (number, role) JOIN pg_roles r ON r.oid = side.role,
                           pg_settings s, regexp_matches(s.reset_val, '"((?:[^"]|"")*)"|([^", ]+)', 'g') WITH ORDINALITY AS entry (parts, place),
                           pg_namespace n
                     WHERE s.name = 'search_path' AND has_schema_privilege(side.role, n.oid, 'USAGE')
                       AND n.nspname = CASE WHEN '$user' IN (entry.parts[1], entry.parts[2]) THEN r.rolname
                                            ELSE COALESCE(replace(entry.parts[1], '""', '"'), lower(entry.parts[2])) END
                     GROUP BY side.number, n.nspname) AS schemas
             GROUP BY number) AS paths
    HAVING max(found) FILTER (WHERE number = 2) IS DISTINCT FROM max(found) FILTER (WHERE number = 1)`;

/** The account at the foreign server; the one of PUBLIC is another one. */
const USER_MAPPINGS = `
    SELECT 'user mapping of', format('%I', m.srvname) FROM pg_user_mappings m
     WHERE m.umuser = $1::oid AND NOT EXISTS (SELECT FROM pg_user_mappings own WHERE own.srvid = m.srvid AND own.umuser = $2::oid)`;

/** One of each owner and list of rights: there may be millions. Before PostgreSQL 18 there is no function that says it. */
const LARGE_OBJECTS = (() => {
  const may = (role: string, privilege: string) => `(pg_has_role(${role}::oid, l.lomowner, 'USAGE') OR EXISTS (
        SELECT FROM aclexplode(l.lomacl) AS a WHERE a.privilege_type = '${privilege}'
           AND (a.grantee = 0 OR pg_has_role(${role}::oid, a.grantee, 'USAGE'))))`;
  const isLost = (privilege: string) => `${may('$1', privilege)} AND NOT ${may('$2', privilege)}`;
  return `SELECT 'large object', l.oid::text
      FROM (SELECT min(oid) AS oid, lomowner, lomacl FROM pg_largeobject_metadata
             GROUP BY lomowner, lomacl) AS l
     WHERE ${isLost('SELECT')} OR ${isLost('UPDATE')}`;
})();

const ADMIN_OPTIONS = `
    SELECT 'admin option on', format('%I', r.rolname) FROM pg_roles r WHERE r.oid <> $1::oid
       AND pg_has_role($1::oid, r.oid, 'MEMBER WITH ADMIN OPTION')
       AND NOT pg_has_role($2::oid, r.oid, 'MEMBER WITH ADMIN OPTION')`;

const PARAMETERS = `
    SELECT 'parameter', p.parname FROM pg_parameter_acl p
     WHERE ${lost('parameter', 'p.parname', 'SET')} OR ${lost('parameter', 'p.parname', 'ALTER SYSTEM')}`;
