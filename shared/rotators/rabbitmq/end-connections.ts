import type { Clock } from '../../clock.ts';
import { StillAlive } from '../../errors.ts';
import { readConnections } from './broker-user.ts';
import type { Management } from './management.ts';
import { areAllStale, STATISTICS_MILLISECONDS } from './stale-connections.ts';

const PAUSE_MILLISECONDS = 150;
/** Looks in a row that must find nothing. */
const QUIET_LOOKS = 4;
const LIMIT_MILLISECONDS = 15_000;

/** What became of a user's connections. */
export interface EndedConnections {
  readonly ended: number;
  /** Entries of the broker's list that are of the past: they stay in it until the broker restarts. */
  readonly stale: number;
}

/**
 * Ends every connection of a user to whom no more are opened, of every protocol. A login that the broker had let through a
 * moment before is listed as a connection a few milliseconds later: so it looks again until there has been nothing for
 * half a second. Throws `StillAlive` when that does not come, unless the broker's own statistics say that what it lists is
 * not there.
 */
export async function endConnections(management: Management, name: string, clock: Clock): Promise<EndedConnections> {
  const deadline = clock.now().getTime() + LIMIT_MILLISECONDS;
  const firstSeen = new Map<string, number>();
  for (let quiet = 0; ; ) {
    const open = (await readConnections(management, name)) ?? [];
    const now = clock.now().getTime();
    for (const connection of open) firstSeen.set(connection, firstSeen.get(connection) ?? now);
    quiet = open.length === 0 ? quiet + 1 : 0;
    if (quiet === QUIET_LOOKS) return { ended: firstSeen.size, stale: 0 };
    if (open.length > 0) {
      if (now > deadline) {
        const isOld = open.every((connection) => now - (firstSeen.get(connection) ?? now) >= STATISTICS_MILLISECONDS);
        if (isOld && (await areAllStale(management, name, open))) {
          return { ended: firstSeen.size - open.length, stale: open.length };
        }
        throw new StillAlive(
          `User ${JSON.stringify(name)} cannot log in any more, but ${open.length} of its connections do not end.`,
        );
      }
      await management.remove('ending connections', ['connections', 'username', name]);
    }
    await clock.sleep(PAUSE_MILLISECONDS);
  }
}
