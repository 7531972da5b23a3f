import { escapeIdentifier, escapeLiteral } from 'pg';
import { Misconfigured, SlotOccupied } from '../../errors.ts';
import { actingAs } from './acting-as.ts';
import type { Session } from './connect.ts';
import type { Arrangement } from './owner-role.ts';
import { MISSING_GRANTS } from './read-only-queries.ts';
import type { AskerFacts, RoleFacts } from './role-facts.ts';
import { ownerReadFor, readOnlyComment } from './role-names.ts';

const NAMED_GRANTS = 3;
const STATEMENTS_AT_ONCE = 1_000;

interface MissingGrant {
  readonly grant: string;
  readonly byOwner: boolean;
  readonly byAsker: boolean;
}

/** What the administrator's session has read of a secret whose candidates only read. */
export interface ReadOnlyRoles extends Pick<Arrangement, 'ownerRole' | 'readOnlyRole'> {
  readonly secretId: string;
  readonly asker: AskerFacts;
  readonly reader: RoleFacts | undefined;
}

/**
 * Throws unless the read-only role can be made or renewed: its name is free or Rekey's own for this secret and owner,
 * and everything that the owner role reads can be granted. Touches nothing.
 */
export async function assertReadable(session: Session, roles: ReadOnlyRoles): Promise<void> {
  assertReaderOurs(roles);
  assertGrantable(await missingGrants(session, roles), roles.ownerRole);
}

/**
 * Makes the read-only role, or renews it, in the transaction that the session is in: SELECT on all that the owner role
 * can read now, and by default on what it makes from now on. Twice is harmless: what is granted is not granted again.
 */
export async function installReadOnlyRole(session: Session, roles: ReadOnlyRoles): Promise<void> {
  const { ownerRole, readOnlyRole, secretId, asker } = roles;
  assertReaderOurs(roles);
  const reader = escapeIdentifier(readOnlyRole);
  if (roles.reader === undefined) {
    const comment = escapeLiteral(readOnlyComment(secretId, ownerRole));
    await session.query(
      'making the read-only role',
      `CREATE ROLE ${reader} NOLOGIN; COMMENT ON ROLE ${reader} IS ${comment}`,
    );
  }
  const missing = await missingGrants(session, roles);
  assertGrantable(missing, ownerRole);
  const to = (grants: readonly MissingGrant[]) => grants.map(({ grant }) => `${grant} TO ${reader}`);
  await grantAll(session, to(missing.filter(({ byAsker }) => byAsker)));
  const owners = [...to(missing.filter(({ byAsker }) => !byAsker)), ...defaultPrivileges(ownerRole, reader)];
  await actingAs(session, { asker, role: ownerRole }, () => grantAll(session, owners));
}

/** Many at once: a round trip each would take longer than the grants. */
async function grantAll(session: Session, statements: readonly string[]): Promise<void> {
  for (let from = 0; from < statements.length; from += STATEMENTS_AT_ONCE) {
    const some = statements.slice(from, from + STATEMENTS_AT_ONCE);
    await session.query('granting what the owner role reads', some.join(';\n'));
  }
}

function defaultPrivileges(ownerRole: string, reader: string): readonly string[] {
  const by = `ALTER DEFAULT PRIVILEGES FOR ROLE ${escapeIdentifier(ownerRole)} GRANT`;
  return ['SELECT ON TABLES', 'SELECT ON SEQUENCES', 'USAGE ON SCHEMAS'].map((right) => `${by} ${right} TO ${reader}`);
}

/** What the read-only role lacks; before it exists, what PUBLIC has not. */
async function missingGrants(
  session: Session,
  { ownerRole, readOnlyRole }: ReadOnlyRoles,
): Promise<readonly MissingGrant[]> {
  const [oids] = await session.query<{ owner: string | null; reader: string }>(
    'reading the owner role',
    `SELECT (SELECT oid::text FROM pg_roles WHERE rolname = $1) AS owner,
            COALESCE((SELECT oid::text FROM pg_roles WHERE rolname = $2), '0') AS reader`,
    [ownerRole, readOnlyRole],
  );
  // An owner role that is yet to be made reads nothing.
  if (oids === undefined || oids.owner === null) return [];
  return session.query<MissingGrant>('reading what the owner role reads', MISSING_GRANTS, [oids.owner, oids.reader]);
}

function assertGrantable(missing: readonly MissingGrant[], ownerRole: string): void {
  const refused = missing.filter(({ byOwner, byAsker }) => !byOwner && !byAsker);
  if (refused.length === 0) return;
  const statements = refused
    .slice(0, NAMED_GRANTS)
    .map(({ grant }) => `${grant} TO ${escapeIdentifier(ownerRole)} WITH GRANT OPTION`);
  const rest = refused.length > NAMED_GRANTS ? ` (and ${refused.length - NAMED_GRANTS} more)` : '';
  throw new Misconfigured(
    `Neither the administrator nor "${ownerRole}" may pass on what it reads. Their owner must: ${statements.join('; ')}${rest}.`,
  );
}

function assertReaderOurs({ reader, secretId, ownerRole }: ReadOnlyRoles): void {
  if (reader === undefined) return;
  if (ownerReadFor(reader.comment, secretId) === ownerRole) return;
  throw new SlotOccupied(
    `Role "${reader.name}" is to read for this secret, but exists and was not made by Rekey for that (by its comment).`,
  );
}
