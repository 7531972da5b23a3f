import type { Wait } from './wait.ts';

/**
 * IAM tells its changes to the hosts of AWS one after the other, and AWS gives no number for how long that takes:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency
 * Published: 3 to 4 s until a deleted key is refused (OFFENSAI); for a new key 5 s on average (hashicorp/vault#687), "5-10
 * seconds (or more)" (Vault's page of its AWS secrets engine), 15 s as what helps (aws/aws-sdk-js#559).
 */
export const SPREAD_MILLISECONDS = 15_000;

/** Between two questions whose answers may come from hosts that know different things. */
export const APART_MILLISECONDS = 3_000;

/**
 * Refusals in a row by which a key is dead: they span 12 s, three times what was seen of deleted keys, and as many as a new
 * key has to be accepted by default (`shared/config`).
 */
export const REFUSALS_IN_A_ROW = 5;

/**
 * What one call of the rotator may wait in all: two thirds of a phase's function. A young key takes 15 s until its
 * refusals count and 12 s of refusals. What needs longer is tried again: `TransientFailure`.
 */
export const LONGEST_WAIT_MILLISECONDS = 40_000;

/**
 * When, by `wait`, every host of AWS knows a key that was made at this instant at the latest (unknown: now). Nobody has a
 * key that is yet to be made, so that is never longer than the spreading itself.
 */
export function settled(wait: Wait, madeUntil: number | undefined): number {
  const spread = wait.elapsedMilliseconds + SPREAD_MILLISECONDS;
  return madeUntil === undefined ? spread : Math.min(spread, wait.elapsedAt(madeUntil + SPREAD_MILLISECONDS));
}
