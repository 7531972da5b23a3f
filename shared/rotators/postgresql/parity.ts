import { escapeIdentifier, escapeLiteral } from 'pg';
import { CandidateUnproven } from '../../errors.ts';
import type { Session } from './connect.ts';
import { lostRights } from './lost-rights.ts';
import {
  LOGIN_ATTRIBUTE_DIFFERENCES,
  loginPowerDifferences,
  privilegeDifferences,
  reachDifferences,
  SETTING_DIFFERENCES,
} from './parity-queries.ts';
import { setRoleOf, VERSION_16 } from './role-facts.ts';
import { ownerReadFor } from './role-names.ts';
import { inTransaction } from './transaction.ts';

/** What parity covers: of the login itself, and of the role that its sessions act as. */
export const COMPARED = [
  'role settings',
  'login attributes',
  'reachable roles',
  'role attributes',
  'databases',
  'schemas',
  'tables',
  'columns',
  'sequences',
  'functions',
  'types',
  'foreign servers',
  'default privileges',
  'memberships',
  'admin options',
  'row security',
  'search path',
  'user mappings',
  'foreign data wrappers',
  'languages',
  'large objects',
  'parameters',
  'tablespaces',
] as const;

const NAMED_DIFFERENCES = 10;

interface Identities {
  readonly candidateLogin: string;
  readonly incumbentLogin: string;
  readonly candidate: string;
  readonly candidateRole: string;
  readonly incumbent: string;
  /** Of the role that the incumbent's sessions act as. */
  readonly incumbentComment: string | null;
  readonly versionNumber: number;
}

/**
 * Compares, on the candidate's own session, what it can do with what `incumbentIdentity` can do: the roles that their
 * sessions act as, and what belongs to the logins themselves. Throws `CandidateUnproven` that names kinds and objects.
 *
 * Where both act as one role, PostgreSQL checks both by the same rights: the objects need no second look. The same where
 * the incumbent was made to only read what the candidate's role can: that is all that sets them apart.
 */
export async function assertParity(
  session: Session,
  incumbentIdentity: string,
  secretId: string,
): Promise<readonly string[]> {
  await inTransaction(session, 'read only', async () => {
    const identities = await readIdentities(session, incumbentIdentity);
    const { candidateLogin, incumbentLogin, candidate, incumbent, versionNumber } = identities;
    const isOneOwner =
      incumbent === candidate || ownerReadFor(identities.incumbentComment, secretId) === identities.candidateRole;
    const logins = [
      SETTING_DIFFERENCES,
      LOGIN_ATTRIBUTE_DIFFERENCES,
      loginPowerDifferences(incumbentLogin === incumbent),
      reachDifferences(versionNumber >= VERSION_16),
    ];
    const ofLogins = await findDifferences(session, logins, [
      incumbentLogin,
      candidateLogin,
      isOneOwner ? [incumbent, candidate] : [],
    ]);
    const rights = [privilegeDifferences(versionNumber), ...lostRights(versionNumber)];
    const ofRoles = isOneOwner ? [] : await findDifferences(session, rights, [incumbent, candidate]);
    const differences = [...ofLogins, ...ofRoles];
    if (differences.length > 0) {
      throw new CandidateUnproven(
        `The candidate and the incumbent differ in: ${inWords(differences)}.${ofRoles.length > 0 ? remedy(identities, incumbentIdentity) : ''}`,
      );
    }
  });
  return COMPARED;
}

function remedy({ candidateRole }: Identities, incumbentIdentity: string): string {
  const statement = `ALTER ROLE ${escapeIdentifier(incumbentIdentity)} SET role = ${escapeLiteral(candidateRole)}`;
  return ` The candidate acts as role "${candidateRole}", the incumbent does not: give that role what is named, or let the incumbent act as it too (${statement}).`;
}

export interface Difference {
  readonly kind: string;
  readonly name: string;
}

/** What all of `queries` find, each a kind and a name: one more than can be named, so that "and more" is known. */
export async function findDifferences(
  session: Session,
  queries: readonly string[],
  values: readonly unknown[],
): Promise<readonly Difference[]> {
  return session.query<Difference>(
    'comparing the candidate with the incumbent',
    `${queries.join('\nUNION ALL\n')} ORDER BY 1, 2 LIMIT ${NAMED_DIFFERENCES + 1}`,
    values,
  );
}

export function inWords(differences: readonly Difference[]): string {
  const named = differences.slice(0, NAMED_DIFFERENCES).map(({ kind, name }) => `${kind} ${name}`);
  return `${named.join(', ')}${differences.length > NAMED_DIFFERENCES ? ' and more' : ''}`;
}

async function readIdentities(session: Session, incumbentIdentity: string): Promise<Identities> {
  // As text: an oid fits no JavaScript integer type of the driver.
  const [found] = await session.query<Identities>(
    'reading whom to compare',
    `SELECT me.oid::text AS "candidateLogin", r.oid::text AS "incumbentLogin",
            (SELECT oid::text FROM pg_roles WHERE rolname = current_user) AS candidate, current_user::text AS "candidateRole",
            COALESCE(acts.oid, r.oid)::text AS incumbent,
            shobj_description(COALESCE(acts.oid, r.oid), 'pg_authid') AS "incumbentComment",
            current_setting('server_version_num')::int AS "versionNumber"
       FROM pg_roles me, pg_roles r
       LEFT JOIN pg_roles acts ON acts.rolname::text = ${setRoleOf('r.oid')} AND pg_has_role(r.oid, acts.oid, 'MEMBER')
      WHERE me.rolname = session_user AND r.rolname::text = $1`,
    [incumbentIdentity],
  );
  if (found === undefined) {
    throw new CandidateUnproven(`Role "${incumbentIdentity}", to compare the candidate with, does not exist.`);
  }
  return found;
}
