import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { withAwsErrors } from '../shared/aws/aws-errors.ts';
import { Throttled, TransientFailure } from '../shared/errors.ts';
import type { Answer, ConsumerWord, UseReport } from '../shared/rollout/consumer.ts';
import {
  answerItem,
  consumerItem,
  consumerKey,
  type Item,
  type ItemKey,
  noticeKey,
  toNotice,
  useItem,
} from '../shared/rollout/consumer-items.ts';
import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import { AwsTime } from './aws-time.ts';
import type { ClientClock } from './client-clock.ts';

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html */
const KEYS_PER_CALL = 100;
/** Waits of 50, 100, 200, 400 ms between them. */
const BATCH_ATTEMPTS = 5;

/**
 * ConsumerLink on the DynamoDB table of consumers. Of one consumer's writes the latest begun stands: one that the network
 * delivers late changes nothing, so that no old word covers up what is held now. Uses GetItem, BatchGetItem, PutItem,
 * DeleteItem and, in transactions, ConditionCheckItem.
 */
export class DynamoDbLink implements ConsumerLink {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #clock: ClientClock;
  readonly #time: AwsTime;
  /** When consumers started, in AWS's time, translated once. */
  readonly #started = new WeakMap<Date, Date>();
  #writes = 0;

  constructor({
    client,
    table,
    clock,
  }: {
    readonly client: DynamoDBClient;
    readonly table: string;
    readonly clock: ClientClock;
  }) {
    this.#client = client;
    this.#table = table;
    this.#clock = clock;
    this.#time = new AwsTime(clock);
    this.#time.watch(client);
  }

  async notices(secretIds: readonly string[]): Promise<ReadonlyMap<string, RolloutNotice>> {
    const found = new Map<string, RolloutNotice>();
    for (let from = 0; from < secretIds.length; from += KEYS_PER_CALL) {
      const keys = [...new Set(secretIds.slice(from, from + KEYS_PER_CALL))].map(noticeKey);
      for (const item of await this.#getBatch(keys)) {
        const notice = toNotice(item);
        if (notice !== undefined) found.set(notice.secretId, notice);
      }
    }
    return found;
  }

  async notice(secretId: string): Promise<RolloutNotice | undefined> {
    const answer = await withAwsErrors(() =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: noticeKey(secretId), ConsistentRead: true })),
    );
    return answer.Item === undefined ? undefined : toNotice(answer.Item);
  }

  async report(consumer: ConsumerWord): Promise<void> {
    const put = await this.#put(consumer);
    try {
      await withAwsErrors(() => this.#client.send(new PutItemCommand(put)));
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) throw overtaken(error);
      throw error;
    }
  }

  async announce(consumer: ConsumerWord): Promise<'announced' | 'superseded'> {
    const isAtSequence: TransactWriteItem = {
      ConditionCheck: {
        TableName: this.#table,
        Key: noticeKey(consumer.secretId),
        ...(consumer.sequence === 0
          ? { ConditionExpression: 'attribute_not_exists(pk)' }
          : {
              ConditionExpression: '#sequence = :sequence',
              ExpressionAttributeNames: { '#sequence': 'sequence' },
              ExpressionAttributeValues: { ':sequence': { N: String(consumer.sequence) } },
            }),
      },
    };
    const failed = await this.#transact([isAtSequence, { Put: await this.#put(consumer) }]);
    if (failed === undefined) return 'announced';
    if (failed.reasons[0] === 'ConditionalCheckFailed') return 'superseded';
    throw overtaken(failed.cause);
  }

  async answer(consumer: ConsumerWord, answer: Answer): Promise<void> {
    const put = await this.#put(consumer);
    const Item = answerItem({ ...answer, answeredAt: this.#time.translate(answer.answeredAt) });
    const failed = await this.#transact([{ Put: put }, { Put: { TableName: this.#table, Item } }]);
    if (failed !== undefined) throw overtaken(failed.cause);
  }

  async reportUse(report: UseReport): Promise<void> {
    const { translate } = await this.#freshTime(report.secretId);
    try {
      await withAwsErrors(() =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: useItem({ ...report, from: translate(report.from), to: translate(report.to) }),
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      );
    } catch (error) {
      // It is there: an earlier attempt whose answer was lost.
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  async leave(secretId: string, consumerId: string): Promise<void> {
    await withAwsErrors(() =>
      this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: consumerKey({ secretId, consumerId }) })),
    );
  }

  /** The consumer's item, stamped with the start of this call; `wrote` orders the writes of one consumer. */
  async #put(consumer: ConsumerWord): Promise<NonNullable<Required<TransactWriteItem>['Put']>> {
    const { now, translate } = await this.#freshTime(consumer.secretId);
    const startedAt = this.#started.get(consumer.startedAt) ?? translate(consumer.startedAt);
    this.#started.set(consumer.startedAt, startedAt);
    const wrote = { N: String((this.#writes += 1)) };
    return {
      TableName: this.#table,
      Item: { ...consumerItem({ ...consumer, startedAt, seenAt: now }), wrote },
      // "<=": the same write again, after its answer was lost.
      ConditionExpression: 'attribute_not_exists(wrote) OR wrote <= :wrote',
      ExpressionAttributeValues: { ':wrote': wrote },
    };
  }

  /** Asks AWS the time, with a read that costs half a unit, where the last answer is too long ago to reckon from. */
  async #freshTime(secretId: string): Promise<{ readonly now: Date; readonly translate: (noted: Date) => Date }> {
    if (!this.#time.isFresh) await this.notice(secretId);
    return { now: this.#time.now(), translate: (noted) => this.#time.translate(noted) };
  }

  /** `undefined` when it was carried out; the reason of each part, in order, when a condition failed. */
  async #transact(
    parts: TransactWriteItem[],
  ): Promise<{ readonly reasons: readonly string[]; readonly cause: unknown } | undefined> {
    try {
      await withAwsErrors(() => this.#client.send(new TransactWriteItemsCommand({ TransactItems: parts })));
      return undefined;
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const reasons = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
      if (reasons.includes('ConditionalCheckFailed')) return { reasons, cause: error };
      if (!reasons.includes('TransactionConflict')) throw error;
      throw new TransientFailure('Another transaction was changing the same items.', { cause: error });
    }
  }

  async #getBatch(keys: readonly ItemKey[]): Promise<readonly Item[]> {
    const items: Item[] = [];
    let missing: Item[] = [...keys];
    for (let attempt = 0; attempt < BATCH_ATTEMPTS; attempt += 1) {
      if (attempt > 0) await this.#clock.sleep(25 * 2 ** attempt);
      const Keys = missing;
      const answer = await withAwsErrors(() =>
        this.#client.send(new BatchGetItemCommand({ RequestItems: { [this.#table]: { Keys } } })),
      );
      items.push(...(answer.Responses?.[this.#table] ?? []));
      missing = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (missing.length === 0) return items;
    }
    throw new Throttled('DynamoDB left notices unread, again and again.');
  }
}

function overtaken(cause: unknown): TransientFailure {
  return new TransientFailure('A later word of this consumer was there before.', { cause });
}
