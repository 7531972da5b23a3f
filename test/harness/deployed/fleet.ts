import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { ENVIRONMENT, system } from './system.ts';

/** What a fleet is told at its start; crosses to its process as JSON. */
export interface FleetOptions {
  readonly secret: string;
  readonly agent: string;
  readonly consumers: number;
  /** Loops that log in for every query, with the value of a consumer of the fleet. */
  readonly reconnecting: number;
  /** Loops on a pool of the fleet's first consumer. */
  readonly pooled: number;
  /** What its consumers do with a candidate: prove it by a login, refuse it, or never come to an end. */
  readonly manner: 'proves' | 'refuses' | 'hangs';
}

export interface FleetReport {
  /** Version id by consumer. */
  readonly versions: readonly string[];
  /** When the last of the fleet's consumers took each version, epoch milliseconds. */
  readonly taken: Readonly<Record<string, number>>;
  readonly queries: number;
  readonly failures: readonly string[];
}

/** Consumers in a process of their own, with the client library, and queries that go on all the time. */
export class Fleet {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const child = fork(resolve(import.meta.dirname, 'fleet-process.ts'), [JSON.stringify(options)], {
      env: { ...process.env, ...system.environment, REKEY_ENVIRONMENT: ENVIRONMENT },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const fleet = new Fleet(child);
    await fleet.#answer('ready');
    return fleet;
  }

  async report(): Promise<FleetReport> {
    this.#process.send({ kind: 'report' });
    return (await this.#answer('report')) as unknown as FleetReport;
  }

  /** Waits until one of its consumers has begun to look at a candidate. */
  async proving(): Promise<void> {
    await this.#answer('proving');
  }

  /** Ends at once, without a word to anybody. */
  async kill(): Promise<void> {
    await this.#end(() => this.#process.kill('SIGKILL'));
  }

  /** Leaves as a process does that is asked to. */
  async close(): Promise<void> {
    await this.#end(() => this.#process.send({ kind: 'close' }));
  }

  async #end(how: () => void): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    how();
    await ended;
  }

  async #answer(kind: string): Promise<Readonly<Record<string, unknown>>> {
    return new Promise((found, failed) => {
      const listen = (message: { readonly kind: string }) => {
        if (message.kind !== kind) return;
        stop();
        found(message);
      };
      const gone = (code: number | null) => {
        stop();
        failed(new Error(`The fleet ended (${code}) before it was ${kind}.`));
      };
      const stop = () => {
        this.#process.off('message', listen);
        this.#process.off('exit', gone);
      };
      this.#process.on('message', listen);
      this.#process.on('exit', gone);
    });
  }
}
