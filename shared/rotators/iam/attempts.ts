import { TransientFailure } from '../../errors.ts';
import type { Issuance, KnownCredential } from '../rotator.ts';

/** From the journal's write to the request: one save, and an attempt that is not the first looks around before. */
const ASKED_MILLISECONDS = 15_000;
/** From one attempt to the next: the function's 60 s, then 2, 4, 8, 16 s of waiting (`infra/retry-policies.ts`). */
const NEXT_MILLISECONDS = 75_000;
/** A request is given up after 5 s without a connection, or 10 s without an answer (`ONCE`). */
const ANSWERED_MILLISECONDS = 15_000;

/** When the last of so many attempts asks IAM for a key at the latest. */
function askedUntil({ since }: Issuance, attempts: number): number {
  return since.getTime() + ASKED_MILLISECONDS + (attempts - 1) * NEXT_MILLISECONDS;
}

/** When the key of the last of so many attempts was made at the latest: 30 s after the first began, 330 s with five. */
export function madeUntil(issuance: Issuance, attempts: number): number {
  return askedUntil(issuance, attempts) + ANSWERED_MILLISECONDS;
}

/**
 * Throws where it is too late to ask: IAM's keys have no names, so what a request makes is known later only by the time in
 * which it was asked for. No key of ours is outside of that time.
 */
export function assertInTime(issuance: Issuance, now: Date): void {
  if (now.getTime() <= askedUntil(issuance, issuance.attempts)) return;
  throw new TransientFailure('This attempt has come too late to ask IAM for a key: it would not be known for ours.');
}

/**
 * When the key of a version of the ledger was made at the latest: an instant long past for one that was there before
 * Rekey; `undefined`: the ledger does not say.
 */
export function madeBy(entry: KnownCredential | undefined): number | undefined {
  if (entry === undefined) return undefined;
  if (entry.issuance !== undefined) return madeUntil(entry.issuance, Math.max(1, entry.issuance.attempts));
  return entry.since === undefined ? 0 : undefined;
}
