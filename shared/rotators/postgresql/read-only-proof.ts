import { DatabaseError } from 'pg';
import { CandidateUnproven } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { type Difference, findDifferences, inWords } from './parity.ts';
import { LOGIN_ATTRIBUTE_DIFFERENCES, SETTING_DIFFERENCES } from './parity-queries.ts';
import { isInsufficientPrivilege, isPassing, queryFailure } from './pg-errors.ts';
import { READ_DIFFERENCES, READABLE, WRITES, writingRights } from './read-only-queries.ts';
import { ownerReadFor } from './role-names.ts';
import { inTransaction, LIMITS } from './transaction.ts';

/** What is proved of a candidate that may only read. */
const PROVED = [
  'role settings',
  'login attributes',
  'readable tables',
  'readable columns',
  'readable sequences',
  'schemas',
  'row security',
  'refused writes',
] as const;

interface Identities {
  readonly login: string;
  readonly reader: string;
  readonly readerComment: string | null;
  readonly versionNumber: number;
}

/**
 * Proves, on the candidate's own session, that it reads what its owner role reads, no more and no less, and that it
 * cannot write: by its rights, and by statements that the server must refuse, one at least. Throws
 * `CandidateUnproven` that names kinds and objects.
 */
export async function assertReadOnly(
  session: Session,
  { secretId }: RotatorSettings,
  incumbentIdentity: string | undefined,
): Promise<readonly string[]> {
  const owner = await inTransaction(session, 'read only', async () => {
    const { login, reader, readerComment, versionNumber } = await readIdentities(session);
    const ownerOid = await oidOf(session, ownerReadFor(readerComment, secretId));
    if (ownerOid === undefined) {
      throw new CandidateUnproven('The role that the candidate acts as is not the read-only role of this secret.');
    }
    const incumbent = await oidOf(session, incumbentIdentity);
    if (incumbentIdentity !== undefined && incumbent === undefined) {
      throw new CandidateUnproven(`Role "${incumbentIdentity}", to compare the candidate with, does not exist.`);
    }
    const logins = incumbent === undefined ? [] : await loginDifferences(session, incumbent, login);
    if (logins.length > 0) {
      throw new CandidateUnproven(`The candidate and the incumbent differ in: ${inWords(logins)}.`);
    }
    await assertReadsAs(session, READ_DIFFERENCES, [ownerOid, reader]);
    // A session may go back to its login, which has what the read-only role has, and what is its own.
    await assertReadsAs(session, READABLE, [ownerOid, login]);
    const rights = await findDifferences(session, writingRights(versionNumber), [reader, login]);
    if (rights.length > 0) throw new CandidateUnproven(`The candidate can do more than read: ${inWords(rights)}.`);
    return ownerOid;
  });
  await assertWritesRefused(session, owner);
  return PROVED;
}

async function assertReadsAs(session: Session, queries: readonly string[], oids: readonly string[]): Promise<void> {
  const found = await findDifferences(session, queries, oids);
  if (found.length === 0) return;
  throw new CandidateUnproven(`The candidate reads something else than its owner role: ${inWords(found)}.`);
}

async function loginDifferences(session: Session, incumbent: string, login: string): Promise<readonly Difference[]> {
  const queries = [SETTING_DIFFERENCES, LOGIN_ATTRIBUTE_DIFFERENCES];
  const found = await findDifferences(session, queries, [incumbent, login]);
  // Replication reads everything: who may only read what a role can does not get it.
  return found.filter(({ kind, name }) => kind !== 'login attribute' || name !== 'replication');
}

async function assertWritesRefused(session: Session, owner: string): Promise<void> {
  const writes = await session.query<{ kind: string; name: string; statement: string }>(
    'looking for what the owner role may write',
    WRITES,
    [owner],
  );
  for (const { kind, name, statement } of writes) {
    const answer = await answerTo(session, statement);
    if (answer === 'refused') continue;
    throw new CandidateUnproven(
      answer === 'done'
        ? `The candidate can do more than read: ${kind} ${name}.`
        : `Whether the candidate is refused ${kind} ${name} cannot be seen: the server answers SQLSTATE ${answer}.`,
    );
  }
}

/** What comes of a statement that is rolled back: `done`, `refused` for want of a right, or another SQLSTATE. */
async function answerTo(session: Session, statement: string): Promise<string> {
  try {
    await session.raw(`BEGIN TRANSACTION READ WRITE; ${LIMITS}; ${statement}`);
    return 'done';
  } catch (error) {
    if (isInsufficientPrivilege(error)) return 'refused';
    if (!(error instanceof DatabaseError) || isPassing(error)) throw queryFailure(error, 'trying to write');
    return error.code ?? 'unknown';
  } finally {
    // The connection may be gone; the server then rolls back by itself.
    await session.raw('ROLLBACK').catch(() => undefined);
  }
}

async function readIdentities(session: Session): Promise<Identities> {
  const [found] = await session.query<Identities>(
    'reading who the candidate is',
    `SELECT login.oid::text AS login, reader.oid::text AS reader,
            shobj_description(reader.oid, 'pg_authid') AS "readerComment",
            current_setting('server_version_num')::int AS "versionNumber"
       FROM pg_roles login, pg_roles reader WHERE login.rolname = session_user AND reader.rolname = current_user`,
  );
  return found as Identities;
}

/** As text: an oid fits no JavaScript integer type of the driver. */
async function oidOf(session: Session, name: string | undefined): Promise<string | undefined> {
  if (name === undefined) return undefined;
  const [found] = await session.query<{ oid: string }>(
    'reading a role',
    'SELECT oid::text AS oid FROM pg_roles WHERE rolname::text = $1',
    [name],
  );
  return found?.oid;
}
