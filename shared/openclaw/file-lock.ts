import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Clock } from '../clock.ts';

const POLL_MILLISECONDS = 100;

interface Lock {
  readonly path: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A lock older than this was left behind, whatever process has its number now. */
  readonly staleSeconds: number;
}

/**
 * Runs `work` while no other process on this machine that asks here does. A lock that a dead process left is taken over.
 * It is politeness, not proof: of two that take over the same lock in the same instant, both may go on. Rejects with the
 * signal's reason when it is aborted first.
 */
export async function withFileLock<Result>(lock: Lock, work: () => Promise<Result>): Promise<Result> {
  const { path, clock, signal } = lock;
  const mine = JSON.stringify({ pid: process.pid, id: randomUUID(), at: clock.now().toISOString() });
  while (!acquire(path, mine)) {
    signal.throwIfAborted();
    if (!takeOver(lock)) await clock.sleep(POLL_MILLISECONDS, signal);
  }
  try {
    return await work();
  } finally {
    if (read(path) === mine) rmSync(path, { force: true });
  }
}

function acquire(path: string, mine: string): boolean {
  // Linked into place with its text in it: nobody sees a lock that is half written, not even after a crash.
  const beside = `${path}.${randomUUID()}`;
  try {
    writeFileSync(beside, mine, { flag: 'wx', mode: 0o600 });
    linkSync(beside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(beside, { force: true });
  }
}

function takeOver({ path, clock, staleSeconds }: Lock): boolean {
  const found = read(path);
  if (found === undefined) return true;
  if (!isLeftBehind(found, clock.now(), staleSeconds)) return false;
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
    // Somebody was faster, and this is theirs: back with it.
    if (read(aside) !== found) linkSync(aside, path);
    rmSync(aside, { force: true });
  } catch {
    // Taken over by another meanwhile.
  }
  return true;
}

function isLeftBehind(text: string, now: Date, staleSeconds: number): boolean {
  let owner: { readonly pid?: unknown; readonly at?: unknown };
  try {
    owner = JSON.parse(text) as typeof owner;
  } catch {
    return true;
  }
  const age = now.getTime() - new Date(String(owner.at)).getTime();
  return !(age < staleSeconds * 1000) || !isAlive(owner.pid);
}

function isAlive(pid: unknown): boolean {
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
