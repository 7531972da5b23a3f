import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { poll } from './poll.ts';

/** Some process with this id runs (a zombie that nobody has reaped yet does not count). */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the state follows the command name in parentheses. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    // No /proc (macOS), or it ended just now: `kill(pid, 0)` was the last word.
    return false;
  }
}

/**
 * Ends a process that leads its own group, with everything it started: SIGTERM, then SIGKILL for whoever is left after
 * `graceMilliseconds`. By id, never by name. A group that is gone already is fine.
 */
export async function endProcessGroup(leader: number, graceMilliseconds = 4_000): Promise<void> {
  signalGroup(leader, 'SIGTERM');
  const ended = await poll(() => (isRunning(leader) ? undefined : true), { withinMilliseconds: graceMilliseconds });
  // Also when the leader went in peace: the children it left behind are still in the group.
  signalGroup(leader, 'SIGKILL');
  if (ended === undefined) await poll(() => (isRunning(leader) ? undefined : true), { withinMilliseconds: 2_000 });
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** How a child that was spawned ended, or `undefined` while it runs. */
export function endOf(child: ChildProcess): string | undefined {
  if (child.exitCode !== null) return `exit code ${child.exitCode}`;
  return child.signalCode === null ? undefined : `signal ${child.signalCode}`;
}
