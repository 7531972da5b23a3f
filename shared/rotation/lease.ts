import { LeaseHeld } from '../errors.ts';
import type { Lease, SecretRecord } from '../registry/registry.ts';

/**
 * How long a lease lives without a sign of its holder. Every step renews it; a step's function is stopped after 60 s,
 * so nothing still runs for a holder whose lease has expired. A scheduler run puts the due time as far ahead, so a
 * rotation that never began, or died, comes up again by itself.
 */
export const LEASE_SECONDS = 15 * 60;
/** By then a function that had begun has surely ended: its own 60 s, and what clocks differ by. */
const ENDED_SECONDS = 65;

/** Whether somebody has the lease of this secret now. */
export function isLeased({ lease }: Pick<SecretRecord, 'lease'>, now: Date): boolean {
  return lease !== undefined && lease.expiresAt > now;
}

/**
 * The record with the lease given to, or renewed for, `holder`. Throws `LeaseHeld` while another one has it. Renewed it is
 * always another one, also within a millisecond: by that a step sees that another one of its rotation has begun.
 */
export function withLease(record: SecretRecord, holder: string, now: Date): SecretRecord {
  const { lease } = record;
  if (lease !== undefined && lease.holder !== holder && isLeased(record, now)) {
    throw new LeaseHeld(`Another run is changing "${record.secretId}" until ${lease.expiresAt.toISOString()}.`);
  }
  const before = lease?.holder === holder ? lease.expiresAt.getTime() : 0;
  return {
    ...record,
    lease: { holder, expiresAt: new Date(Math.max(now.getTime() + LEASE_SECONDS * 1000, before + 1)) },
  };
}

/**
 * The record without `mine`, the lease that one of several tries under the same holder's name took in place of `before`.
 * Where another try has taken it since, it is that one's. Where `before` was another try's, which may be at work still, it
 * stays until that has surely ended.
 */
export function withLeaseGivenBack(
  record: SecretRecord,
  { mine, before }: { readonly mine: Lease; readonly before: Lease | undefined },
  now: Date,
): SecretRecord {
  const { lease } = record;
  if (lease?.holder !== mine.holder || lease.expiresAt.getTime() !== mine.expiresAt.getTime()) return record;
  if (before?.holder !== mine.holder) return { ...record, lease: undefined };
  const ended = before.expiresAt.getTime() + (ENDED_SECONDS - LEASE_SECONDS) * 1000;
  return { ...record, lease: ended > now.getTime() ? { ...lease, expiresAt: new Date(ended) } : undefined };
}

/** The record without the lease, if `holder` has it. */
export function withoutLease(record: SecretRecord, holder: string): SecretRecord {
  return record.lease?.holder === holder ? { ...record, lease: undefined } : record;
}
