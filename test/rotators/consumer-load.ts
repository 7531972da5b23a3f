import type { SecretText } from '../../shared/redact.ts';
import type { KeptConnection, TargetHarness } from './target-harness.ts';

const CONNECTING = 3;
const KEEPING = 3;

/**
 * Consumers at work: some connect for every operation, some keep a connection and change it when the value has changed,
 * as pools do. Every failure is kept.
 */
export class ConsumerLoad {
  /** Names of what was thrown; never texts, which may quote. */
  readonly failures: string[] = [];
  operations = 0;
  readonly #harness: TargetHarness;
  readonly #current: () => SecretText;
  readonly #workers: readonly Promise<void>[];
  /** How many operations each worker has begun. */
  readonly #begun: number[] = [];
  readonly #watchers: (() => void)[] = [];
  #isOver = false;

  constructor(harness: TargetHarness, current: () => SecretText) {
    this.#harness = harness;
    this.#current = current;
    const connecting = Array.from({ length: CONNECTING }, (_, index) => this.#connectAlways(index));
    const isKept = harness.connect !== undefined;
    const keeping = Array.from({ length: isKept ? KEEPING : 0 }, (_, index) => this.#keep(CONNECTING + index));
    this.#workers = [...connecting, ...keeping];
  }

  /** Comes back when every worker has ended what it was at, and begun anew with what is current now. */
  async everybodyOnce(): Promise<void> {
    const from = [...this.#begun];
    while (this.#begun.some((begun, worker) => begun < (from[worker] ?? 0) + 2)) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }

  async #connectAlways(worker: number): Promise<void> {
    await this.#loop(worker, () => this.#harness.use(this.#current()));
  }

  async #keep(worker: number): Promise<void> {
    let kept: { readonly value: SecretText; readonly connection: KeptConnection } | undefined;
    await this.#loop(worker, async () => {
      const value = this.#current();
      if (kept?.value !== value) {
        const connection = await this.#harness.connect?.(value);
        if (connection === undefined) throw new Error('this target keeps no connections');
        await kept?.connection.end();
        kept = { value, connection };
      }
      await kept.connection.use();
    });
    await kept?.connection.end();
  }

  async #loop(worker: number, operation: () => Promise<void>): Promise<void> {
    this.#begun[worker] = 0;
    while (!this.#isOver) {
      this.#begun[worker] = (this.#begun[worker] ?? 0) + 1;
      for (const resolve of this.#watchers.splice(0)) resolve();
      try {
        await operation();
      } catch (error) {
        this.failures.push((error as Error).name);
      }
      this.operations += 1;
      // Lets timers and other sockets have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const resolve of this.#watchers.splice(0)) resolve();
  }
}
