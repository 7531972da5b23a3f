import { createHash } from 'node:crypto';
import { RetirementPending, SlotOccupied } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import type { AccountFacts } from './account.ts';
import { userOf } from './account-names.ts';

/**
 * Throws unless the candidate may be put at user `name`: nothing is there; or what this secret's ledger knows, is retired
 * and nobody can be using; or what an earlier try of this same rotation (`versionId`) made. An account cannot say who made
 * it: the ledger can.
 */
export function assertSlotFree(slot: {
  readonly name: string;
  readonly host: string;
  readonly accounts: readonly AccountFacts[];
  readonly sessions: number;
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
  if (!account.isLocked) throw new SlotOccupied(`User "${name}" should be retired, but somebody lets it log in.`);
  if (sessions > 0) {
    throw new SlotOccupied(`User "${name}" is retired, but ${sessions} of its sessions are still open.`);
  }
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
