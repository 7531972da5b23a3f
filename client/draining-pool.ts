import type { ClientClock } from './client-clock.ts';

/** What is used of a client of `pg`. */
export interface ClientLike {
  query(...args: never): unknown;
  release(error?: unknown): void;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is used of a pool of `pg`. Its overloads fit no narrower types. */
export interface PoolLike {
  query(...args: never): unknown;
  connect(): Promise<unknown>;
  end(): Promise<void>;
  on(event: never, listener: never): unknown;
}

/** What `connect` of a pool gives, which in `pg` can also be called with a callback. */
export type ClientOf<Pool> = Pool extends { connect: { (): Promise<infer Client>; (callback: never): unknown } }
  ? Client
  : never;

/** A pool with one login, which can be left: whoever has a connection or waits for one is served to the end. */
export class DrainingPool {
  readonly versionId: string;
  readonly #pool: PoolLike;
  readonly #clients = new Set<ClientLike>();
  #waiting = 0;
  #onServed: () => void = () => undefined;

  constructor(pool: PoolLike, versionId: string) {
    this.#pool = pool;
    this.versionId = versionId;
    const on = (event: string, listener: (client: ClientLike) => void): unknown =>
      pool.on(event as never, listener as never);
    on('connect', (client) => void this.#clients.add(client));
    on('remove', (client) => void this.#clients.delete(client));
    // A session that breaks while nobody uses it is replaced by the pool; without a listener it would end the process.
    on('error', () => undefined);
  }

  async connect(): Promise<ClientLike> {
    this.#waiting += 1;
    try {
      return (await this.#pool.connect()) as ClientLike;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#onServed();
    }
  }

  async query(text: string): Promise<unknown> {
    return DrainingPool.queryAndRelease(await this.connect(), [text]);
  }

  /** Runs one statement on a connection of one's own and gives it back; after a fault it is not used again, as in `pg`. */
  static async queryAndRelease(client: ClientLike, args: readonly unknown[]): Promise<unknown> {
    const broken = (): undefined => undefined;
    client.on('error', broken);
    let fault: unknown;
    try {
      return await client.query(...(args as never));
    } catch (error) {
      fault = error;
      throw error;
    } finally {
      client.off('error', broken);
      client.release(fault);
    }
  }

  /**
   * Serves whoever waits for a connection, then ends each session as it comes free; whatever is left after
   * `milliseconds` is cut off (0: nothing is). Never rejects.
   */
  async drain({ milliseconds, clock }: { readonly milliseconds: number; readonly clock: ClientClock }): Promise<void> {
    const over = new AbortController();
    const limit = milliseconds === 0 ? new Promise<never>(() => undefined) : clock.sleep(milliseconds, over.signal);
    const cutOff = limit.then(
      () => this.#cutOff(),
      () => undefined,
    );
    // A pool that has been ended does not serve its queue any more.
    const served = this.#waiting === 0 ? Promise.resolve() : new Promise<void>((resolve) => (this.#onServed = resolve));
    const ended = served.then(() => this.#pool.end()).catch(() => undefined);
    await Promise.race([ended, cutOff]);
    over.abort();
  }

  async #cutOff(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.end().catch(() => undefined)));
  }
}
