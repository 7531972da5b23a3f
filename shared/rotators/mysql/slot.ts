import { createHash } from 'node:crypto';
import { RetirementPending, RotationEnded, SlotOccupied } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import type { AccountFacts } from './account.ts';
import { userOf } from './account-names.ts';
import { type Closing, isUnusable } from './stored-password.ts';

/**
 * Throws unless the candidate may be put at user `name`: nothing is there; or what this secret's ledger knows, Rekey has
 * closed and nobody can be using. Where the ledger has this very rotation (`versionId`) there, an account may also be what
 * an earlier try of it has made, or what somebody else has since: `install` knows it by the password.
 */
export function assertSlotFree(slot: {
  readonly name: string;
  readonly host: string;
  readonly accounts: readonly AccountFacts[];
  readonly sessions: number;
  readonly secretId: string;
  readonly versionId: string;
  readonly known: readonly KnownCredential[];
}): void {
  const { name, host, accounts, sessions } = slot;
  const here = slot.known.filter((entry) => userOf(entry.identity, entry.versionId) === name);
  const others = here.filter(({ versionId }) => versionId !== slot.versionId);
  if (others.some(({ state }) => state === 'grace')) {
    throw new RetirementPending(`User "${name}" is to be the candidate, but is still in its grace period.`);
  }
  if (others.some(({ state }) => state === 'current' || state === 'proposed')) {
    throw new SlotOccupied(`User "${name}" is to be the candidate, but another version of this secret uses it.`);
  }
  const [account] = accounts;
  if (account === undefined) return;
  if (here.length === 0) {
    throw new SlotOccupied(
      `User "${name}" exists, and the ledger of this secret does not know it: Rekey leaves it alone.`,
    );
  }
  const elsewhere = accounts.find((other) => other.host !== host);
  if (elsewhere !== undefined) {
    throw new SlotOccupied(
      `User "${name}" has an account for host "${elsewhere.host}" where the incumbent has "${host}": Rekey leaves it alone.`,
    );
  }
  if (here.length > others.length) return; // An earlier try of this rotation.
  assertClosed(account, slot.secretId);
  if (sessions > 0) {
    throw new SlotOccupied(`User "${name}" is retired, but ${sessions} of its sessions are still open.`);
  }
}

/**
 * Throws unless the candidate may take the place now, under the lock, where no account has its password: there is none, or
 * one that Rekey has closed, and it looks as `preflight` saw it (`fence`). A run that comes late finds it otherwise, or
 * closed for its own version: `RotationEnded`.
 */
export function assertStillFree(slot: {
  readonly name: string;
  readonly host: string;
  readonly accounts: readonly AccountFacts[];
  readonly fence: string | undefined;
  readonly closing: Closing;
}): void {
  const { name, host, accounts, fence = fenceOf([]), closing } = slot;
  if (accounts.some((account) => isMarked(account, closing))) {
    throw new RotationEnded(`User "${name}" has had the password of this rotation, which was ended.`);
  }
  if (fenceOf(accounts) !== fence) {
    throw new RotationEnded(`User "${name}" is not as this rotation found it: a later one has it.`);
  }
  for (const account of accounts) {
    assertClosed(account, closing.secretId);
    if (account.host !== host) throw new SlotOccupied(`User "${name}" has an account for host "${account.host}".`);
  }
}

/** Throws `SlotOccupied` unless Rekey has closed the account for this secret. */
export function assertClosed(account: AccountFacts, secretId: string): void {
  const { user } = account;
  if (!account.isLocked)
    throw new SlotOccupied(`User "${user}" should be retired, but somebody lets it log in, or has made it.`);
  if (isClosed(account, { secretId })) return;
  throw new SlotOccupied(
    `User "${user}" is locked, but not with the password that Rekey gives a user of this secret that it has closed: DROP USER it, if nobody needs it. A rotation makes it anew.`,
  );
}

/** Whether Rekey has closed the account for a version of this secret (for `versionId`, where that is given), all of it. */
export function isClosed(account: AccountFacts, of: Parameters<typeof isUnusable>[1]): boolean {
  const { isLocked, passwords, retained } = account;
  return isLocked && retained === undefined && passwords.length === 1 && isMarked(account, of);
}

/** Whether it has begun to: its first password is such a one. */
export function isMarked({ passwords: [first] }: AccountFacts, of: Parameters<typeof isUnusable>[1]): boolean {
  return first !== undefined && isUnusable(first, of);
}

/**
 * What accounts look like, as a text that changes with every password and lock; a closed account has a password drawn
 * at random, so no two are alike. Not to be stored.
 */
export function fenceOf(accounts: readonly AccountFacts[]): string {
  const looks = accounts.map(({ user, host, passwords, retained, isLocked, attributes }) => [
    user,
    host,
    passwords,
    retained ?? null,
    isLocked,
    attributes['rekey'] ?? null,
  ]);
  return createHash('sha256').update(JSON.stringify(looks)).digest('hex');
}
