import type { SecretDeclaration } from '../config/declaration.ts';
import { withJitter } from '../config/jitter.ts';
import { approximateIntervalSeconds, nextDue } from '../config/schedule.ts';

const FIRST_RETRY_SECONDS = 5 * 60;
const LONGEST_RETRY_SECONDS = 6 * 3600;

/** When the rotation after one that ended at `now` is due: by the schedule, spread by a jitter that depends on the name. */
export function nextRotation(declaration: SecretDeclaration, now: Date): Date {
  const { schedule, name } = declaration;
  return withJitter(nextDue(schedule, now), name, approximateIntervalSeconds(schedule));
}

/** When to try again after `failures` failed rotations in a row: 5 min, 10, 20 … 6 h, and no later than the schedule says. */
export function nextTry(declaration: SecretDeclaration, failures: number, now: Date): Date {
  const backoff = Math.min(FIRST_RETRY_SECONDS * 2 ** Math.min(failures - 1, 20), LONGEST_RETRY_SECONDS);
  const seconds = Math.min(backoff, approximateIntervalSeconds(declaration.schedule));
  return new Date(now.getTime() + seconds * 1000);
}
