import { constants } from 'node:os';
import { RekeyError } from '../../shared/errors.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import { type End, exitCodeOf, NotStarted } from './child.ts';
import { deliver } from './delivery.ts';
import type { FollowedSecrets } from './followed-secrets.ts';
import { Guard } from './guard.ts';
import { openRequired } from './open-required.ts';
import { listenToSignals } from './passed-signals.ts';
import { Reloader } from './reloader.ts';
import { type RunOptions, type RunPorts, takeSeconds } from './run-options.ts';
import { SecretFiles } from './secret-files.ts';
import { Workload } from './workload.ts';

/** EX_TEMPFAIL of sysexits.h: starting again later may work. */
export const STALE_EXIT_CODE = 75;

const WAITING_MILLISECONDS = 5000;
const INTERRUPTED_MILLISECONDS = 3000;
const BOUND_CHECK_MILLISECONDS = 1000;
/** Rekey waits 30 s longer than the bound; what still runs at the bound has this much of them to stop in. */
const STALE_MARGIN_SECONDS = 20;
const NO_GUARD = 'there is no /bin/sh here: if rekey itself is killed, nothing ends the command and removes the files.';
const STOPPING: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGTERM']);

/**
 * Runs the command with its secrets until it ends, and answers the exit code. Throws a CommandFailure where it cannot
 * begin. Whichever way it ends, nothing of the command runs then, its files are gone, and Rekey has been told.
 */
export async function supervise(options: RunOptions, ports: RunPorts): Promise<number> {
  return new Run(options, ports).toItsEnd();
}

class Run {
  readonly #options: RunOptions;
  readonly #ports: RunPorts;
  /** The exit code, once it is decided. */
  readonly #end = Promise.withResolvers<number>();
  #isOver = false;
  #workload: Workload | undefined;
  #reloader: Reloader | undefined;
  /** Somebody wants the command to end. */
  #stopSignal: NodeJS.Signals | undefined;
  /** How long the command may take to stop, where that is not as asked. */
  #graceSeconds: number | undefined;

  constructor(options: RunOptions, ports: RunPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  async toItsEnd(): Promise<number> {
    const { isTerminal } = this.#options;
    const unlisten = listenToSignals(this.#ports.signals, isTerminal, (...heard) => this.#onSignal(...heard));
    try {
      const secrets = await this.#open();
      return secrets === undefined ? await this.#end.promise : await this.#runWith(secrets);
    } finally {
      unlisten();
    }
  }

  /** `undefined` when a signal came first. */
  async #open(): Promise<FollowedSecrets | undefined> {
    const { clock, tell, open } = this.#ports;
    const { specs, environment, agent, boundSeconds, requireAll, action, medium } = this.#options;
    const names = [...new Set(specs.map(({ secret }) => secret))];
    // Its timer also keeps the process alive: those of the consumer library do not.
    const waiting = setInterval(() => tell({ event: 'waiting', secrets: names }), WAITING_MILLISECONDS);
    // Nobody can change the environment of a running process: without a way to reload, it keeps what it started with.
    const hotReload = action.kind !== 'none' || medium === 'files';
    const following = { environment, agent, boundSeconds, hotReload, takeSeconds: takeSeconds(this.#options) };
    const opening = openRequired(names, { ...following, requireAll, open });
    try {
      const opened = await Promise.race([opening, this.#end.promise]);
      if (typeof opened === 'number') {
        const closed = opening.then(({ secrets }) => secrets.close()).catch(() => undefined);
        await Promise.race([closed, clock.sleep(INTERRUPTED_MILLISECONDS)]);
        return undefined;
      }
      for (const why of opened.leftOut) tell({ event: 'warning', message: `${why} The command starts without it.` });
      return opened.secrets;
    } finally {
      clearInterval(waiting);
    }
  }

  async #runWith(secrets: FollowedSecrets): Promise<number> {
    let files: SecretFiles | undefined;
    let guard: Guard | undefined;
    const watching = new AbortController();
    try {
      files = this.#createFiles();
      guard = new Guard(files?.path, () => this.#ports.tell({ event: 'warning', message: NO_GUARD }));
      const parts = { files, guard, onEnd: (end: End) => this.#onEnd(end) };
      this.#workload = new Workload(this.#options, this.#ports, parts);
      await this.#begin(secrets, this.#workload);
      void this.#watchBound(secrets, watching.signal);
      return await this.#end.promise;
    } catch (error) {
      if (error instanceof NotStarted) return this.#notStarted(error);
      if (error instanceof RekeyError) throw failure(error);
      throw error;
    } finally {
      watching.abort();
      this.#isOver = true;
      // In this order: nothing runs, nothing lies about, then nothing is held.
      await this.#workload?.close(this.#graceSeconds);
      files?.remove();
      await secrets.close();
      guard?.done();
    }
  }

  async #begin(secrets: FollowedSecrets, workload: Workload): Promise<void> {
    const { tell } = this.#ports;
    const { specs, medium } = this.#options;
    const delivery = deliver(specs, secrets.values(), medium);
    const { pid } = await workload.start(delivery);
    tell({ event: 'started', pid, secrets: delivery.versions });
    const reloader = new Reloader({
      options: this.#options,
      tell,
      workload,
      delivery,
      isEnding: () => this.#isOver || this.#stopSignal !== undefined,
      onGone: (fault) => void this.#onGone(workload, fault),
    });
    this.#reloader = reloader;
    secrets.onReload((values) => reloader.take(values));
  }

  #createFiles(): SecretFiles | undefined {
    const { medium, directory } = this.#options;
    if (medium !== 'files') return undefined;
    const files = SecretFiles.create(directory);
    if (!files.isInMemory) {
      const message = `${files.path} is not known to be in memory: the files of the secrets may reach a disk.`;
      this.#ports.tell({ event: 'warning', message });
    }
    return files;
  }

  #onSignal(signal: NodeJS.Signals, isToBePassed: boolean): void {
    const child = this.#workload?.child;
    if (STOPPING.has(signal) && (isToBePassed || this.#reloader?.isBusy === true)) this.#stopSignal ??= signal;
    if (child === undefined) {
      // Nothing has been started that could answer it.
      if (STOPPING.has(signal) || signal === 'SIGHUP') this.#finish(exitCodeOf({ signal }, constants.signals));
      return;
    }
    if (isToBePassed && !(child.isStopping && signal === 'SIGTERM')) child.signal(signal);
  }

  /** The command has ended by itself. */
  #onEnd(end: End): void {
    if (this.#reloader?.isBusy === true && this.#stopSignal === undefined) return;
    this.#finish(exitCodeOf(end, constants.signals));
  }

  /** A reload has left nothing running. */
  async #onGone({ child }: Workload, fault: NotStarted | undefined): Promise<void> {
    if (fault !== undefined) this.#finish(this.#notStarted(fault));
    else if (child !== undefined) this.#finish(exitCodeOf(await child.ended, constants.signals));
  }

  #notStarted({ message, exitCode }: NotStarted): number {
    this.#ports.tell({ event: 'failed', message, exit_code: exitCode });
    return exitCode;
  }

  #finish(exitCode: number): void {
    this.#isOver = true;
    this.#end.resolve(exitCode);
  }

  /**
   * Ends the command in time for it to be gone when the bound is over: Rekey counts on that, and may end the values then.
   * Where the machine has slept past the bound, it has hardly any time left.
   */
  async #watchBound(secrets: FollowedSecrets, signal: AbortSignal): Promise<void> {
    const { onStale, stopSeconds } = this.#options;
    const { tell, clock } = this.#ports;
    let isTold = false;
    while (!signal.aborted) {
      const left = secrets.secondsLeft();
      if (onStale === 'exit' && left <= Math.min(stopSeconds, STALE_MARGIN_SECONDS)) {
        tell({ event: 'stale', on_stale: onStale });
        this.#graceSeconds = Math.min(Math.max(left + STALE_MARGIN_SECONDS, 1), stopSeconds);
        this.#finish(STALE_EXIT_CODE);
        return;
      }
      if (left <= 0 && !isTold) tell({ event: 'stale', on_stale: onStale });
      isTold = left <= 0;
      await clock.sleep(BOUND_CHECK_MILLISECONDS, signal).catch(() => undefined);
    }
  }
}

function failure(cause: RekeyError): CommandFailure {
  return new CommandFailure(`${cause.safeMessage} (${cause.code})`, EXIT_CODE.environment, { cause });
}
