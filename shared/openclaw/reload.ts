import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../clock.ts';
import { ReloadUnproven } from './errors.ts';
import { withFileLock } from './file-lock.ts';
import { type GatewayRpc, OpenClawCommand } from './gateway-rpc.ts';
import { readWitness, type WitnessLine } from './witness.ts';

/** Each attempt is a reload and, when it looks well, a status: 2 to 7 s with OpenClaw's command. */
const ATTEMPTS = 4;
const WAIT_MILLISECONDS = 250;
const TIMEOUT_SECONDS = 25;
/** Longer than a reload may take: its lock was left behind. */
const STALE_SECONDS = 120;

export interface ReloadOptions {
  /** Of the gateway, `ws://127.0.0.1:18789`. */
  readonly url: string;
  readonly token: string;
  readonly witnessFile: string;
  /** The version that must have been served for each of OpenClaw's ids. */
  readonly expect: Readonly<Record<string, string>>;
  /** Default: beside the witness file. */
  readonly lockFile?: string;
  /** Default: the command `openclaw`. */
  readonly rpc?: GatewayRpc;
  readonly clock?: Clock;
  /** For all attempts together, waiting for other reloads included. Default 25. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
  /** The process that started process `pid`; `undefined` where nobody knows. */
  readonly parentOf?: (pid: number) => number | undefined;
}

/**
 * Makes a running gateway take the expected versions and proves that it has: the reload answers ok without a warning,
 * nothing is degraded, and the gateway's own request to the provider, begun after the reload was asked for, was answered
 * with these versions. One that was joined to a reload that had read before has no such witness and is asked for again.
 *
 * Twice is harmless: a reload takes what is there. Answers how many it took; throws `ReloadUnproven`.
 */
export async function reloadOpenClaw(options: ReloadOptions): Promise<{ readonly attempts: number }> {
  const { clock = systemClock, timeoutSeconds = TIMEOUT_SECONDS, signal } = options;
  const lockFile = options.lockFile ?? `${options.witnessFile}.lock`;
  const time = AbortSignal.timeout(timeoutSeconds * 1000);
  const over = signal === undefined ? time : AbortSignal.any([time, signal]);
  try {
    return await inTurn(lockFile, () =>
      withFileLock({ path: lockFile, clock, signal: over, staleSeconds: STALE_SECONDS }, () =>
        attemptReloads(options, clock, over),
      ),
    );
  } catch (error) {
    if (!over.aborted || error instanceof ReloadUnproven) throw error;
    throw new ReloadUnproven(`There was no proof within ${timeoutSeconds} seconds.`, { cause: error });
  }
}

async function attemptReloads(options: ReloadOptions, clock: Clock, signal: AbortSignal) {
  let why = '';
  for (let attempts = 1; attempts <= ATTEMPTS; attempts += 1) {
    if (attempts > 1) await clock.sleep(WAIT_MILLISECONDS, signal);
    signal.throwIfAborted();
    const failure = await attempt(options, clock, signal);
    if (failure === undefined) return { attempts };
    why = failure;
  }
  throw new ReloadUnproven(`OpenClaw may still use the old value after ${ATTEMPTS} reloads: ${why}`);
}

/** Why it proved nothing; `undefined` when it did. */
async function attempt(options: ReloadOptions, clock: Clock, signal: AbortSignal): Promise<string | undefined> {
  const { rpc = new OpenClawCommand(options), witnessFile, expect, parentOf = parentProcess } = options;
  const start = clock.now();
  try {
    const { ok, warningCount } = await rpc.reload(signal);
    if (!ok) return 'the reload answered that it is not ok.';
    if (warningCount !== 0) return `the reload answered with ${warningCount} warnings.`;
    const lines = readWitness(witnessFile, start);
    // Before the gateway is asked who it is: whoever served it, this was not enough.
    const missing = unserved(lines, expect);
    if (missing !== undefined) return missing;
    const { pid, degraded } = await rpc.status(signal);
    if (degraded.length > 0) return `degraded: ${degraded.slice(0, 5).join(', ')}.`;
    const own = lines.filter(({ parent }) => parent === pid || parentOf(parent) === pid);
    return unserved(own, expect);
  } catch (error) {
    if (error instanceof ReloadUnproven && !signal.aborted) return error.safeMessage;
    throw error;
  }
}

/** What the last answer to each id shows to be missing. */
function unserved(lines: readonly WitnessLine[], expect: ReloadOptions['expect']): string | undefined {
  for (const [id, versionId] of Object.entries(expect)) {
    const line = lines.findLast(({ ids, errors }) => Object.hasOwn(ids, id) || Object.hasOwn(errors, id));
    if (line === undefined) return `the gateway did not ask the provider for ${JSON.stringify(id)}.`;
    if (Object.hasOwn(line.errors, id)) return `the provider answered ${line.errors[id]} for ${JSON.stringify(id)}.`;
    if (line.ids[id] !== versionId) return `the provider served another version of ${JSON.stringify(id)}.`;
  }
  return undefined;
}

const turns = new Map<string, Promise<unknown>>();

async function inTurn<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
  const mine = (turns.get(key) ?? Promise.resolve()).then(work);
  const settled = mine.catch(() => undefined);
  turns.set(key, settled);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === settled) turns.delete(key);
  }
}

/** The gateway starts commands through a broker process of its own. */
function parentProcess(pid: number): number | undefined {
  try {
    if (process.platform === 'linux') {
      // "pid (name) state ppid …", and the name may have any character.
      return Number(/\) \S (?<parent>\d+) [^)]*$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.groups?.['parent']);
    }
    return Number(execFileSync('/bin/ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }));
  } catch {
    return undefined;
  }
}
