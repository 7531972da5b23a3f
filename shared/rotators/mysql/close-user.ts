import { RefusedByPolicy } from '../../errors.ts';
import type { AccountFacts } from './account.ts';
import { userOf } from './account-names.ts';
import type { Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Ended, Ending } from './ending.ts';
import type { Flavour } from './flavour.ts';
import { mayLetIn } from './host-pattern.ts';
import { endSessions, type OpenSession, sessionNote, sessionsOf } from './sessions.ts';
import { isClosed, isMarked } from './slot.ts';
import { accountText } from './sql-text.ts';
import type { Closing } from './stored-password.ts';
import { setPassword } from './two-users.ts';

/**
 * Locks the user's account that takes the value, gives it a password that nobody knows, and ends its sessions. Nothing is
 * dropped: it may be the definer of views and routines, and its turn comes again. An account that does not take the value
 * is somebody else's, or a later rotation's; without a value nothing is closed, because it was never set. A closed one that
 * was to be the candidate's is closed anew, for its version: an install that comes late sees that it is over.
 */
export async function closeUser({ session, flavour, input, user, value }: Ending): Promise<Ended> {
  const { settings, known = [], versionId } = input;
  const { secretId, endSessions: isEnding } = settings;
  const closing = { secretId, versionId };
  const accounts = await flavour.readAccounts(session, user);
  const left = { endedSessions: 0, mayLogIn: false, failedLogins: 0 };
  if (accounts.length === 0) return { ...left, facts: { user: 'it does not exist' } };
  // Also those that an earlier try has begun to close.
  const isMeant = (account: AccountFacts): boolean =>
    isMarked(account, closing) || (value !== undefined && takes(flavour, account, value));
  const meant = accounts.filter(isMeant);
  const wasProposed = known.some((entry) => entry.versionId === versionId && entry.state === 'proposed');
  const waiting = accounts.filter((account) => wasProposed && isClosed(account, { secretId }));
  for (const account of new Set([...meant, ...waiting])) {
    if (!isClosed(account, closing)) await close(session, flavour, { account, closing });
  }

  const open = accounts.filter((account) => !account.isLocked && !isMeant(account));
  const isAnothers = known.some(
    (entry) =>
      entry.versionId !== versionId && entry.state !== 'retired' && userOf(entry.identity, entry.versionId) === user,
  );
  const note = `${isAnothers ? 'it is installed for another version' : 'it is not this credential'}: left alone`;
  if (open.length > 0 && meant.length === 0) return { ...left, facts: { user: note }, mayLogIn: !isAnothers };
  const hosts = open.map(({ host }) => host);
  const facts = open.length === 0 ? {} : { user: `closed; for host ${hosts.join(', ')} ${note}` };
  // A session does not say by which account it was let in, only where its client is.
  const isInDoubt = ({ client }: OpenSession): boolean => hosts.some((host) => mayLetIn(host, client));
  if (!isEnding) {
    const { length } = await sessionsOf(session, user);
    return { ...left, facts: { ...facts, sessions: `${length} left open, as configured` } };
  }
  const sessions = await endSessions(session, user, (one) => !isInDoubt(one));
  const doubtful = (await sessionsOf(session, user)).filter(isInDoubt).length;
  const rest = doubtful === 0 ? '' : `; ${doubtful} left open, which may be of the other account`;
  return { ...left, endedSessions: sessions.ended, facts: { ...facts, sessions: `${sessionNote(sessions)}${rest}` } };
}

function takes(flavour: Flavour, { passwords, retained }: AccountFacts, { login }: Credential): boolean {
  const plain = login.password.reveal();
  return [...passwords, retained].some((stored) => stored !== undefined && flavour.isPasswordOf(stored, plain));
}

/** Locked first: that is what ends it. The rest is for a person who unlocks it. */
async function close(
  session: Session,
  flavour: Flavour,
  { account, closing }: { readonly account: AccountFacts; readonly closing: Closing },
): Promise<void> {
  const name = accountText(account);
  await session.run('locking the user', [`ALTER USER ${name} ACCOUNT LOCK`]);
  try {
    await setPassword(session, 'making its password unusable', [
      `ALTER USER ${name} ${flavour.identifiedBy(flavour.unusable(account.passwords, closing))}`,
      ...(account.retained === undefined ? [] : [`ALTER USER ${name} DISCARD OLD PASSWORD`]),
    ]);
  } catch (error) {
    // A server that takes no hashes (any more): the lock does it.
    if (!(error instanceof RefusedByPolicy)) throw error;
  }
}
