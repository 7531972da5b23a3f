import { Misconfigured } from '../../errors.ts';
import { quoted } from './acl-user.ts';
import type { Session } from './connect.ts';

/**
 * Which of `commands` `actor` may not run. Asks without running them (`ACL DRYRUN`, Redis 7.0); an older server, or one
 * that does not let it ask, says so only when they run.
 */
export async function deniedOf(
  session: Session,
  actor: string,
  commands: readonly (readonly string[])[],
): Promise<readonly (readonly string[])[]> {
  const asked = await Promise.all(
    commands.map(async (command) => {
      const words = ['ACL', 'DRYRUN', actor, ...command];
      const dryRun = await session.attempt('asking for rights (ACL DRYRUN)', words);
      return dryRun.allowed && dryRun.reply !== 'OK' ? [command] : [];
    }),
  );
  return asked.flat();
}

/** What to say of one that is denied and needed. */
export function mayNotRun(actor: string, command: readonly string[], { place }: Session): Misconfigured {
  const name = command.slice(0, 2).join(' ');
  const rule = `+${name.toLowerCase().replace(' ', '|')}`;
  return new Misconfigured(`User ${quoted(actor)} may not run ${name} at ${place}: give it ${rule}.`);
}
