import { Misconfigured } from '../../errors.ts';
import { quoted } from './acl-user.ts';
import type { Session } from './connect.ts';

/**
 * Throws `Misconfigured` when `actor` may not run one of `commands`. Asks without running them (`ACL DRYRUN`, Redis 7.0);
 * an older server, or one that does not let it ask, says so only when they run.
 */
export async function assertMayRun(
  session: Session,
  actor: string,
  commands: readonly (readonly string[])[],
): Promise<void> {
  for (const command of commands) {
    const dryRun = await session.attempt('asking for rights (ACL DRYRUN)', ['ACL', 'DRYRUN', actor, ...command]);
    if (!dryRun.allowed) return;
    if (dryRun.reply === 'OK') continue;
    const name = command.slice(0, 2).join(' ');
    throw new Misconfigured(
      `User ${quoted(actor)} may not run ${name} at ${session.place}: give it +${name.toLowerCase().replace(' ', '|')}.`,
    );
  }
}
