import { createHash } from 'node:crypto';

const SHARE = 0.05;
const MAX_SECONDS = 3600;
const MIN_INTERVAL_SECONDS = 600;

/**
 * The due time moved later by whole seconds that depend only on `key`, so that secrets of one file do not all rotate
 * in the same minute and a repeated computation agrees. Up to 5 % of the interval, at most 1 hour; none under 10 minutes.
 */
export function withJitter(due: Date, key: string, intervalSeconds: number): Date {
  if (intervalSeconds < MIN_INTERVAL_SECONDS) return due;
  const spreadSeconds = Math.min(intervalSeconds * SHARE, MAX_SECONDS);
  const share = createHash('sha256').update(key).digest().readUIntBE(0, 6) / 2 ** 48;
  return new Date(due.getTime() + Math.floor(share * spreadSeconds) * 1000);
}
