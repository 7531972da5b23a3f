import type { Clock } from '../../clock.ts';
import { StillAlive } from '../../errors.ts';
import { readConnections } from './broker-user.ts';
import type { Management } from './management.ts';

const PAUSE_MILLISECONDS = 150;
/** Looks in a row that must find nothing. */
const QUIET_LOOKS = 4;
const LIMIT_MILLISECONDS = 15_000;

/**
 * Ends every connection of a user to whom no more are opened, of every protocol, and answers how many there were. A login
 * that the broker had let through a moment before is counted as a connection a few milliseconds later: so it looks again
 * until there has been nothing for half a second. Throws `StillAlive` when that does not come.
 */
export async function endConnections(management: Management, name: string, clock: Clock): Promise<number> {
  const deadline = clock.now().getTime() + LIMIT_MILLISECONDS;
  const seen = new Set<string>();
  for (let quiet = 0; ; ) {
    const open = (await readConnections(management, name)) ?? [];
    for (const connection of open) seen.add(connection);
    quiet = open.length === 0 ? quiet + 1 : 0;
    if (quiet === QUIET_LOOKS) return seen.size;
    if (open.length > 0) {
      if (clock.now().getTime() > deadline) {
        throw new StillAlive(
          `User ${JSON.stringify(name)} cannot log in any more, but ${open.length} of its connections do not end.`,
        );
      }
      await management.remove('ending connections', ['connections', 'username', name]);
    }
    await clock.sleep(PAUSE_MILLISECONDS);
  }
}
