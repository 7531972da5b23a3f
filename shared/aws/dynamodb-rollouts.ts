import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  paginateQuery,
} from '@aws-sdk/client-dynamodb';
import type { Answer, Consumer } from '../rollout/consumer.ts';
import {
  ANSWER_PREFIX,
  BATCH_PREFIX,
  CONSUMER_PREFIX,
  type Item,
  type ItemKey,
  keyOf,
  rekeysKeyOf,
  noticeItem,
  noticeKey,
  toAnswer,
  toConsumer,
  toNotice,
} from '../rollout/consumer-items.ts';
import type { RolloutNotice } from '../rollout/notice.ts';
import type { Batch, BatchAnswers, BatchId, OpenBatch, RolloutStore } from '../rollout/rollout-store.ts';
import { withAwsErrors } from './aws-errors.ts';
import { itemsOf } from './pages.ts';

/** Batches are of use while their rotation runs; kept for `rekey status` and for people. */
const BATCH_KEPT_SECONDS = 30 * 24 * 3600;

/** Rekey's side of the table of consumers; `shared/rollout/consumer-items.ts` has its layout. */
export class DynamoDbRollouts implements RolloutStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async notice(secretId: string): Promise<RolloutNotice | undefined> {
    const { Item } = await withAwsErrors(() =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: noticeKey(secretId), ConsistentRead: true })),
    );
    return Item === undefined ? undefined : toNotice(Item);
  }

  async post(notice: RolloutNotice): Promise<'posted' | 'conflict'> {
    const before = notice.sequence - 1;
    try {
      await withAwsErrors(() =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: noticeItem(notice),
            ...(before === 0
              ? { ConditionExpression: 'attribute_not_exists(pk)' }
              : {
                  ConditionExpression: '#sequence = :before',
                  ExpressionAttributeNames: { '#sequence': 'sequence' },
                  ExpressionAttributeValues: { ':before': { N: String(before) } },
                }),
          }),
        ),
      );
      return 'posted';
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return 'conflict';
      throw error;
    }
  }

  async consumers(secretId: string): Promise<readonly Consumer[]> {
    return this.#read(keyOf(secretId, CONSUMER_PREFIX), toConsumer);
  }

  async answers(secretId: string, rotationId: string): Promise<readonly Answer[]> {
    return this.#read(keyOf(secretId, `${ANSWER_PREFIX}${rotationId}#`), toAnswer);
  }

  async batches(secretId: string, rotationId: string): Promise<readonly Batch[]> {
    return this.#read(rekeysKeyOf(secretId, `${BATCH_PREFIX}${rotationId}#`), toBatch);
  }

  /** One update: answers that come before it are in what it answers, those after it see the new token. */
  async openBatch(batch: OpenBatch): Promise<Batch> {
    const { secretId, expected, stopsOnRefusal, token, openedAt } = batch;
    const names = expected.length === 0 ? {} : { ':expected': { SS: [...expected] } };
    const answer = await withAwsErrors(() =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: rekeysKeyOf(secretId, batchKey(batch)),
          UpdateExpression: `SET ${expected.length === 0 ? '' : 'expected = :expected, '}stopsOnRefusal = :stops, #token = :token, openedAt = if_not_exists(openedAt, :now), expiresAt = :expires`,
          ExpressionAttributeNames: { '#token': 'token' },
          ExpressionAttributeValues: {
            ...names,
            ':stops': { BOOL: stopsOnRefusal },
            ':token': { S: token },
            ':now': { S: openedAt.toISOString() },
            ':expires': { N: String(Math.floor(openedAt.getTime() / 1000) + BATCH_KEPT_SECONDS) },
          },
          ReturnValues: 'ALL_NEW',
        }),
      ),
    );
    return toBatch(answer.Attributes ?? {}) ?? { ...batch, acknowledged: [], refused: [] };
  }

  async addAnswers(id: BatchId, { acknowledged, refused }: BatchAnswers): Promise<Batch | undefined> {
    const values: Record<string, AttributeValue> = {
      ...(acknowledged.length === 0 ? {} : { ':acknowledged': { SS: [...acknowledged] } }),
      ...(refused.length === 0 ? {} : { ':refused': { SS: [...refused] } }),
    };
    const additions = Object.keys(values).map((name) => `${name.slice(1)} ${name}`);
    if (additions.length === 0) return undefined;
    try {
      const answer = await withAwsErrors(() =>
        this.#client.send(
          new UpdateItemCommand({
            TableName: this.#table,
            Key: rekeysKeyOf(id.secretId, batchKey(id)),
            UpdateExpression: `ADD ${additions.join(', ')}`,
            ConditionExpression: 'attribute_exists(pk)',
            ExpressionAttributeValues: values,
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return toBatch(answer.Attributes ?? {});
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return undefined;
      throw error;
    }
  }

  /** Every item of the partition whose sort key begins as the given one; what cannot be read is passed over. */
  async #read<Kind>({ pk, sk }: ItemKey, read: (item: Item) => Kind | undefined): Promise<Kind[]> {
    const found: Kind[] = [];
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#table,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: { ':pk': pk, ':prefix': sk },
        ConsistentRead: true,
      },
    );
    for await (const item of itemsOf(pages)) {
      const kind = read(item);
      if (kind !== undefined) found.push(kind);
    }
    return found;
  }
}

function batchKey({ rotationId, number }: BatchId): string {
  return `${BATCH_PREFIX}${rotationId}#${String(number).padStart(6, '0')}`;
}

function toBatch(item: Item): Batch | undefined {
  const [secretId, [rotationId, number]] = [
    item.pk?.S?.slice('REKEY#'.length),
    item.sk?.S?.slice(BATCH_PREFIX.length).split('#') ?? [],
  ];
  if (secretId === undefined || rotationId === undefined || item.token?.S === undefined) return undefined;
  return {
    secretId,
    rotationId,
    number: Number(number),
    expected: item.expected?.SS ?? [],
    stopsOnRefusal: item.stopsOnRefusal?.BOOL === true,
    token: item.token.S,
    openedAt: new Date(item.openedAt?.S ?? 0),
    acknowledged: item.acknowledged?.SS ?? [],
    refused: item.refused?.SS ?? [],
  };
}
