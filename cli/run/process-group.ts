import { readdirSync, readFileSync } from 'node:fs';

/** Sends `signal` to every process of the group; nothing happens when there is none. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The last one ended meanwhile.
  }
}

/** Whether a process of the group still runs. Those that have ended and were not collected by their parent do not count. */
export function isGroupRunning(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    // EPERM: what is left may not be signalled, so it is not ours to wait for (macOS says so of the uncollected).
    void error;
    return false;
  }
  return process.platform !== 'linux' || processIds().some((pid) => isRunningMember(pid, group));
}

/** Of process `pid`, when it started, in ticks since boot; `undefined` when it does not run, or off Linux. */
export function startOf(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

function isRunningMember(pid: string, group: number): boolean {
  const [state, , member] = statOf(Number(pid)) ?? [];
  return member === String(group) && state !== 'Z' && state !== 'X';
}

function processIds(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The fields after the command's name, which may itself hold spaces and parentheses. proc_pid_stat(5) */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
