import type { SecretDeclaration } from '../config/declaration.ts';
import { withJitter } from '../config/jitter.ts';
import { approximateIntervalSeconds, nextDue } from '../config/schedule.ts';
import { RefusedByPolicy } from '../errors.ts';
import type { LedgerCredential } from '../registry/registry.ts';

const FIRST_RETRY_SECONDS = 5 * 60;
const LONGEST_RETRY_SECONDS = 6 * 3600;
/** A value that the target's policy refuses: another one is proposed soon, and so often. */
const ANOTHER_PROPOSAL_SECONDS = 60;
const PROPOSALS = 3;

type Declared = Pick<SecretDeclaration, 'schedule' | 'name' | 'scheduler'>;

/**
 * When the rotation after one that ended at `now` is due: by the schedule, spread by a jitter that depends on the name
 * (never, where Secrets Manager's scheduler has that task), and when two thirds of the life of a `current` credential
 * that ends by itself are over, if that is earlier.
 */
export function nextRotation(
  declaration: Declared,
  now: Date,
  current?: Pick<LedgerCredential, 'issuance' | 'expiresAt'>,
): Date | undefined {
  const { schedule, name, scheduler } = declaration;
  const scheduled =
    scheduler === 'secrets_manager'
      ? undefined
      : withJitter(nextDue(schedule, now), name, approximateIntervalSeconds(schedule));
  const { expiresAt, issuance } = current ?? {};
  if (expiresAt === undefined) return scheduled;
  const since = issuance?.since.getTime() ?? now.getTime();
  const renewal = Math.max(since + ((expiresAt.getTime() - since) * 2) / 3, now.getTime());
  return new Date(Math.min(scheduled?.getTime() ?? renewal, renewal));
}

/** How many values in a row the target's policy has refused when a rotation ended by `fault`: after three, from one again. */
export function refusalsAfter(fault: string | undefined, before: number): number {
  if (fault !== RefusedByPolicy.errorName) return 0;
  return before >= PROPOSALS ? 1 : before + 1;
}

/**
 * When to try again after `failures` failed rotations in a row: 5 min, 10, 20 … 6 h, and no later than the schedule says.
 * While what is current ends by itself: every 5 min. A value that the target's policy refused: after a minute with
 * another value, three in all (`refusals`, this one included; other failures do not count), also where Secrets Manager's
 * scheduler began; then not before the schedule, because no value of the declared policy will do. Never before `retryAt`,
 * when the provider answers again.
 */
export function nextTry(
  declaration: Declared,
  now: Date,
  last: {
    readonly failures: number;
    readonly refusals?: number;
    readonly fault?: string | undefined;
    readonly expiresAt?: Date | undefined;
    readonly retryAt?: Date | undefined;
  },
): Date | undefined {
  const { failures, refusals = 0, fault, expiresAt, retryAt = now } = last;
  const interval = approximateIntervalSeconds(declaration.schedule);
  const after = (seconds: number) =>
    new Date(Math.max(now.getTime() + Math.min(seconds, interval) * 1000, retryAt.getTime()));
  if (fault === RefusedByPolicy.errorName && expiresAt === undefined) {
    return refusals < PROPOSALS ? after(ANOTHER_PROPOSAL_SECONDS) : nextRotation(declaration, now);
  }
  if (expiresAt !== undefined) return after(FIRST_RETRY_SECONDS);
  if (declaration.scheduler === 'secrets_manager') return undefined; // It tries again by its own rules.
  return after(Math.min(FIRST_RETRY_SECONDS * 2 ** Math.min(failures - 1, 20), LONGEST_RETRY_SECONDS));
}
