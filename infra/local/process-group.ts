import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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

interface ProcessStat {
  readonly state: string;
  readonly group: number;
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: state, parent, group after the name in parentheses. */
function statOf(pid: number | string): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, group: Number(group) };
  } catch {
    // No /proc (macOS), or it ended just now.
    return undefined;
  }
}

const isZombie = (pid: number): boolean => statOf(pid)?.state === 'Z';

/** Zombies do not count: where nobody reaps orphans (a container without an init), they stay for ever. */
function hasRunningMember(leader: number): boolean {
  if (!signalGroup(leader, 0)) return false;
  try {
    const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
    return pids.some((pid) => {
      const stat = statOf(pid);
      return stat?.group === leader && stat.state !== 'Z';
    });
  } catch {
    // No /proc: the signal was the last word.
    return true;
  }
}

/**
 * Ends a process that leads its own group, with everything it started: SIGTERM, then SIGKILL for whoever is left after
 * `graceMilliseconds`. By id, never by name. A group that is gone already is fine.
 */
export async function endProcessGroup(leader: number, graceMilliseconds = 4_000): Promise<void> {
  signalGroup(leader, 'SIGTERM');
  await poll(() => (isRunning(leader) ? undefined : true), { withinMilliseconds: graceMilliseconds });
  // Also when the leader went in peace: the children it left behind are still in the group.
  signalGroup(leader, 'SIGKILL');
  await poll(() => (hasRunningMember(leader) ? undefined : true), { withinMilliseconds: 2_000, everyMilliseconds: 10 });
}

/** Whether the group had anybody to send it to. */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** How a child that was spawned ended, or `undefined` while it runs. */
export function endOf(child: ChildProcess): string | undefined {
  if (child.exitCode !== null) return `exit code ${child.exitCode}`;
  return child.signalCode === null ? undefined : `signal ${child.signalCode}`;
}
