import { RetirementPending, RotationEnded, SlotOccupied } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import { type BrokerUser, hashDigest } from './broker-user.ts';
import { isEnded, isHashOf } from './password-hash.ts';

/**
 * Throws unless the candidate may be put at `name`: nobody is there; or a user that the ledger knows, whose credential
 * has ended and who has no connection; or what an earlier try of this same rotation (`versionId`) made.
 */
export function assertSlotFree(slot: {
  readonly name: string;
  readonly user: BrokerUser | undefined;
  readonly openConnections: number;
  readonly versionId: string;
  /** What an earlier try has stored for the place. */
  readonly password: string | undefined;
  readonly known: readonly KnownCredential[];
}): void {
  const { user, openConnections, password } = slot;
  const name = JSON.stringify(slot.name);
  const here = slot.known.filter(({ identity }) => identity === slot.name);
  const others = here.filter(({ versionId }) => versionId !== slot.versionId);
  if (others.some(({ state }) => state === 'grace')) {
    throw new RetirementPending(`User ${name} is to be the candidate, but is still in its grace period.`);
  }
  if (others.some(({ state }) => state === 'current' || state === 'proposed')) {
    throw new SlotOccupied(`User ${name} is to be the candidate, but another version of this secret uses it.`);
  }
  if (user === undefined) return;
  if (here.length === 0) {
    throw new SlotOccupied(
      `User ${name} exists (open connections: ${openConnections}), and the ledger of this secret does not know it: Rekey leaves it alone.`,
    );
  }
  if (here.length > others.length) {
    // Not to be found out by install alone, for which the place has only changed hands.
    if (isEnded(user) || (password !== undefined && isHashOf(user, password) === true)) return;
    throw new SlotOccupied(`User ${name} was to be the candidate, but somebody has made a user of that name.`);
  }
  if (!isEnded(user)) throw new SlotOccupied(`User ${name} should be retired, but somebody has given it a password.`);
  if (openConnections > 0) {
    throw new SlotOccupied(`User ${name} is retired, but ${openConnections} of its connections are still open.`);
  }
}

/**
 * What `install` finds again where nothing has happened since: nobody, or a user whose credential has ended, and which
 * one. A user with a password is no place for a candidate.
 */
export function fenceOf(user: BrokerUser | undefined): string {
  if (user === undefined) return 'absent';
  return isEnded(user) ? `ended ${hashDigest(user)}` : IN_USE;
}
const IN_USE = 'in use';

/**
 * Throws `RotationEnded` unless the place is as preflight saw it, or holds the candidate of this very rotation already:
 * a later rotation has it, or its credential has come and gone, or somebody has made a user of that name.
 */
export function assertNotOvertaken(slot: {
  readonly name: string;
  readonly user: BrokerUser | undefined;
  readonly fence: string | undefined;
  readonly password: string;
}): void {
  if (slot.user !== undefined && isHashOf(slot.user, slot.password) === true) return;
  const found = fenceOf(slot.user);
  if (found !== IN_USE && found === slot.fence) return;
  throw new RotationEnded(`User ${JSON.stringify(slot.name)} has changed since this rotation began: it is another's.`);
}
