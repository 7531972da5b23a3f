import type { ClientClock } from './client-clock.ts';
import { shortText } from './describe-failure.ts';
import { SecretsClosed, SecretUnavailable } from './errors.ts';
import type { FollowedSecret } from './followed-secret.ts';
import type { Activate, Prove, Provers, Values } from './provers.ts';
import type { SecretValue } from './secret-value.ts';
import type { ConsumerSession } from './session.ts';

const REFUSED_MILLISECONDS = 10_000;
const CLOSE_MILLISECONDS = 5_000;

/** How one secret is doing. Texts hold no values. */
export interface SecretHealth {
  /** `undefined` when the bound has passed. */
  readonly versionId: string | undefined;
  /** Since the last sign of life that got through. */
  readonly confirmedSeconds: number | undefined;
  /** Faults since the last change or success. */
  readonly errors: number;
  readonly lastError: string | undefined;
}

/** The secrets of one process, followed. Made by `openSecrets`. */
export class Secrets<Name extends string = string> {
  readonly #secrets: ReadonlyMap<string, FollowedSecret>;
  readonly #session: ConsumerSession;
  readonly #provers: Provers;
  readonly #clock: ClientClock;
  readonly #unfollow: () => void;
  readonly #refusals = new Map<string, { readonly at: number; readonly outcome: Promise<boolean> }>();
  #refreshing: Promise<void> | undefined;
  #catchingUp: Promise<void> | undefined;
  #snapshot: Readonly<Record<Name, SecretValue>> | undefined;
  #closing: Promise<void> | undefined;

  /** For `openSecrets`. */
  constructor(parts: {
    readonly secrets: ReadonlyMap<string, FollowedSecret>;
    readonly session: ConsumerSession;
    readonly provers: Provers;
    readonly clock: ClientClock;
    readonly unfollow: () => void;
  }) {
    this.#secrets = parts.secrets;
    this.#session = parts.session;
    this.#provers = parts.provers;
    this.#clock = parts.clock;
    this.#unfollow = parts.unfollow;
  }

  /**
   * The value in use, from memory: no I/O, no wait. Ask each time instead of keeping it. Throws `SecretStale` when this
   * process has been cut off for longer than its bound, and `SecretUnavailable` for a name that was not opened.
   */
  current(name: Name): SecretValue {
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw this.#unknown(name);
    return secret.read();
  }

  /** The same, counted under what it is for: the name of an action, in a few words. It is in the audit trail. */
  use(name: Name, reason: string): SecretValue {
    const secret = this.#followed(name);
    const value = secret.peek();
    const use = { action: 'accessed', reason: shortText(reason, [value]), versionId: value.versionId, count: 1 };
    secret.uses.count(use);
    return value;
  }

  /** All values of one instant; secrets that change together are here all old or all new. Throws as `current` does. */
  snapshot(): Readonly<Record<Name, SecretValue>> {
    this.#requireOpen();
    const values = [...this.#secrets.values()].map((secret) => secret.read());
    const known = this.#snapshot;
    if (known !== undefined && values.every((value) => (known as Values)[value.name] === value)) return known;
    const snapshot = Object.fromEntries(values.map((value) => [value.name, value]));
    this.#snapshot = Object.freeze(snapshot) as Readonly<Record<Name, SecretValue>>;
    return this.#snapshot;
  }

  /**
   * Registers a check that new values pass before anybody sees them, and what takes them into use afterwards; both for
   * one secret, or for several that belong together. `activate` may be called again with a version it knows. Answers
   * how to take it back.
   */
  onReload(name: Name, prove?: Prove<SecretValue>, activate?: Activate<SecretValue>): () => void;
  onReload<Some extends Name>(
    names: readonly Some[],
    prove?: Prove<Readonly<Record<Some, SecretValue>>>,
    activate?: Activate<Readonly<Record<Some, SecretValue>>>,
  ): () => void;
  onReload(names: Name | readonly Name[], prove?: Prove<never>, activate?: Activate<never>): () => void {
    const list: readonly Name[] = typeof names === 'string' ? [names] : names;
    for (const name of list) this.#followed(name);
    const given = (values: Values): never => (typeof names === 'string' ? values[names] : values) as never;
    return this.#provers.add({
      names: list,
      prove: prove === undefined ? undefined : (values, context) => prove(given(values), context),
      activate: activate === undefined ? undefined : (values) => activate(given(values)),
    });
  }

  /** Asks for news now and reads AWSCURRENT anew. Calls that come together are one. Faults are in `health()`. */
  async refresh(): Promise<void> {
    this.#requireOpen();
    this.#refreshing ??= this.#session.refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * For a process that may have been frozen since its last use, as a Lambda function is between events: resolves at once
   * when everything was confirmed recently, else does first what its timers could not. Throws `SecretStale` where AWS
   * could not be reached and the bound has passed.
   */
  async ready(): Promise<void> {
    this.#requireOpen();
    if (this.#session.isRecent) return;
    this.#catchingUp ??= this.#session.catchUp().finally(() => {
      this.#catchingUp = undefined;
    });
    await this.#catchingUp;
    for (const secret of this.#secrets.values()) secret.peek();
  }

  /**
   * The target refused what is in use (`refused`, its version, if you know it): looks whether there is another that
   * works, at most once in ten seconds, whoever asks. Answers whether another value than the refused one is in use now.
   */
  async reportRefused(name: Name, refused?: string): Promise<boolean> {
    this.#requireOpen();
    const secret = this.#followed(name);
    const { versionId } = secret.peek();
    secret.uses.count({ action: 'refused_by_target', reason: 'current', versionId: refused ?? versionId, count: 1 });
    if (refused !== undefined && refused !== versionId) return true;
    const last = this.#refusals.get(name);
    const now = this.#clock.monotonic();
    if (last !== undefined && now - last.at < REFUSED_MILLISECONDS) {
      await last.outcome;
    } else {
      const outcome = this.#session.replaceRefused(secret);
      this.#refusals.set(name, { at: now, outcome });
      await outcome;
    }
    return secret.value !== undefined && secret.value.versionId !== versionId;
  }

  /** Counts that an agent's action failed; it is in the audit trail with the action's name. */
  noteFailure(name: Name, action: string): void {
    const secret = this.#followed(name);
    const { value } = secret;
    const reason = shortText(action, value === undefined ? [] : [value]);
    secret.uses.count({ action: 'action_failed', reason, versionId: value?.versionId ?? 'none', count: 1 });
  }

  /** Every value in use, uncounted: for keeping them out of texts. */
  values(): readonly SecretValue[] {
    return [...this.#secrets.values()].flatMap(({ value }) => value ?? []);
  }

  health(): Readonly<Record<Name, SecretHealth>> {
    const entries = [...this.#secrets.values()].map(({ name, value, confirmedSeconds, errors, lastError }) => [
      name,
      { versionId: value?.versionId, confirmedSeconds, errors, lastError },
    ]);
    return Object.fromEntries(entries) as Readonly<Record<Name, SecretHealth>>;
  }

  /** Stops, hands in what has been counted and signs off, for five seconds at most. A second call does nothing more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#unfollow();
    const over = new AbortController();
    const goodbye = Promise.all([this.#session.flush(), this.#session.leave()]);
    await Promise.race([goodbye, this.#clock.sleep(CLOSE_MILLISECONDS, over.signal).catch(() => undefined)]);
    over.abort();
  }

  #followed(name: Name): FollowedSecret {
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw this.#unknown(name);
    return secret;
  }

  #unknown(name: string): SecretUnavailable {
    return new SecretUnavailable(`The secret "${name}" was not opened: name it in openSecrets.`);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new SecretsClosed('These secrets have been closed.');
  }
}
