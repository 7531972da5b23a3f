import { TransientFailure } from '../../errors.ts';
import { type DualAccount, readDual } from './dual-password.ts';
import { attributeClause, isSameRun, type Mark, readMoment } from './dual-mark.ts';
import type { Connector } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Ended, Ending } from './ending.ts';
import { fillCache } from './password-cache.ts';
import { endSessions, sessionNote } from './sessions.ts';
import { accountText } from './sql-text.ts';
import type { StoredPassword } from './stored-password.ts';

const SHARED = 'left open: they cannot be told from those of the password that goes on';

/**
 * Takes one of a user's two passwords away and leaves the survivor's: the retained one is discarded; the first one gives
 * its place to the retained one (a roll back). Which is which is seen by the hashes; where the value was never stored, by
 * the mark. A password that is neither is dead already.
 *
 * A crash between the two statements of a roll back leaves the survivor's password twice, which is one; the next run
 * takes the second away.
 */
export async function endPassword(
  ending: Ending & { readonly survivor: Credential; readonly connector: Connector },
): Promise<Ended> {
  const { session, flavour, input, user, survivor, connector } = ending;
  const dual = await readDual({ session, flavour, settings: input.settings }, user);
  const { account, primary, retained, mark } = dual;
  const name = accountText(account);
  const discarding = (left: string | undefined): string =>
    `ALTER USER ${name} DISCARD OLD PASSWORD${patched(mark, { primary: left })}`;
  const place = placeOf(ending, dual);
  const isSurvivor = (stored: StoredPassword | undefined): boolean =>
    stored !== undefined && flavour.isPasswordOf(stored, survivor.login.password.reveal());
  const left = { endedSessions: 0, mayLogIn: false, failedLogins: account.failedLogins };
  if (place === 'first') {
    if (retained === undefined || !isSurvivor(retained)) throw changed(user);
    const primary = input.survivorVersionId;
    await session.run('making the survivor the first password', [
      `ALTER USER ${name} ${flavour.identifiedBy(retained)}${patched(mark, { primary })}`,
      discarding(primary),
    ]);
    await fillCache(connector, retained, survivor);
    return { ...left, facts: { sessions: SHARED } };
  }
  if (place === 'retained' && !isSurvivor(primary)) throw changed(user);
  if (place === 'retained' || (retained === undefined && account.retained !== undefined)) {
    await session.run('discarding the old password', [discarding(mark?.primary)]);
  }
  if (!input.settings.endSessions) return { ...left, facts: { sessions: 'left open, as configured' } };
  if (!isSurvivor(primary) || mark === undefined || mark.installed.versionId !== input.survivorVersionId) {
    return { ...left, facts: { sessions: SHARED } };
  }
  return { ...left, ...(await endOlderSessions(ending, mark)) };
}

/** Where the password to end is. */
function placeOf(
  { flavour, input, value }: Ending,
  { primary, retained, mark }: DualAccount,
): 'first' | 'retained' | 'gone' {
  if (value === undefined) {
    // Never stored, so never set; unless the account says otherwise.
    if (mark?.primary === input.versionId && retained !== undefined) return 'first';
    return mark?.retained === input.versionId && retained !== undefined ? 'retained' : 'gone';
  }
  const plain = value.login.password.reveal();
  if (flavour.isPasswordOf(primary, plain)) return 'first';
  return retained !== undefined && flavour.isPasswordOf(retained, plain) ? 'retained' : 'gone';
}

/** Sessions that are older than the survivor's password were opened with one before it. */
async function endOlderSessions(
  { session, user }: Ending,
  { installed }: Mark,
): Promise<Pick<Ended, 'endedSessions' | 'facts'>> {
  if (!isSameRun(installed, await readMoment(session))) {
    return {
      endedSessions: 0,
      facts: { sessions: 'none left from before: the server was started anew, or is another' },
    };
  }
  const sessions = await endSessions(session, user, ({ id }) => id < installed.connection);
  const note = sessions.isAllowed ? 'those opened before the new password was set are ended' : sessionNote(sessions);
  return { endedSessions: sessions.ended, facts: { sessions: note } };
}

/** The mark is written only where there is one: an account that lost it is not given half of it. */
function patched(mark: Mark | undefined, change: { readonly primary: string | undefined }): string {
  return mark === undefined ? '' : attributeClause(change);
}

function changed(user: string): TransientFailure {
  return new TransientFailure(`User "${user}" got another password while one of its passwords was to be ended.`);
}
