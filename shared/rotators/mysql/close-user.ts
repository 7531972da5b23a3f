import { RefusedByPolicy } from '../../errors.ts';
import type { AccountFacts } from './account.ts';
import { userOf } from './account-names.ts';
import type { Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Ended, Ending } from './ending.ts';
import type { Flavour } from './flavour.ts';
import { endSessions, sessionNote, sessionsOf } from './sessions.ts';
import { accountText } from './sql-text.ts';
import { setPassword } from './two-users.ts';

/**
 * Locks the user's account that takes the value, gives it a password that nobody knows, and ends its sessions. Nothing is
 * dropped: it may be the definer of views and routines, and its turn comes again. An account that does not take the value
 * is somebody else's, or a later rotation's; without a value nothing is closed, because it was never set.
 */
export async function closeUser({ session, flavour, input, user, value }: Ending): Promise<Ended> {
  const { settings, known = [], versionId } = input;
  const accounts = await flavour.readAccounts(session, user);
  if (accounts.length === 0)
    return { endedSessions: 0, facts: { user: 'it does not exist' }, mayLogIn: false, failedLogins: 0 };
  const isMeant = (account: AccountFacts): boolean => value !== undefined && takes(flavour, account, value);
  for (const account of accounts.filter(isMeant)) await close(session, flavour, account);
  const isOpen = accounts.some((account) => !account.isLocked && !isMeant(account));
  if (isOpen) {
    const isAnothers = known.some(
      (entry) =>
        entry.versionId !== versionId && entry.state !== 'retired' && userOf(entry.identity, entry.versionId) === user,
    );
    const note = isAnothers ? 'it is installed for another version' : 'it is not this credential';
    return { endedSessions: 0, facts: { user: `${note}: left alone` }, mayLogIn: !isAnothers, failedLogins: 0 };
  }
  if (!settings.endSessions) {
    const open = await sessionsOf(session, user);
    return {
      endedSessions: 0,
      facts: { sessions: `${open.length} left open, as configured` },
      mayLogIn: false,
      failedLogins: 0,
    };
  }
  const sessions = await endSessions(session, user);
  return {
    endedSessions: sessions.ended,
    facts: { sessions: sessionNote(sessions) },
    mayLogIn: false,
    failedLogins: 0,
  };
}

function takes(flavour: Flavour, { passwords, retained }: AccountFacts, { login }: Credential): boolean {
  const plain = login.password.reveal();
  return [...passwords, retained].some((stored) => stored !== undefined && flavour.isPasswordOf(stored, plain));
}

/** Locked first: that is what ends it. The rest is for a person who unlocks it. */
async function close(session: Session, flavour: Flavour, account: AccountFacts): Promise<void> {
  const name = accountText(account);
  await session.run('locking the user', [`ALTER USER ${name} ACCOUNT LOCK`]);
  try {
    await setPassword(session, 'making its password unusable', [
      `ALTER USER ${name} ${flavour.identifiedBy(flavour.unusable(account.passwords))}`,
      ...(account.retained === undefined ? [] : [`ALTER USER ${name} DISCARD OLD PASSWORD`]),
    ]);
  } catch (error) {
    // A server that takes no hashes (any more): the lock does it.
    if (!(error instanceof RefusedByPolicy)) throw error;
  }
}
