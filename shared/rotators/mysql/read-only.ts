import type { Session } from './connect.ts';
import { type Grant, keyOf, readGrants } from './grants.ts';
import { identifier } from './sql-text.ts';

/** The server's own: whoever reads `mysql` reads everybody's password hashes. */
export const SYSTEM_DATABASES = ['information_schema', 'mysql', 'performance_schema', 'sys'];
const EVERYWHERE = new Set(['*.*', '`%`.*']);
const ROUTINE = /^(?:PROCEDURE|FUNCTION|PACKAGE(?: BODY)?) /;

/**
 * What of `grants` only reads: SELECT and SHOW VIEW, where they are given or are part of more, directly or through any of
 * the roles; never with GRANT OPTION. What reads everywhere becomes the databases that there are now, the server's own
 * left out: "everywhere" would include the passwords' hashes.
 */
export async function readOnlyGrants(session: Session, grants: readonly Grant[]): Promise<readonly Grant[]> {
  const all = await withRoles(session, grants, new Set());
  const reads = all.filter(({ kind, on }) => kind === 'privilege' && !ROUTINE.test(on)).flatMap(reading);
  const isGlobal = ({ on }: Grant): boolean => EVERYWHERE.has(on);
  const spread = reads.some(isGlobal) ? await databases(session) : [];
  const withheld = new Set(all.filter(({ kind, what }) => kind === 'revoke' && what === 'SELECT').map(({ on }) => on));
  const found = reads.flatMap((grant) =>
    isGlobal(grant) ? spread.filter((on) => !withheld.has(on)).map((on) => ({ ...grant, on })) : [grant],
  );
  return [...new Map(found.map((grant) => [keyOf(grant), grant])).values()];
}

/** Whether it reads and no more. What a partial revoke takes away does not count. */
export function isReading({ kind, what, on, canGrant }: Grant): boolean {
  if (kind === 'revoke') return true;
  return kind === 'privilege' && !canGrant && !ROUTINE.test(on) && isRead(what);
}

function isRead(what: string): boolean {
  return what === 'SELECT' || what === 'SHOW VIEW' || what.startsWith('SELECT (');
}

async function withRoles(session: Session, grants: readonly Grant[], seen: Set<string>): Promise<readonly Grant[]> {
  const all = [...grants];
  for (const { kind, what } of grants) {
    if (kind !== 'role' || seen.has(what)) continue;
    seen.add(what);
    all.push(...(await withRoles(session, await readGrants(session, what), seen)));
  }
  return all;
}

function reading(grant: Grant): readonly Grant[] {
  const { what } = grant;
  const kept = isRead(what) ? [what] : what === 'ALL PRIVILEGES' ? ['SELECT', 'SHOW VIEW'] : [];
  return kept.map((read) => ({ ...grant, what: read, canGrant: false }));
}

/** Every database that is not the server's, as GRANT names it: `_` and `%` stand for any character there unless told. */
async function databases(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    'reading the databases',
    'SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA',
  );
  const [variable] = await session.query<{ Value: string }>(
    'reading how GRANT reads names',
    "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'",
  );
  // https://dev.mysql.com/doc/refman/8.4/en/partial-revokes.html: then names are names.
  const isLiteral = variable?.Value === 'ON';
  return rows
    .map(({ name }) => name)
    .filter((name) => !SYSTEM_DATABASES.includes(name.toLowerCase()))
    .map((name) => `${identifier(isLiteral ? name : name.replaceAll(/[_%\\]/g, '\\$&'))}.*`);
}
