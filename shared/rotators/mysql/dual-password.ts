import { RetirementPending, RotationEnded, SlotOccupied, TransientFailure } from '../../errors.ts';
import type { InstallInput, InstallReport, KnownCredential, Preflight, PreflightInput } from '../rotator.ts';
import type { AccountFacts } from './account.ts';
import { passwordIdentity, userFor, userOf } from './account-names.ts';
import { incumbentRefused } from './administrator.ts';
import type { Connector } from './connect.ts';
import type { Credential } from './credential-json.ts';
import { attributeClause, type Mark, markAfter, readMark, readMoment } from './dual-mark.ts';
import { giveGrants } from './give-grants.ts';
import { readGrants } from './grants.ts';
import { assertFillsCache, fillCache } from './password-cache.ts';
import { assertMet, readServerPolicy } from './password-policy.ts';
import { assertClosed, assertStillFree, fenceOf } from './slot.ts';
import { type AccountName, accountText } from './sql-text.ts';
import type { StoredPassword } from './stored-password.ts';
import { hashedPlugin, onlyAccount, readModel } from './two-users.ts';
import type { Work } from './work.ts';

/** A user with the passwords that open it now. */
export interface DualAccount {
  readonly account: AccountFacts;
  readonly primary: StoredPassword;
  /** The retained one, if it is another. */
  readonly retained: StoredPassword | undefined;
  readonly mark: Mark | undefined;
}

/** The user's one account, its passwords and its mark. Throws for a user that Rekey cannot rotate so. */
export async function readDual(
  work: Pick<Work, 'session' | 'flavour' | 'settings'>,
  user: string,
): Promise<DualAccount> {
  const { session, flavour, settings } = work;
  const account = onlyAccount(await flavour.readAccounts(session, user), user);
  hashedPlugin(flavour, account);
  const [primary] = account.passwords as readonly [StoredPassword];
  // Both alike: a roll back that died between its two statements. It is one password.
  const retained = account.retained?.hash === primary.hash ? undefined : account.retained;
  return { account, primary, retained, mark: readMark(account, settings.secretId) };
}

/** The place of the candidate: beside the incumbent, on the same user. Reads only. */
export async function preflightDualPassword(
  work: Work & { readonly input: PreflightInput },
): Promise<Omit<Preflight, 'facts'>> {
  const { session, input, incumbent, flavour } = work;
  const { versionId, incumbentVersionId, known } = input;
  if (incumbent === undefined) return preflightFirst(work);
  const user = incumbent.username;
  const { account, primary, retained, mark } = await readDual(work, user);
  assertFillsCache(session, primary, incumbent);
  const isKnown = (state: KnownCredential['state'], of?: string): boolean =>
    known.some((entry) => {
      const isOther = entry.versionId !== versionId && entry.versionId !== incumbentVersionId;
      const isHere = userOf(entry.identity, entry.versionId) === user;
      return isOther && isHere && entry.state === state && (of === undefined || entry.versionId === of);
    });
  if (isKnown('grace')) {
    throw new RetirementPending(`User "${user}" still has its previous password, which is in its grace period.`);
  }
  if (isKnown('proposed')) {
    throw new SlotOccupied(
      `User "${user}" is to get another password, but another version of this secret gives it one.`,
    );
  }
  const password = incumbent.login.password.reveal();
  const isPrimary = flavour.isPasswordOf(primary, password);
  if (!isPrimary && (retained === undefined || !flavour.isPasswordOf(retained, password))) throw incumbentRefused(user);
  // The one of the two that is not the incumbent's: this rotation's own, or one that the ledger says is dead.
  const other = isPrimary ? mark?.retained : mark?.primary;
  const isOurs = other !== undefined && (other === versionId || isKnown('retired', other));
  if (retained !== undefined && !isOurs) {
    throw new SlotOccupied(
      `User "${user}" has two passwords, and the ledger of this secret does not know the other one: ALTER USER … DISCARD OLD PASSWORD, if nobody needs it.`,
    );
  }
  return {
    candidate: passwordIdentity(user, versionId),
    incumbent: passwordIdentity(user, incumbentVersionId),
    fence: fenceOf([account]),
  };
}

/**
 * Gives the user the candidate's password as its first, and keeps the incumbent's as the retained one, in one statement
 * with the mark. A login puts the incumbent's back into the server's cache (`fillCache`; the candidate's own comes with its
 * test); then another statement writes down which sessions were open. The server is given the password's hash, never the
 * password.
 *
 * Twice is harmless: where the candidate's hash is there, none is set (retaining again would lose the incumbent's). A run
 * that comes late is refused (`RotationEnded`): the mark says which rotation was the last to set a password, also when
 * that one was rolled back.
 */
export async function installDualPassword(
  work: Work & { readonly input: InstallInput; readonly candidate: Credential; readonly connector: Connector },
): Promise<InstallReport> {
  const { session, flavour, input, incumbent, candidate, connector } = work;
  const { versionId, startedAt, incumbentVersionId } = input;
  const plain = candidate.login.password.reveal();
  if (incumbent === undefined) return installFirst(work);
  const { account, primary, retained, mark } = await readDual(work, candidate.username);
  assertNotOvertaken(account, mark, input);
  const stored = flavour.storedFor(primary.plugin, plain, versionId);
  const kept = incumbent.login.password.reveal();
  const isPrimary = flavour.isPasswordOf(primary, kept);
  const isThere = isPrimary || (retained !== undefined && flavour.isPasswordOf(retained, kept));
  if ([primary, retained].some((password) => password?.hash === stored.hash)) {
    // Not so when it was retired since.
    if (isThere) await fillCache(connector, primary, incumbent);
    if (mark?.installed.versionId === versionId && mark.installed.isBefore === true) await markAfter(session, account);
    return { facts: { password: 'already set' } };
  }
  assertNotEnded(account, mark, input);
  assertMet(await readServerPolicy(session), plain);
  if (!isThere) throw incumbentRefused(candidate.username);
  // A second password was looked at by preflight, which has the ledger: it must be that one.
  if (fenceOf([account]) !== (input.fence ?? (retained === undefined ? fenceOf([account]) : ''))) {
    throw new TransientFailure(`User "${candidate.username}" got another password while this rotation began.`);
  }
  const name = accountText(account);
  if (!isPrimary && retained !== undefined) {
    // A dead rotation's password is the first one: the incumbent's takes its place, so that it is what is retained next.
    const attribute = mark === undefined ? '' : attributeClause({ primary: incumbentVersionId });
    await session.run('making the incumbent the first password', [
      `ALTER USER ${name} ${flavour.identifiedBy(retained)}${attribute}`,
    ]);
  }
  const installed = { versionId, startedAt, ...(await readMoment(session)), isBefore: true };
  const secret = work.settings.secretId;
  const attribute = attributeClause({ secret, primary: versionId, retained: incumbentVersionId, installed });
  await session.run('setting the password', [
    `ALTER USER ${name} ${flavour.identifiedBy(stored)} RETAIN CURRENT PASSWORD${attribute}`,
  ]);
  await fillCache(connector, stored, incumbent);
  await markAfter(session, account);
  return { facts: { password: 'set beside the incumbent' } };
}

/** A secret without a value: the user itself is made, under a name that follows from the secret's. */
async function preflightFirst(work: Work & { readonly input: PreflightInput }): Promise<Omit<Preflight, 'facts'>> {
  const { session, flavour, settings, input } = work;
  const user = userFor(settings.secretId, flavour.nameCharacters);
  const accounts = await flavour.readAccounts(session, user);
  const [account] = accounts;
  const isKnown = input.known.some((entry) => userOf(entry.identity, entry.versionId) === user);
  if (account !== undefined && !(isKnown && readMark(account, settings.secretId) !== undefined)) {
    throw new SlotOccupied(`User "${user}" exists and was not made by Rekey for this secret (by its ATTRIBUTE).`);
  }
  const own = input.known.some(({ versionId, state }) => versionId === input.versionId && state === 'proposed');
  if (account !== undefined && !own) assertClosed(account, settings.secretId);
  await readModel(work);
  return { candidate: passwordIdentity(user, input.versionId), incumbent: undefined, fence: fenceOf(accounts) };
}

async function installFirst(
  work: Work & { readonly input: InstallInput; readonly candidate: Credential },
): Promise<InstallReport> {
  const { session, flavour, input, candidate, settings } = work;
  const { versionId, startedAt } = input;
  const model = await readModel(work);
  const name: AccountName = { user: candidate.username, host: model.host };
  const accounts = await flavour.readAccounts(session, name.user);
  const account = accounts.find(({ host }) => host === name.host);
  const plain = candidate.login.password.reveal();
  const stored = flavour.storedFor(model.plugin, plain, versionId);
  const isOurs = account?.passwords[0]?.hash === stored.hash;
  if (isOurs && !account.isLocked) return { facts: { user: 'already there', host: name.host } };
  if (!isOurs) {
    const closing = { secretId: settings.secretId, versionId };
    assertStillFree({ name: name.user, host: name.host, accounts, fence: input.fence, closing });
  }
  assertMet(await readServerPolicy(session), plain);
  const installed = { versionId, startedAt, ...(await readMoment(session)) };
  const attribute = attributeClause({ secret: settings.secretId, primary: versionId, installed });
  const verb = account === undefined ? 'CREATE' : 'ALTER';
  const limits = account === undefined ? ` ${model.limits}` : '';
  await session.run('making the user', [
    `${verb} USER ${accountText(name)} ${flavour.identifiedBy(stored)}${limits} ACCOUNT LOCK${attribute}`,
  ]);
  await giveGrants(session, name, { have: await readGrants(session, name), want: model.grants });
  await session.run('opening the user', [
    ...flavour.setDefaultRoles(name, model.defaultRoles),
    `ALTER USER ${accountText(name)} ACCOUNT UNLOCK`,
  ]);
  return { facts: { user: account === undefined ? 'created' : 'reused', host: name.host } };
}

/** Throws `RotationEnded` when this very rotation has set its password before, and it is not there any more. */
function assertNotEnded({ user }: AccountName, mark: Mark | undefined, { versionId }: InstallInput): void {
  if (mark?.installed.versionId !== versionId) return;
  throw new RotationEnded(`User "${user}" has had the password of this rotation, which was ended.`);
}

/**
 * Throws `RotationEnded` when the last rotation to set a password was another one that did not start before this one:
 * starts are in the order of the rotations. To be asked when it is one's turn.
 */
function assertNotOvertaken({ user }: AccountName, mark: Mark | undefined, input: InstallInput): void {
  if (mark === undefined || mark.installed.versionId === input.versionId) return;
  if (mark.installed.startedAt < input.startedAt) return;
  throw new RotationEnded(`User "${user}" has had its password set for a later rotation, ${mark.installed.versionId}.`);
}
