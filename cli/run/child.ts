import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../../shared/clock.ts';
import { isGroupRunning, signalGroup } from './process-group.ts';

/** How a command ended: by itself with a code, or by a signal. */
export type End = { readonly code: number } | { readonly signal: NodeJS.Signals };

const SIGNAL_BASE = 128;
const GROUP_POLL_MILLISECONDS = 20;
/** After SIGKILL only the kernel's own work is left. */
const KILLED_MILLISECONDS = 2000;

/** The command could not be started at all. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';
  /** As shells answer: 127 not found, 126 found and not executable. */
  readonly exitCode: number;

  constructor(sentence: string, exitCode: number) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

/**
 * A running command with this process's own standard streams. With `ownGroup` it leads a session and process group of
 * its own, so that stopping it reaches what it has started; without (at a terminal), it keeps the terminal's job control.
 */
export class Child {
  readonly pid: number;
  /** Resolves when it has ended, however that came. */
  readonly ended: Promise<End>;
  #end: End | undefined;
  #isStopping = false;
  readonly #process: ChildProcess;
  readonly #group: number | undefined;

  /** Throws `NotStarted`. */
  static async start(
    [command, ...words]: readonly [string, ...string[]],
    { env, ownGroup }: { readonly env: NodeJS.ProcessEnv; readonly ownGroup: boolean },
  ): Promise<Child> {
    try {
      const child = spawn(command, words, { env, stdio: 'inherit', detached: ownGroup });
      // Made before it runs, so that no end is missed.
      const handle = new Child(child, ownGroup);
      await once(child, 'spawn');
      return handle;
    } catch (error) {
      // The error has the arguments in `spawnargs`: nothing of it is kept but the code.
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      if (code === 'ENOENT') throw new NotStarted(`${command}: command not found.`, 127);
      throw new NotStarted(`${command}: cannot be started (${code}).`, 126);
    }
  }

  private constructor(child: ChildProcess, ownGroup: boolean) {
    this.#process = child;
    this.pid = child.pid ?? 0;
    this.#group = ownGroup ? child.pid : undefined;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end = signal === null ? { code: code ?? 0 } : { signal };
        resolve(this.#end);
      });
    });
    // Without a listener a failed start would end this process.
    child.on('error', () => undefined);
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  /** Whether its end is being brought about by `stop`. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** What a killer needs to reach everything of it: `-GROUP`, or the process. */
  get target(): number {
    return this.#group === undefined ? this.pid : -this.#group;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process.kill(signal);
  }

  /**
   * SIGTERM to the command; once it has ended, SIGTERM to what it left behind in its group; SIGKILL to whatever is there
   * after `graceSeconds`. Resolves when nothing of it runs.
   */
  async stop({ graceSeconds, clock }: { readonly graceSeconds: number; readonly clock: Clock }): Promise<End> {
    const deadline = clock.now().getTime() + graceSeconds * 1000;
    // A second SIGTERM means "at once" to many programs.
    if (!this.#isStopping) this.signal('SIGTERM');
    this.#isStopping = true;
    if (!(await this.#endsWithin(graceSeconds * 1000, clock))) this.signal('SIGKILL');
    const end = await this.ended;
    await this.#clearGroup(deadline, clock);
    return end;
  }

  async #endsWithin(milliseconds: number, clock: Clock): Promise<boolean> {
    const over = new AbortController();
    const isEnded = await Promise.race([
      this.ended.then(() => true),
      clock.sleep(milliseconds, over.signal).then(
        () => false,
        () => false,
      ),
    ]);
    over.abort();
    return isEnded;
  }

  async #clearGroup(deadline: number, clock: Clock): Promise<void> {
    const group = this.#group;
    if (group === undefined || !isGroupRunning(group)) return;
    signalGroup(group, 'SIGTERM');
    if (await isGoneBy(group, deadline, clock)) return;
    signalGroup(group, 'SIGKILL');
    await isGoneBy(group, clock.now().getTime() + KILLED_MILLISECONDS, clock);
  }
}

/** What a shell answers for this end: the code, or 128 and the signal's number. */
export function exitCodeOf(end: End, signalNumbers: Readonly<Record<string, number>>): number {
  return 'code' in end ? end.code : SIGNAL_BASE + (signalNumbers[end.signal] ?? 0);
}

export function describeEnd(end: End): string {
  return 'code' in end ? `exit code ${end.code}` : end.signal;
}

async function isGoneBy(group: number, deadline: number, clock: Clock): Promise<boolean> {
  while (isGroupRunning(group)) {
    if (clock.now().getTime() >= deadline) return false;
    await clock.sleep(GROUP_POLL_MILLISECONDS);
  }
  return true;
}
