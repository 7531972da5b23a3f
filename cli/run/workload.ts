import { Child, describeEnd, type End } from './child.ts';
import type { Delivery } from './delivery.ts';
import { ReloadFailed } from './errors.ts';
import type { Guard } from './guard.ts';
import { checkHealth, type HealthCheck } from './health-check.ts';
import type { RunOptions, RunPorts } from './run-options.ts';
import type { SecretFiles } from './secret-files.ts';
import { runShell } from './shell.ts';

const ATTEMPT_MILLISECONDS = 5000;
const INTERVAL_MILLISECONDS = 250;

interface Parts {
  readonly files: SecretFiles | undefined;
  readonly guard: Guard;
  /** Told of the end of every child that was not stopped by this workload. */
  readonly onEnd: (end: End) => void;
}

/** The command, as one child after the other, and what is delivered to it. Knows nothing of rollouts. */
export class Workload {
  readonly #options: RunOptions;
  readonly #ports: RunPorts;
  readonly #parts: Parts;
  #child: Child | undefined;
  #starting: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(options: RunOptions, ports: RunPorts, parts: Parts) {
    this.#options = options;
    this.#ports = ports;
    this.#parts = parts;
  }

  get child(): Child | undefined {
    return this.#child;
  }

  /** Throws `NotStarted`, and `ReloadFailed` where the files cannot be written or the end has come. */
  async start(delivery: Delivery): Promise<Child> {
    const starting = this.#start(delivery);
    this.#starting = starting.catch(() => undefined);
    return starting;
  }

  /** Nothing of the command runs afterwards. */
  async stop(graceSeconds = this.#options.stopSeconds): Promise<void> {
    await this.#child?.stop({ graceSeconds, clock: this.#ports.clock });
    this.#parts.guard.watch(undefined);
  }

  /** The same for good: a start that is under way is waited for, and there is no other. */
  async close(graceSeconds?: number): Promise<void> {
    this.#isClosed = true;
    await this.#starting;
    await this.stop(graceSeconds);
  }

  /** Hands values to the running command without restarting it: files, then the signal or the line. Throws `ReloadFailed`. */
  async hand(delivery: Delivery): Promise<void> {
    const { action } = this.#options;
    this.#parts.files?.write(delivery.texts);
    if (action.kind === 'signal') this.#child?.signal(action.signal);
    if (action.kind === 'exec') await this.#runLine(action.line, delivery);
  }

  /** Resolves when the command works: its check passes, or without one it goes on running. Throws `ReloadFailed`. */
  async prove(delivery: Delivery): Promise<void> {
    const { health, healthSeconds, settleSeconds } = this.#options;
    if (health === undefined) {
      await this.#whileRunning(settleSeconds, (signal) => this.#ports.clock.sleep(settleSeconds * 1000, signal));
      return;
    }
    let last = 'no answer';
    const env = this.#environment(delivery);
    const hasPassed = await this.#whileRunning(healthSeconds, async (signal) => {
      while (!signal.aborted) {
        const said = await this.#attempt(health, env, signal);
        if (said === undefined) return true;
        // What the last attempt says that time has cut short is not the reason.
        if (!signal.aborted) last = said;
        await this.#ports.clock.sleep(INTERVAL_MILLISECONDS, signal).catch(() => undefined);
      }
      return false;
    });
    if (hasPassed !== true) {
      throw new ReloadFailed(`The health check did not pass within ${healthSeconds} seconds: ${last}.`);
    }
  }

  async #start(delivery: Delivery): Promise<Child> {
    if (this.#isClosed) throw new ReloadFailed('The command has been ended.');
    const { command, isTerminal } = this.#options;
    this.#parts.files?.write(delivery.texts);
    const child = await Child.start(command, { env: this.#environment(delivery), ownGroup: !isTerminal });
    this.#parts.guard.watch(child.target);
    this.#child = child;
    void this.#tellOfEnd(child);
    return child;
  }

  async #tellOfEnd(child: Child): Promise<void> {
    const end = await child.ended;
    if (!child.isStopping) this.#parts.onEnd(end);
  }

  async #attempt(health: HealthCheck, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string | undefined> {
    return checkHealth(health, { env, signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MILLISECONDS)]) });
  }

  async #runLine(line: string, delivery: Delivery): Promise<void> {
    const { healthSeconds } = this.#options;
    const env = { ...this.#environment(delivery), REKEY_PID: String(this.#child?.pid ?? '') };
    const end = await this.#whileRunning(healthSeconds, (signal) => runShell(line, { env, signal }));
    if (end === undefined)
      throw new ReloadFailed(`The line of --on-reload did not end within ${healthSeconds} seconds.`);
    if (end === 'not_started') throw new ReloadFailed('The line of --on-reload could not be started.');
    if (!('code' in end) || end.code !== 0) {
      throw new ReloadFailed(`The line of --on-reload ended with ${describeEnd(end)}.`);
    }
  }

  /** `undefined` when `work` has not ended within `seconds`. Throws `ReloadFailed` when the command does not run any more. */
  async #whileRunning<Result>(
    seconds: number,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    const child = this.#child;
    if (child === undefined) throw new ReloadFailed('The command does not run.');
    const over = new AbortController();
    const timeout = this.#ports.clock.sleep(seconds * 1000, over.signal).catch(() => undefined);
    const ended = child.ended.then(() => undefined);
    const working = work(over.signal);
    // Whichever loses the race must not be an unhandled rejection.
    working.catch(() => undefined);
    try {
      const result = await Promise.race([working, ended, timeout]);
      if (child.isRunning) return result as Result | undefined;
      throw new ReloadFailed(`The command ended with ${describeEnd(await child.ended)}.`);
    } finally {
      over.abort();
    }
  }

  #environment({ texts }: Delivery): NodeJS.ProcessEnv {
    const { files } = this.#parts;
    if (files !== undefined) return { ...this.#ports.env, REKEY_FILES: files.path };
    return { ...this.#ports.env, ...Object.fromEntries(texts) };
  }
}
