const VERSION_17 = 170_000;

/** Schemas of people; the server's own objects are everybody's alike. */
const ORDINARY = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;
const RELATIONS = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`;
/** Whatever SELECT reads: tables, partitioned ones, views, materialized ones, foreign tables, sequences. */
const IS_READABLE_KIND = `c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ORDINARY}`;

const mayUse = (role: string) => `has_schema_privilege(${role}::oid, n.oid, 'USAGE')`;
const maySelect = (role: string) => `has_table_privilege(${role}::oid, c.oid, 'SELECT')`;
const maySelectColumn = (role: string) => `has_column_privilege(${role}::oid, c.oid, a.attnum, 'SELECT')`;
const columnsOf = `pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

/**
 * `$1`: the owner role's oid, `$2`: the read-only role's, or 0 for what PUBLIC has. Every GRANT, without its end, that
 * the second lacks to read what the first can, and who may give it: the owner role, or who asks.
 */
export const MISSING_GRANTS = `
  SELECT format('GRANT CONNECT ON DATABASE %I', d.datname) AS "grant",
         has_database_privilege($1::oid, d.oid, 'CONNECT WITH GRANT OPTION') AS "byOwner",
         has_database_privilege(d.oid, 'CONNECT WITH GRANT OPTION') AS "byAsker"
    FROM pg_database d WHERE d.datname = current_database()
     AND has_database_privilege($1::oid, d.oid, 'CONNECT') AND NOT has_database_privilege($2::oid, d.oid, 'CONNECT')
  UNION ALL
  SELECT format('GRANT USAGE ON SCHEMA %I', n.nspname),
         has_schema_privilege($1::oid, n.oid, 'USAGE WITH GRANT OPTION'),
         has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION')
    FROM pg_namespace n WHERE ${ORDINARY} AND ${mayUse('$1')} AND NOT ${mayUse('$2')}
  UNION ALL
  SELECT format('GRANT SELECT ON %s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname),
         has_table_privilege($1::oid, c.oid, 'SELECT WITH GRANT OPTION'),
         has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION')
    FROM ${RELATIONS} WHERE ${IS_READABLE_KIND} AND ${mayUse('$1')} AND ${maySelect('$1')} AND NOT ${maySelect('$2')}
  UNION ALL
  SELECT format('GRANT SELECT (%s) ON TABLE %I.%I', held.columns, n.nspname, c.relname), held."byOwner", held."byAsker"
    FROM ${RELATIONS}, LATERAL (
      SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns,
             bool_and(has_column_privilege($1::oid, c.oid, a.attnum, 'SELECT WITH GRANT OPTION')) AS "byOwner",
             bool_and(has_column_privilege(c.oid, a.attnum, 'SELECT WITH GRANT OPTION')) AS "byAsker"
        FROM ${columnsOf} AND ${maySelectColumn('$1')} AND NOT ${maySelectColumn('$2')}) AS held
   WHERE ${IS_READABLE_KIND} AND ${mayUse('$1')} AND NOT ${maySelect('$1')}
     AND has_any_column_privilege($1::oid, c.oid, 'SELECT') AND held.columns IS NOT NULL`;

/** `$1`, `$2`: oids of the owner role and of another. What one can read and the other not. */
export const READABLE: readonly string[] = [
  `SELECT 'schema' AS kind, format('%I', n.nspname) AS name FROM pg_namespace n
    WHERE ${ORDINARY} AND ${mayUse('$1')} <> ${mayUse('$2')}`,
  `SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, format('%I.%I', n.nspname, c.relname)
     FROM ${RELATIONS} WHERE ${IS_READABLE_KIND}
      AND (${mayUse('$1')} AND ${maySelect('$1')}) <> (${mayUse('$2')} AND ${maySelect('$2')})`,
  `SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname)
     FROM ${RELATIONS} JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND ${IS_READABLE_KIND} AND ${mayUse('$1')}
      AND ${maySelectColumn('$1')} <> ${maySelectColumn('$2')}`,
];

/** Whether row security holds for a role at table `c`. */
export const rowSecurityHolds = (
  role: string,
) => `NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = ${role}::oid AND (r.rolsuper OR r.rolbypassrls))
        AND (c.relforcerowsecurity OR NOT pg_has_role(${role}::oid, c.relowner, 'USAGE'))`;

/** Whether policy `p` is one for a role. */
export const policyApplies = (role: string) => `(0 = ANY (p.polroles)
        OR EXISTS (SELECT FROM unnest(p.polroles) AS member WHERE member <> 0 AND pg_has_role(${role}::oid, member, 'USAGE')))`;

/**
 * Rows that the owner role sees and the read-only role might not: row security lets the one through, or by other
 * policies. A policy that names the read-only role says that somebody has thought of it.
 */
const ROW_SECURITY = (() => {
  const policies = `pg_policy p WHERE p.polrelid = c.oid AND p.polcmd IN ('*', 'r')`;
  return `SELECT 'row security of', format('%I.%I', n.nspname, c.relname)
     FROM ${RELATIONS} WHERE c.relrowsecurity AND ${ORDINARY} AND ${mayUse('$1')}
      AND has_any_column_privilege($1::oid, c.oid, 'SELECT') AND ${rowSecurityHolds('$2')}
      AND NOT EXISTS (SELECT FROM ${policies} AND $2::oid = ANY (p.polroles))
      AND (NOT (${rowSecurityHolds('$1')}) OR EXISTS (SELECT FROM ${policies} AND ${policyApplies('$1')} <> ${policyApplies('$2')}))`;
})();

/** Foreign tables are read with the account that their server has for the role. */
const USER_MAPPINGS = `
   SELECT 'user mapping of', format('%I', s.srvname) FROM pg_foreign_server s
    WHERE EXISTS (SELECT FROM ${RELATIONS} JOIN pg_foreign_table f ON f.ftrelid = c.oid
                   WHERE f.ftserver = s.oid AND ${mayUse('$1')} AND ${maySelect('$1')})
      AND EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = s.oid AND m.umuser = $1::oid)
      AND NOT EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = s.oid AND m.umuser IN (0, $2::oid))`;

/** `$1`, `$2`: oids of the owner role and the read-only role. */
export const READ_DIFFERENCES: readonly string[] = [...READABLE, ROW_SECURITY, USER_MAPPINGS];

/** `$1`: the read-only role's oid, `$2`: the candidate's login's. All that lets the login do more than read. */
export function writingRights(versionNumber: number): readonly string[] {
  const table = `INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER${versionNumber >= VERSION_17 ? ', MAINTAIN' : ''}`;
  return [
    `SELECT 'CREATE on database' AS kind, format('%I', d.datname) AS name FROM pg_database d
      WHERE d.datname = current_database() AND has_database_privilege($2::oid, d.oid, 'CREATE')`,
    `SELECT 'CREATE on schema', format('%I', n.nspname) FROM pg_namespace n
      WHERE ${ORDINARY} AND has_schema_privilege($2::oid, n.oid, 'CREATE')`,
    `SELECT 'writing to', format('%I.%I', n.nspname, c.relname) FROM ${RELATIONS} WHERE ${IS_READABLE_KIND}
        AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege($2::oid, c.oid, 'UPDATE, USAGE')
            ELSE has_table_privilege($2::oid, c.oid, '${table}')
              OR has_any_column_privilege($2::oid, c.oid, 'INSERT, UPDATE, REFERENCES') END`,
    `SELECT 'membership in', format('%I', r.rolname) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
      WHERE m.member IN ($1::oid, $2::oid) AND NOT (m.member = $2::oid AND m.roleid = $1::oid)`,
    `SELECT 'role attribute', attribute.name FROM pg_roles r,
            LATERAL (VALUES ('superuser', r.rolsuper), ('createdb', r.rolcreatedb), ('createrole', r.rolcreaterole),
                            ('bypassrls', r.rolbypassrls), ('replication', r.rolreplication)) AS attribute (name, has)
      WHERE r.oid IN ($1::oid, $2::oid) AND attribute.has`,
  ];
}

/**
 * `$1`: the owner role's oid. Statements that it may do, and that change nothing where somebody may: a few of either
 * kind. Columns that take no value of ours are left out. Last, whatever the owner role may do, one that needs a right on
 * the database: so that one write at least is tried.
 */
export const WRITES = `
  (SELECT 'INSERT into' AS kind, format('%I.%I', n.nspname, c.relname) AS name,
          format('INSERT INTO %I.%I (%s) SELECT %s FROM %I.%I WHERE false', n.nspname, c.relname, l.columns, l.columns, n.nspname, c.relname) AS statement
     FROM ${RELATIONS}, LATERAL (
       SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns
         FROM ${columnsOf} AND a.attgenerated = '' AND a.attidentity <> 'a') AS l
    WHERE c.relkind IN ('r', 'p') AND ${ORDINARY} AND ${mayUse('$1')} AND l.columns IS NOT NULL
      AND has_table_privilege($1::oid, c.oid, 'INSERT') AND ${maySelect('$1')}
    ORDER BY c.oid LIMIT 3)
  UNION ALL
  (SELECT 'CREATE TABLE in', format('%I', n.nspname), format('CREATE TABLE %I.rekey_may_not_make_this ()', n.nspname)
     FROM pg_namespace n WHERE ${ORDINARY} AND has_schema_privilege($1::oid, n.oid, 'CREATE')
    ORDER BY n.oid LIMIT 3)
  UNION ALL
  SELECT 'CREATE SCHEMA in', format('%I', current_database()), 'CREATE SCHEMA rekey_may_not_make_this'`;
