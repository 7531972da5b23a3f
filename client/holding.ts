import { ANY_VERSION, type Answer, type ConsumerWord } from '../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import type { ElapsedTime } from './elapsed-time.ts';
import { SecretsClosed, SecretStale } from './errors.ts';

export type Identity = Omit<ConsumerWord, 'holds' | 'sequence'>;

/**
 * What Rekey is told that this process holds of one secret. One write at a time, each with what is held when it begins.
 *
 * Rekey counts on this: a version in use is always among `holds` in the table, until the bound has passed since the
 * start of the last write that got through. From then on nothing may be used and nothing renews it (a word that comes
 * through late must not revive what Rekey has stopped waiting for); only `begin` starts again.
 */
export class Holding {
  readonly identity: Identity;
  readonly #link: ConsumerLink;
  readonly #elapsed: ElapsedTime;
  #holds: readonly string[] = [];
  #sequence = 0;
  #confirmed: number | undefined;
  #hasLeft = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly identity: Identity; readonly link: ConsumerLink; readonly elapsed: ElapsedTime }) {
    this.identity = options.identity;
    this.#link = options.link;
    this.#elapsed = options.elapsed;
  }

  get holds(): readonly string[] {
    return this.#holds;
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** The start of the last write that got through, in elapsed milliseconds; `undefined` before the first. */
  get confirmed(): number | undefined {
    return this.#confirmed;
  }

  get isStale(): boolean {
    const { boundSeconds } = this.identity;
    return this.#confirmed === undefined || this.#elapsed.milliseconds() - this.#confirmed > boundSeconds * 1000;
  }

  /** Starts, or starts again: whatever is read after this is held. */
  async begin(sequence: number): Promise<'announced' | 'superseded'> {
    return this.#inTurn(async () => {
      if (this.#hasLeft) throw new SecretsClosed(`"${this.identity.secretId}" has been closed.`);
      const start = this.#elapsed.milliseconds();
      const outcome = await this.#link.announce({ ...this.identity, holds: [ANY_VERSION], sequence });
      if (outcome === 'superseded') return outcome;
      this.#holds = [ANY_VERSION];
      this.#sequence = sequence;
      this.#confirmed = start;
      return outcome;
    });
  }

  /** Says that `versionId` may be used too, under the notice with this sequence; before anything is done with it. */
  async announce(versionId: string, sequence: number): Promise<'announced' | 'superseded'> {
    return this.#inTurn(async () => {
      const holds = [...new Set([...this.#holds, versionId])];
      const start = this.#start();
      const outcome = await this.#link.announce({ ...this.identity, holds, sequence });
      if (outcome === 'superseded') return outcome;
      this.#confirm(start);
      this.#holds = holds;
      this.#sequence = sequence;
      return outcome;
    });
  }

  /** From now on only these are in use; said with the next word. */
  keep(versionIds: readonly string[], sequence = this.#sequence): void {
    this.#holds = versionIds;
    this.#sequence = sequence;
  }

  async report(): Promise<void> {
    await this.#inTurn(async () => {
      const start = this.#start();
      await this.#link.report(this.#word());
      this.#confirm(start);
    });
  }

  async answer(answer: Answer): Promise<void> {
    await this.#inTurn(async () => {
      const start = this.#start();
      await this.#link.answer(this.#word(), answer);
      this.#confirm(start);
    });
  }

  /** Nothing is held any more, nor ever again. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#confirmed = undefined;
    await this.#inTurn(() => this.#link.leave(this.identity.secretId, this.identity.consumerId));
  }

  #word(): ConsumerWord {
    return { ...this.identity, holds: this.#holds, sequence: this.#sequence };
  }

  #start(): number {
    this.#requireFresh();
    return this.#elapsed.milliseconds();
  }

  #confirm(start: number): void {
    this.#requireFresh();
    this.#confirmed = start;
  }

  #requireFresh(): void {
    if (!this.isStale) return;
    throw new SecretStale(`Nothing has been heard of the holder of "${this.identity.secretId}" for its bound.`);
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
