import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Session } from './connect.ts';

interface SettingRow {
  /** `null`: in every database. */
  readonly database: string | null;
  readonly entry: string;
}

/** Settings whose stored text is a list of quoted names (GUC_LIST_QUOTE, as in pg_dump's dumputils.c). */
const NAME_LISTS = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/**
 * The statements that give `to` the settings of `from` (both everywhere and in single databases), and no other, with
 * `SET role` to `sessionRole`. The same input makes the same settings.
 */
export async function copySettings(
  session: Session,
  { from, to, sessionRole }: { readonly from: string; readonly to: string; readonly sessionRole: string },
): Promise<readonly string[]> {
  const rows = await session.query<SettingRow & { readonly role: string }>(
    'reading the settings of the roles',
    `SELECT r.rolname::text AS role, d.datname::text AS database, entry
       FROM pg_catalog.pg_db_role_setting s
       JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
       LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
      CROSS JOIN unnest(s.setconfig) AS entry
      WHERE r.rolname::text = ANY ($1::text[]) ORDER BY r.rolname, d.datname NULLS FIRST, entry`,
    [[from, to]],
  );
  const role = escapeIdentifier(to);
  const stale = new Set(rows.filter((row) => row.role === to).map(({ database }) => database));
  const copied = rows.filter((row) => row.role === from && !/^(?:role|session_authorization)=/.test(row.entry));
  return [
    ...[...stale].map((database) => `ALTER ROLE ${role}${inDatabase(database)} RESET ALL`),
    ...copied.map(({ database, entry }) => `ALTER ROLE ${role}${inDatabase(database)} SET ${assignment(entry)}`),
    `ALTER ROLE ${role} SET role = ${escapeLiteral(sessionRole)}`,
  ];
}

/** `name=value` as the catalogue stores it, for a SET clause. */
export function assignment(entry: string): string {
  const separator = entry.indexOf('=');
  const name = entry.slice(0, separator);
  const value = entry.slice(separator + 1);
  const values = NAME_LISTS.has(name.toLowerCase()) ? splitNames(value) : [value];
  return `${escapeIdentifier(name)} TO ${values.map(escapeLiteral).join(', ')}`;
}

/** The elements of `a, "b c", "$user"`, unquoted; never none. */
export function splitNames(list: string): readonly string[] {
  const names: string[] = [];
  for (const [, quoted, bare] of list.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|$)/gy)) {
    names.push(quoted?.replaceAll('""', '"') ?? bare ?? '');
  }
  // The expression finds one more, empty, at the end of the text; a list never ends in a comma.
  if (names.length > 1 && names.at(-1) === '') names.pop();
  return names;
}

function inDatabase(database: string | null): string {
  return database === null ? '' : ` IN DATABASE ${escapeIdentifier(database)}`;
}
