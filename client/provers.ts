import type { ClientClock } from './client-clock.ts';
import { describeFailure } from './describe-failure.ts';
import { ProofFailed } from './errors.ts';
import type { SecretValue } from './secret-value.ts';

export type Values = Readonly<Record<string, SecretValue>>;

/**
 * The caller's own check of values that are not in use yet: throws, rejects or answers `false` when they do not work.
 * `signal` is aborted when its time is over.
 */
export type Prove<Of> = (values: Of, context: { readonly signal: AbortSignal }) => unknown;
/** Takes proved values into use where the caller keeps something made from them. A failure makes the consumer refuse. */
export type Activate<Of> = (values: Of) => unknown;

interface Registration {
  readonly names: readonly string[];
  readonly prove: Prove<Values> | undefined;
  readonly activate: Activate<Values> | undefined;
}

/** The checks that belong to the secrets of one process; one may need several secrets together. */
export class Provers {
  readonly #clock: ClientClock;
  readonly #proveSeconds: number;
  readonly #registrations = new Set<Registration>();

  constructor(clock: ClientClock, proveSeconds: number) {
    this.#clock = clock;
    this.#proveSeconds = proveSeconds;
  }

  /** Answers how to take it back. */
  add(registration: Registration): () => void {
    this.#registrations.add(registration);
    return () => void this.#registrations.delete(registration);
  }

  has(name: string): boolean {
    return [...this.#registrations].some(({ names, prove }) => prove !== undefined && names.includes(name));
  }

  /**
   * Proves `candidates` beside what is in use. Answers why each that failed did; secrets that are proved together fail
   * together. Never throws.
   */
  async prove(candidates: Values, inUse: Values): Promise<ReadonlyMap<string, string>> {
    const touched = this.#touched(candidates);
    const failed = new Map<string, string>();
    await Promise.all(
      touched.map(async ({ names, prove }) => {
        if (prove === undefined) return;
        const said = await this.#attempt(prove, valuesOf(names, candidates, inUse));
        if (said === undefined) return;
        for (const name of names.filter((name) => name in candidates)) failed.set(name, said);
      }),
    );
    spread(failed, touched, candidates);
    return failed;
  }

  /** Tells whoever registered that these are in use. Answers why each that failed did. Never throws. */
  async activate(activated: Values, inUse: Values): Promise<ReadonlyMap<string, string>> {
    const failed = new Map<string, string>();
    for (const { names, activate } of this.#touched(activated)) {
      if (activate === undefined) continue;
      const said = await this.#attempt(activate, valuesOf(names, activated, inUse));
      if (said === undefined) continue;
      for (const name of names.filter((name) => name in activated)) failed.set(name, said);
    }
    return failed;
  }

  #touched(values: Values): readonly Registration[] {
    return [...this.#registrations].filter(({ names }) => names.some((name) => name in values));
  }

  async #attempt(check: Prove<Values>, values: Values): Promise<string | undefined> {
    const time = new AbortController();
    const over = new AbortController();
    try {
      const timeout = this.#clock.sleep(this.#proveSeconds * 1000, over.signal).then(() => {
        time.abort();
        throw new ProofFailed(`No answer within ${this.#proveSeconds} seconds.`);
      });
      // Whichever comes second must not be an unhandled rejection.
      timeout.catch(() => undefined);
      const outcome = await Promise.race([start(() => check(values, { signal: time.signal })), timeout]);
      return outcome === false ? 'ProofFailed: The check answered false.' : undefined;
    } catch (error) {
      return describeFailure(error, Object.values(values));
    } finally {
      over.abort();
    }
  }
}

/** Whoever is proved together with one that failed has failed too: that combination is not what was proved. */
function spread(failed: Map<string, string>, touched: readonly Registration[], candidates: Values): void {
  for (let before = -1; before !== failed.size; ) {
    before = failed.size;
    for (const { names } of touched) {
      const culprit = names.find((name) => failed.has(name));
      if (culprit === undefined) continue;
      for (const name of names) {
        if (name in candidates && !failed.has(name)) failed.set(name, `ProofFailed: It belongs with "${culprit}".`);
      }
    }
  }
}

function valuesOf(names: readonly string[], first: Values, second: Values): Values {
  const values: Record<string, SecretValue> = Object.create(null) as Record<string, SecretValue>;
  for (const name of names) {
    const value = first[name] ?? second[name];
    if (value !== undefined) values[name] = value;
  }
  return Object.freeze(values);
}

/** As a promise also where the check throws at once. */
async function start(check: () => unknown): Promise<unknown> {
  return check();
}
