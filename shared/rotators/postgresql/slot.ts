import { RetirementPending, RotationEnded, SlotOccupied } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import type { RoleFacts } from './role-facts.ts';
import { type Installation, readManaged } from './role-names.ts';

/**
 * Throws unless the candidate may be put at `name`: nothing is there; or a role that Rekey made for this secret, has
 * retired and nobody can be using; or what an earlier try of this same rotation (`versionId`) made.
 */
export function assertSlotFree(slot: {
  readonly name: string;
  readonly role: RoleFacts | undefined;
  readonly secretId: string;
  readonly versionId: string;
  readonly known: readonly KnownCredential[];
}): void {
  const { name, role } = slot;
  const here = slot.known.filter(({ identity }) => identity === name);
  const others = here.filter(({ versionId }) => versionId !== slot.versionId);
  if (others.some(({ state }) => state === 'grace')) {
    throw new RetirementPending(`Role "${name}" is to be the candidate, but is still in its grace period.`);
  }
  if (others.some(({ state }) => state === 'current' || state === 'proposed')) {
    throw new SlotOccupied(`Role "${name}" is to be the candidate, but another version of this secret uses it.`);
  }
  if (role === undefined) return;
  assertOurs(role, slot.secretId);
  if (here.length === 0) {
    throw new SlotOccupied(
      `Role "${name}" exists, and the ledger of this secret does not know it: Rekey leaves it alone.`,
    );
  }
  if (here.length > others.length) return; // An earlier try of this rotation.
  if (role.canLogin) throw new SlotOccupied(`Role "${name}" should be retired, but somebody lets it log in.`);
  if (role.sessions > 0) {
    throw new SlotOccupied(`Role "${name}" is retired, but ${role.sessions} of its sessions are still open.`);
  }
}

/** Throws `SlotOccupied` for a role that does not carry this secret's comment. Rekey changes no role of others. */
export function assertOurs(role: RoleFacts, secretId: string): void {
  if (readManaged(role.comment, secretId) !== undefined) return;
  throw new SlotOccupied(`Role "${role.name}" exists and was not made by Rekey for this secret (by its comment).`);
}

/**
 * Throws `RotationEnded` when the role was last installed for this rotation and has been ended since, or for another one
 * that did not start before this one: that one has this one's place, because a rotation begins when the one before has ended. To be asked when it is one's turn,
 * in the transaction that writes.
 *
 * Starts come from different clocks, but in their order: whoever begins a rotation puts its start after that of the one
 * before, which the registry has. Only where the registry was lost in between do the clocks alone decide; to take the
 * earlier rotation for the later, they must differ by more than the time between the two.
 */
export function assertNotOver(role: RoleFacts, secretId: string, rotation: Installation): void {
  const installed = readManaged(role.comment, secretId)?.installed;
  if (installed === undefined) return;
  if (installed.versionId === rotation.versionId) {
    if (installed.hasEnded !== true) return;
    throw new RotationEnded(`Role "${role.name}" was installed for this rotation, and its credential has been ended.`);
  }
  if (installed.startedAt < rotation.startedAt) return;
  throw new RotationEnded(`Role "${role.name}" is installed for a later rotation, ${installed.versionId}.`);
}
