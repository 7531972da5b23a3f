import type { Answer, Consumer, ConsumerWord, UseReport } from '../../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../../shared/rollout/notice.ts';
import type { Batch, BatchAnswers, BatchId, OpenBatch, RolloutStore } from '../../shared/rollout/rollout-store.ts';

/** The table of consumers in memory, from both sides. Every call is one step, as every call to DynamoDB is. */
export class InMemoryConsumers implements RolloutStore, ConsumerLink {
  /** Every answer ever given, for assertions and for whoever plays the stream. */
  readonly given: Answer[] = [];
  readonly uses: UseReport[] = [];
  /** Told of every answer, as the table's stream tells the acknowledgement function. */
  onAnswer: (answer: Answer) => void = () => undefined;
  readonly #notices = new Map<string, RolloutNotice>();
  readonly #consumers = new Map<string, Consumer>();
  readonly #batches = new Map<string, Batch>();
  readonly #now: () => Date;

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  async notice(secretId: string): Promise<RolloutNotice | undefined> {
    return this.#notices.get(secretId);
  }

  async notices(secretIds: readonly string[]): Promise<ReadonlyMap<string, RolloutNotice>> {
    return new Map([...this.#notices].filter(([secretId]) => secretIds.includes(secretId)));
  }

  async post(notice: RolloutNotice): Promise<'posted' | 'conflict'> {
    if ((this.#notices.get(notice.secretId)?.sequence ?? 0) !== notice.sequence - 1) return 'conflict';
    this.#notices.set(notice.secretId, notice);
    return 'posted';
  }

  async consumers(secretId: string): Promise<readonly Consumer[]> {
    return [...this.#consumers.values()].filter((consumer) => consumer.secretId === secretId);
  }

  async openBatch(batch: OpenBatch): Promise<Batch> {
    const known = this.#batches.get(keyOf(batch));
    const opened = {
      ...batch,
      openedAt: known?.openedAt ?? batch.openedAt,
      acknowledged: known?.acknowledged ?? [],
      refused: known?.refused ?? [],
    };
    this.#batches.set(keyOf(batch), opened);
    return opened;
  }

  async addAnswers(id: BatchId, { acknowledged, refused }: BatchAnswers): Promise<Batch | undefined> {
    const known = this.#batches.get(keyOf(id));
    if (known === undefined) return undefined;
    const changed = {
      ...known,
      acknowledged: [...new Set([...known.acknowledged, ...acknowledged])],
      refused: [...new Set([...known.refused, ...refused])],
    };
    this.#batches.set(keyOf(id), changed);
    return changed;
  }

  async answers(secretId: string, rotationId: string): Promise<readonly Answer[]> {
    const mine = this.given.filter((answer) => answer.secretId === secretId && answer.rotationId === rotationId);
    return [...new Map(mine.map((answer) => [answer.consumerId, answer])).values()];
  }

  async batches(secretId: string, rotationId: string): Promise<readonly Batch[]> {
    return [...this.#batches.values()]
      .filter((batch) => batch.secretId === secretId && batch.rotationId === rotationId)
      .sort((a, b) => a.number - b.number);
  }

  async report(consumer: ConsumerWord): Promise<void> {
    this.#write(consumer);
  }

  async announce(consumer: ConsumerWord): Promise<'announced' | 'superseded'> {
    if ((this.#notices.get(consumer.secretId)?.sequence ?? 0) !== consumer.sequence) return 'superseded';
    this.#write(consumer);
    return 'announced';
  }

  async answer(consumer: ConsumerWord, answer: Answer): Promise<void> {
    this.#write(consumer);
    this.given.push(answer);
    this.onAnswer(answer);
  }

  async reportUse(report: UseReport): Promise<void> {
    const isKnown = this.uses.some(
      ({ secretId, consumerId, number }) =>
        secretId === report.secretId && consumerId === report.consumerId && number === report.number,
    );
    if (!isKnown) this.uses.push(report);
  }

  #write(consumer: ConsumerWord): void {
    this.#consumers.set(consumerKey(consumer), { ...consumer, seenAt: this.#now() });
  }

  async leave(secretId: string, consumerId: string): Promise<void> {
    this.#consumers.delete(consumerKey({ secretId, consumerId }));
  }
}

function keyOf({ secretId, rotationId, number }: BatchId): string {
  return `${secretId}/${rotationId}/${number}`;
}

function consumerKey({ secretId, consumerId }: Pick<Consumer, 'secretId' | 'consumerId'>): string {
  return `${secretId}/${consumerId}`;
}
