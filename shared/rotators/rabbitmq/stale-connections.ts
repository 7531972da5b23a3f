import type { Clock } from '../../clock.ts';
import { isInStatistics, readConnections } from './broker-user.ts';
import type { Management } from './management.ts';

/*
 * The broker's list of a user's connections has a fault: each is entered and taken out by a process of its own, in no order
 * (https://github.com/rabbitmq/rabbitmq-server/blob/v3.10.8/deps/rabbit/src/rabbit_connection_tracking.erl, update_tracked).
 * One that closes right after it opens may be taken out before it is entered: then it is listed until the node restarts,
 * and a request to close it is answered with success. The statistics do not have it.
 */

/** In milliseconds: one interval of the statistics, and some more. A connection listed for so long is in them, or is none. */
export const STATISTICS_MILLISECONDS = 6_000;

/** Whether none of `listed`, each listed for `STATISTICS_MILLISECONDS` at least, is open. Stops at the first that is. */
export async function areAllStale(management: Management, name: string, listed: Iterable<string>): Promise<boolean> {
  for (const connection of listed) {
    if (await isInStatistics(management, name, connection)) return false;
  }
  return true;
}

/** A user's list: as it is where one of them is open; else what is left of it are entries of the past. */
export interface Listed {
  readonly open: readonly string[];
  readonly stale: readonly string[];
}

/**
 * Tells entries of the past from connections that are open, of a user who opens no more. Takes `STATISTICS_MILLISECONDS`
 * where the statistics have none of what is listed, else a few requests at most.
 */
export async function withoutStale(
  management: Management,
  name: string,
  { listed, clock }: { readonly listed: readonly string[]; readonly clock: Clock },
): Promise<Listed> {
  if (listed.length === 0 || !(await areAllStale(management, name, listed))) return { open: listed, stale: [] };
  await clock.sleep(STATISTICS_MILLISECONDS);
  const before = new Set(listed);
  const now = (await readConnections(management, name)) ?? [];
  const isStale = now.every((connection) => before.has(connection)) && (await areAllStale(management, name, now));
  return isStale ? { open: [], stale: now } : { open: now, stale: [] };
}
