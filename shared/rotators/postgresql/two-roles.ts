import { escapeIdentifier, escapeLiteral } from 'pg';
import { IncumbentRefused, Misconfigured } from '../../errors.ts';
import type { InstallInput, InstallReport, Preflight, PreflightInput, RotatorSettings } from '../rotator.ts';
import { assertPasswordOnce } from '../login-secret.ts';
import { adminRefused, requireAdmin, targetOf } from './administrator.ts';
import type { Connector, Session } from './connect.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { arrange, type Arrangement } from './owner-role.ts';
import { passwordFailure } from './pg-errors.ts';
import { assertReadable, installReadOnlyRole } from './read-only-role.ts';
import { type AskerFacts, readAsker, readRoles, type RoleFacts, VERSION_16 } from './role-facts.ts';
import { managedComment } from './role-names.ts';
import { copySettings } from './role-settings.ts';
import { assertSameForAll } from './same-for-all.ts';
import { saltFor, scramVerifier } from './scram.ts';
import { assertNotOver, assertOurs, assertSlotFree } from './slot.ts';
import { inTransaction } from './transaction.ts';
import { takeTurn } from './turn.ts';

interface Roles extends Arrangement {
  readonly asker: AskerFacts;
  readonly incumbent: RoleFacts | undefined;
  readonly owner: RoleFacts | undefined;
  readonly slot: RoleFacts | undefined;
  readonly reader: RoleFacts | undefined;
  readonly secretId: string;
}

/** Two connections, side by side: the administrator's, read-only and kept for `install`, and the incumbent's login. */
export async function preflightTwoRoles(input: PreflightInput, connector: Connector): Promise<Preflight> {
  const { settings } = input;
  const incumbent = parseIncumbent(input);
  if (incumbent !== undefined) assertPasswordOnce(incumbent);
  assertSameForAll(incumbent?.login.password.reveal(), settings.policy);
  const target = targetOf(settings, incumbent);
  const admin = requireAdmin(input.admin, settings, target, incumbent?.username);

  // A whole login: one that has no place left does not begin a rotation whose candidate would have none either.
  const opening = incumbent === undefined ? undefined : opens(incumbent, connector);
  const managing = connector.duringAndKeep(admin, adminRefused, (session) =>
    inTransaction(session, 'read only', async () => {
      const roles = await readArrangement(session, settings, incumbent?.username);
      assertMayManage(roles);
      const { candidate, slot, owner, ownerRole } = roles;
      const { secretId } = settings;
      if (incumbent === undefined && settings.connection?.ownerRole === undefined && owner !== undefined) {
        assertOurs(owner, secretId);
      }
      const isReadOnly = settings.privileges === 'read_only';
      if (isReadOnly) await assertReadable(session, roles);
      assertSlotFree({ name: candidate, role: slot, secretId, versionId: input.versionId, known: input.known });
      const facts = {
        server_version: roles.asker.version,
        tls: session.isEncrypted ? 'verified' : 'none',
        owner_role: ownerRole,
        mode: 'two_roles',
        ...(isReadOnly ? { read_only_role: roles.readOnlyRole } : {}),
      };
      return { candidate, incumbent: incumbent?.username, facts };
    }),
  );
  // Both have ended before either's fault goes on; the administrator's goes first.
  await Promise.allSettled([managing, opening]);
  const preflight = await managing;
  await opening;
  return preflight;
}

async function opens({ login, username }: Credential, connector: Connector): Promise<void> {
  const refused = (cause: unknown) =>
    new IncumbentRefused(`The incumbent ("${username}") does not open its database.`, { cause });
  await connector.during(login, refused, async () => undefined);
}

/**
 * Makes the candidate's login role, or brings a retired one back, in one transaction, on the
 * connection that preflight has kept or on one; the server is given a SCRAM verifier, never the password.
 *
 * Twice is harmless: the verifier's salt follows from password and version, so a second run writes what is there. A
 * run that comes late, when a later rotation has the role or this one's credential has been ended, is refused
 * (`RotationEnded`): the role's comment says which rotation it is installed for and whether that is over, and changes
 * together with the verifier. Where the role was never made, or was dropped since, nothing tells a late run.
 */
export async function installTwoRoles(input: InstallInput, connector: Connector): Promise<InstallReport> {
  const { settings } = input;
  const { secretId } = settings;
  const incumbent = parseIncumbent(input);
  const candidate = parseCredential(input.candidate, 'candidate', settings.connection);
  const admin = requireAdmin(input.admin, settings, candidate.login, candidate.username);
  const password = candidate.login.password.reveal();
  const verifier = await scramVerifier(password, { salt: saltFor(password, input.versionId) });

  return connector.during(admin, adminRefused, (session) =>
    inTransaction(session, 'read write', async () => {
      await takeTurn(session, secretId);
      const roles = await readArrangement(session, settings, incumbent?.username);
      if (roles.candidate !== candidate.username) {
        throw new Misconfigured(
          `The candidate of this rotation must be role "${roles.candidate}"; its secret names another.`,
        );
      }
      if (roles.slot !== undefined) {
        assertOurs(roles.slot, secretId);
        assertNotOver(roles.slot, secretId, input);
      }
      if (roles.owner === undefined) await createOwner(session, roles.ownerRole, secretId);
      if (settings.privileges === 'read_only') await installReadOnlyRole(session, roles);
      const statements = await roleStatements(session, roles, managedComment(secretId, input));
      await session.query('making the login role', statements.join(';\n'));
      await setVerifier(session, roles, verifier);
      return {
        facts: { owner_role: roles.ownerRole, role: roles.slot === undefined ? 'created' : 'reused' },
        ...expiryWarning(roles),
      };
    }),
  );
}

function expiryWarning({ incumbent, candidate }: Roles): Pick<InstallReport, 'warning'> {
  if (incumbent?.expires !== true) return {};
  return {
    warning: `Role "${incumbent.name}" has a VALID UNTIL; role "${candidate}", which takes its place, has none: its password ends when it is rotated.`,
  };
}

async function readArrangement(
  session: Session,
  settings: RotatorSettings,
  username: string | undefined,
): Promise<Roles> {
  const asker = await readAsker(session);
  const incumbent = username === undefined ? undefined : (await readRoles(session, [username])).get(username);
  if (username !== undefined && incumbent === undefined) {
    throw new IncumbentRefused(`The incumbent's role "${username}" does not exist on the server.`);
  }
  const arrangement = await arrange(session, settings, incumbent);
  const { ownerRole, readOnlyRole, candidate } = arrangement;
  const found = await readRoles(session, [ownerRole, readOnlyRole, candidate]);
  return {
    ...arrangement,
    secretId: settings.secretId,
    asker,
    incumbent,
    owner: found.get(ownerRole),
    reader: found.get(readOnlyRole),
    slot: found.get(candidate),
  };
}

function assertMayManage({ asker, owner, ownerRole, incumbent, slot, reader, sessionRole }: Roles): void {
  const isReadOnly = sessionRole !== ownerRole;
  if ([ownerRole, incumbent?.name].some((name) => name === asker.currentUser || name === asker.sessionUser)) {
    throw new Misconfigured(
      `The administrator's own role cannot be one of the two: use another administrator, or single_role.`,
    );
  }
  if (asker.superuser) return;
  if (!asker.createRole) {
    throw new Misconfigured(`The administrator ("${asker.currentUser}") may not create roles (CREATEROLE).`);
  }
  if (owner?.superuser === true || incumbent?.superuser === true) {
    throw new Misconfigured(
      `Role "${owner?.name ?? incumbent?.name}" is a superuser: the administrator must be one too.`,
    );
  }
  for (const { word, has, mayGive } of POWERS) {
    if (!has(wantedOf({ incumbent, ownerRole, isReadOnly })) || mayGive(asker)) continue;
    throw new Misconfigured(`Role "${incumbent?.name}" has ${word}, which the administrator may not give to another.`);
  }
  if (asker.versionNumber < VERSION_16) return;
  for (const role of [owner, incumbent, slot, isReadOnly ? reader : undefined]) {
    if (role === undefined || role.administered) continue;
    throw new Misconfigured(
      `The administrator needs ADMIN OPTION on role "${role.name}": GRANT it TO "${asker.currentUser}" WITH ADMIN OPTION.`,
    );
  }
}

async function createOwner(session: Session, ownerRole: string, secretId: string): Promise<void> {
  const owner = escapeIdentifier(ownerRole);
  await session.query(
    'making the owner role',
    `CREATE ROLE ${owner} NOLOGIN; COMMENT ON ROLE ${owner} IS ${escapeLiteral(managedComment(secretId))}`,
  );
  const [database] = await session.query<{ name: string; isOpen: boolean }>(
    'reading the rights on the database',
    `SELECT current_database()::text AS name, has_database_privilege($1::name, current_database(), 'CONNECT') AS "isOpen"`,
    [ownerRole],
  );
  // Open to PUBLIC by default: granted only where it has been closed.
  if (database === undefined || database.isOpen) return;
  await session.query(
    'opening the database',
    `GRANT CONNECT ON DATABASE ${escapeIdentifier(database.name)} TO ${owner}`,
  );
}

async function roleStatements(session: Session, roles: Roles, comment: string): Promise<readonly string[]> {
  const { asker, candidate, ownerRole, sessionRole, slot } = roles;
  const name = escapeIdentifier(candidate);
  const inherit = asker.versionNumber >= VERSION_16 ? ' WITH INHERIT TRUE, SET TRUE' : '';
  const from = roles.incumbent?.name ?? ownerRole;
  return [
    ...(slot === undefined ? [`CREATE ROLE ${name} NOLOGIN`] : []),
    `COMMENT ON ROLE ${name} IS ${escapeLiteral(comment)}`,
    ...(await leavingStatements(session, roles)),
    `GRANT ${escapeIdentifier(sessionRole)} TO ${name}${inherit}`,
    ...(await copySettings(session, { from, to: candidate, sessionRole })),
  ];
}

/** A role that comes back may have been in front of the other one of the two: it would keep what that may do. */
async function leavingStatements(
  session: Session,
  { asker, candidate, ownerRole, readOnlyRole, sessionRole }: Roles,
): Promise<readonly string[]> {
  const left = sessionRole === ownerRole ? readOnlyRole : ownerRole;
  const rows = await session.query<{ grantor: string | null }>(
    'reading the memberships of the login role',
    `SELECT (SELECT g.rolname::text FROM pg_roles g WHERE g.oid = m.grantor) AS grantor
       FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles c ON c.oid = m.member
      WHERE r.rolname::text = $1 AND c.rolname::text = $2`,
    [left, candidate],
  );
  // From PostgreSQL 16 on, each grantor's membership is one of its own.
  return rows.map(({ grantor }) => {
    const by = asker.versionNumber >= VERSION_16 && grantor !== null ? ` GRANTED BY ${escapeIdentifier(grantor)}` : '';
    return `REVOKE ${escapeIdentifier(left)} FROM ${escapeIdentifier(candidate)}${by}`;
  });
}

type Powers = Pick<RoleFacts, 'replication' | 'createDatabase' | 'createRole' | 'bypassRls'>;

/** What a login role itself may do beside what it may as the role that it acts as, and which administrator may give that. */
const POWERS: readonly {
  readonly word: string;
  readonly has: (powers: Powers) => boolean;
  readonly mayGive: (asker: AskerFacts) => boolean;
}[] = [
  {
    word: 'REPLICATION',
    has: ({ replication }) => replication,
    mayGive: ({ replication, versionNumber }) => versionNumber >= VERSION_16 && replication,
  },
  {
    word: 'CREATEDB',
    has: ({ createDatabase }) => createDatabase,
    mayGive: ({ createDatabase, versionNumber }) => versionNumber < VERSION_16 || createDatabase,
  },
  { word: 'CREATEROLE', has: ({ createRole }) => createRole, mayGive: ({ createRole }) => createRole },
  {
    word: 'BYPASSRLS',
    has: ({ bypassRls }) => bypassRls,
    mayGive: ({ bypassRls, versionNumber }) => versionNumber >= VERSION_16 && bypassRls,
  },
];

/**
 * The powers that a candidate gets of its own: those of the incumbent. Where that is the owner role itself, the candidate
 * has them by acting as it, but for replication, for which the server looks at the login. None for one that only reads.
 */
function wantedOf({
  incumbent,
  ownerRole,
  isReadOnly,
}: {
  readonly incumbent: RoleFacts | undefined;
  readonly ownerRole: string;
  readonly isReadOnly: boolean;
}): Powers {
  const none = { replication: false, createDatabase: false, createRole: false, bypassRls: false };
  if (incumbent === undefined || isReadOnly) return none;
  return incumbent.name === ownerRole ? { ...none, replication: incumbent.replication } : incumbent;
}

/** Last, and alone: a refusal of this statement is the server's password policy. */
async function setVerifier(session: Session, roles: Roles, verifier: string): Promise<void> {
  const { candidate, incumbent, slot, ownerRole, sessionRole } = roles;
  const wanted = wantedOf({ incumbent, ownerRole, isReadOnly: sessionRole !== ownerRole });
  const clauses = [
    `CONNECTION LIMIT ${incumbent?.connectionLimit ?? -1}`,
    // Said only where it changes: more than that needs the right to.
    ...POWERS.flatMap(({ word, has }) => {
      if (has(wanted) === (slot !== undefined && has(slot))) return [];
      return [`${has(wanted) ? '' : 'NO'}${word}`];
    }),
    ...(slot?.expires === true ? ["VALID UNTIL 'infinity'"] : []),
  ];
  const name = escapeIdentifier(candidate);
  await session.query('setting the limits of the login role', `ALTER ROLE ${name} ${clauses.join(' ')}`);
  try {
    await session.raw(`ALTER ROLE ${name} LOGIN PASSWORD ${escapeLiteral(verifier)}`);
  } catch (error) {
    throw passwordFailure(error);
  }
}

function parseIncumbent({ incumbent, settings }: PreflightInput | InstallInput): Credential | undefined {
  return incumbent === undefined ? undefined : parseCredential(incumbent, 'incumbent', settings.connection);
}
