import { CandidateUnproven } from '../../errors.ts';
import type { Session } from './connect.ts';
import { loginDifferences, privilegeDifferences } from './parity-queries.ts';
import { setRoleOf, VERSION_16 } from './role-facts.ts';
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
] as const;

const NAMED_DIFFERENCES = 10;

interface Identities {
  readonly candidateLogin: string;
  readonly incumbentLogin: string;
  readonly candidate: string;
  readonly incumbent: string;
  readonly versionNumber: number;
}

/**
 * Compares, on the candidate's own session, what it can do with what `incumbentIdentity` can do: the roles that their
 * sessions act as, and what belongs to the logins themselves. Throws `CandidateUnproven` that names kinds and objects.
 *
 * Where both act as one role, PostgreSQL checks both by the same rights: the objects need no second look.
 */
export async function assertParity(session: Session, incumbentIdentity: string): Promise<readonly string[]> {
  await inTransaction(session, 'read only', async () => {
    const identities = await readIdentities(session, incumbentIdentity);
    const { candidateLogin, incumbentLogin, candidate, incumbent, versionNumber } = identities;
    const differences = [
      ...(await find(session, loginDifferences(versionNumber >= VERSION_16), incumbentLogin, candidateLogin)),
      ...(incumbent === candidate
        ? []
        : await find(session, privilegeDifferences(versionNumber), incumbent, candidate)),
    ];
    if (differences.length > 0) throw new CandidateUnproven(describe(differences));
  });
  return COMPARED;
}

interface Difference {
  readonly kind: string;
  readonly name: string;
}

/** `$1`: the incumbent's oid, `$2`: the candidate's. One more than can be named, so that "and more" is known. */
async function find(
  session: Session,
  text: string,
  incumbent: string,
  candidate: string,
): Promise<readonly Difference[]> {
  return session.query<Difference>(
    'comparing the candidate with the incumbent',
    `${text} ORDER BY 1, 2 LIMIT ${NAMED_DIFFERENCES + 1}`,
    [incumbent, candidate],
  );
}

async function readIdentities(session: Session, incumbentIdentity: string): Promise<Identities> {
  // As text: an oid fits no JavaScript integer type of the driver.
  const [found] = await session.query<Identities>(
    'reading whom to compare',
    `SELECT me.oid::text AS "candidateLogin", r.oid::text AS "incumbentLogin",
            (SELECT oid::text FROM pg_roles WHERE rolname = current_user) AS candidate,
            COALESCE((SELECT acts.oid::text FROM pg_roles acts
                       WHERE acts.rolname::text = ${setRoleOf('r.oid')} AND pg_has_role(r.oid, acts.oid, 'MEMBER')),
                     r.oid::text) AS incumbent,
            current_setting('server_version_num')::int AS "versionNumber"
       FROM pg_roles me, pg_roles r WHERE me.rolname = session_user AND r.rolname::text = $1`,
    [incumbentIdentity],
  );
  if (found === undefined) {
    throw new CandidateUnproven(`Role "${incumbentIdentity}", to compare the candidate with, does not exist.`);
  }
  return found;
}

function describe(differences: readonly Difference[]): string {
  const named = differences.slice(0, NAMED_DIFFERENCES).map(({ kind, name }) => `${kind} ${name}`);
  const rest = differences.length > NAMED_DIFFERENCES ? ' and more' : '';
  return `The candidate and the incumbent differ in: ${named.join(', ')}${rest}.`;
}
