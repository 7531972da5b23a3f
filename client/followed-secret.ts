import type { Answer } from '../shared/rollout/consumer.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import type { ClientClock } from './client-clock.ts';
import type { ElapsedTime } from './elapsed-time.ts';
import { SecretsClosed, SecretStale } from './errors.ts';
import type { Holding } from './holding.ts';
import type { SecretValue } from './secret-value.ts';
import type { UseLedger } from './use-ledger.ts';

const FIRST_RETRY_MILLISECONDS = 10_000;
const LONGEST_RETRY_MILLISECONDS = 300_000;

/** One secret in one process: the value in use, what has been done about its notices, and what is still to be said. */
export class FollowedSecret {
  readonly name: string;
  readonly holding: Holding;
  readonly uses: UseLedger;
  /** Faults since the last success, for `health()`. */
  errors = 0;
  lastError: string | undefined;
  readonly #clock: ClientClock;
  readonly #elapsed: ElapsedTime;
  #answered: Answer | undefined;
  #owed: Answer | undefined;
  #value: SecretValue | undefined;
  #reads = 0;
  /** The value, when this turn of the event loop has seen that it may be used. */
  #checked: SecretValue | undefined;
  readonly #uncheck = (): void => {
    this.#checked = undefined;
  };
  #acted = -1;
  #old = { sequence: -1, reads: 0 };
  readonly #lingering = new Set<string>();
  #retry: { readonly at: number; readonly milliseconds: number } | undefined;
  #deadline = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly holding: Holding;
    readonly uses: UseLedger;
    readonly clock: ClientClock;
    readonly elapsed: ElapsedTime;
  }) {
    this.name = options.holding.identity.secretId;
    this.holding = options.holding;
    this.uses = options.uses;
    this.#clock = options.clock;
    this.#elapsed = options.elapsed;
  }

  /** The last word on a rollout, whether it has got through or not. */
  get answered(): Answer | undefined {
    return this.#answered;
  }

  /** An answer that has not got through yet. */
  get owed(): Answer | undefined {
    return this.#owed;
  }

  /** Takes the place of an answer that is still owed. */
  owe(word: Pick<Answer, 'outcome' | 'said' | 'answeredAt'> & { readonly notice: RolloutNotice }): void {
    const { notice, ...rest } = word;
    const { consumerId, agent, host } = this.holding.identity;
    const { rotationId, versionId } = notice;
    this.#answered = { secretId: this.name, rotationId, consumerId, agent, host, versionId, ...rest };
    this.#owed = this.#answered;
  }

  delivered(answer: Answer | undefined): void {
    if (this.#owed === answer) this.#owed = undefined;
  }

  /** The value in use, uncounted; `undefined` before the first and after the bound. */
  get value(): SecretValue | undefined {
    if (this.#elapsed.milliseconds() > this.#deadline) this.#renew();
    return this.#value;
  }

  /**
   * The hot path: one increment. The clocks, which cost ten times as much, are asked once in a turn of the event loop:
   * until it ends, its caller might as well have kept the first answer. Throws `SecretStale`.
   */
  read(): SecretValue {
    const value = this.#checked ?? this.#check();
    this.#reads += 1;
    return value;
  }

  #check(): SecretValue {
    const value = this.peek();
    this.#checked = value;
    queueMicrotask(this.#uncheck);
    return value;
  }

  /** The same, uncounted. */
  peek(): SecretValue {
    const value = this.value;
    if (value !== undefined) return value;
    if (this.holding.hasLeft) throw new SecretsClosed(`The secret "${this.name}" has been closed.`);
    throw new SecretStale(`The value of "${this.name}" may be outdated: Rekey's table has not been reached for long.`);
  }

  /**
   * Takes a value into use. Whoever replaces several does it without a wait between them: that is the
   * atomic swap. Answers what was in use.
   */
  replace(value: SecretValue): SecretValue | undefined {
    const old = this.#value;
    this.countReads();
    this.#value = value;
    this.#checked = undefined;
    this.#renew();
    return old;
  }

  /** Versions that parts of the process may still use, because taking their successor into use failed there. */
  get lingering(): readonly string[] {
    return [...this.#lingering].filter((versionId) => versionId !== this.#value?.versionId);
  }

  /** Whether everybody who was told of the new value took it; `old` is what it replaced. */
  activated(old: SecretValue | undefined, isComplete: boolean): void {
    if (isComplete) this.#lingering.clear();
    else if (old !== undefined) this.#lingering.add(old.versionId);
  }

  drop(): void {
    this.countReads();
    this.#value = undefined;
    this.#checked = undefined;
  }

  /** The sequence of the notice that everything has been done about; -1: none. */
  get acted(): number {
    return this.#acted;
  }

  /** Whatever the notice says, it is to be looked at again. */
  undone(): void {
    this.#acted = -1;
  }

  isDone(notice: RolloutNotice): boolean {
    if (this.#acted !== notice.sequence) return false;
    return this.#retry === undefined || this.#clock.monotonic() < this.#retry.at;
  }

  /** Everything is done about the notice with this sequence. */
  done(sequence: number): void {
    this.#acted = sequence;
    this.#retry = undefined;
  }

  /** The value did not prove itself: again after 10 s, 20 s, … at most 5 minutes, or with the next notice. */
  failed(sequence: number): void {
    const milliseconds = Math.min(
      (this.#retry?.milliseconds ?? FIRST_RETRY_MILLISECONDS / 2) * 2,
      LONGEST_RETRY_MILLISECONDS,
    );
    this.#acted = sequence;
    this.#retry = { at: this.#clock.monotonic() + milliseconds, milliseconds };
  }

  /** How often AWSCURRENT was not yet where the notice with this sequence says, this time included. */
  oldReads(sequence: number): number {
    this.#old = { sequence, reads: this.#old.sequence === sequence ? this.#old.reads + 1 : 1 };
    return this.#old.reads;
  }

  get isRetryDue(): boolean {
    return this.#retry === undefined || this.#clock.monotonic() >= this.#retry.at;
  }

  noteError(text: string): void {
    this.errors += 1;
    this.lastError = text;
  }

  noteSuccess(): void {
    this.errors = 0;
    this.lastError = undefined;
  }

  /** Puts the cheap count of `read` into the ledger. */
  countReads(): void {
    if (this.#value === undefined) return;
    const use = { action: 'accessed', reason: 'current', versionId: this.#value.versionId, count: this.#reads };
    this.uses.count(use);
    this.#reads = 0;
  }

  /** Takes the deadline from the last confirmed word; drops the value when it is over. */
  #renew(): void {
    const { confirmed, identity } = this.holding;
    if (confirmed === undefined || this.holding.isStale) {
      this.drop();
      return;
    }
    this.#deadline = confirmed + identity.boundSeconds * 1000;
  }

  /** Seconds since the last word that got through; `undefined` when there is none. */
  get confirmedSeconds(): number | undefined {
    const { confirmed } = this.holding;
    return confirmed === undefined ? undefined : (this.#elapsed.milliseconds() - confirmed) / 1000;
  }
}
