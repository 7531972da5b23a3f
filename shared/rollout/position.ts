import { hash } from 'node:crypto';
import type { RolloutNotice } from './notice.ts';

/**
 * Where a consumer stands in the order of one rollout: 16 hexadecimal digits. Everybody computes it alike from public
 * ids, and it is another order in every rotation, so that nobody is always the canary.
 */
export function positionOf(rotationId: string, consumerId: string): string {
  return hash('sha256', `${rotationId}/${consumerId}`).slice(0, 16);
}

/** The batch (0, 1, …) that a position falls into; `undefined` behind the last one. */
export function batchOf({ bounds }: Pick<RolloutNotice, 'bounds'>, position: string): number | undefined {
  const batch = bounds.findIndex((bound) => position <= bound);
  return batch === -1 ? undefined : batch;
}

/** Whether the notice hands the candidate to this consumer now. */
export function isReleased(notice: RolloutNotice, consumerId: string): boolean {
  if (notice.state !== 'rolling') return false;
  const batch = batchOf(notice, positionOf(notice.rotationId, consumerId));
  return batch !== undefined && batch < notice.released;
}
