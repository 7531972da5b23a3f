import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  paginateQuery,
  paginateScan,
} from '@aws-sdk/client-dynamodb';
import { hash } from 'node:crypto';
import { RecordUnreadable } from '../errors.ts';
import { parseRecord, parseRotation, serialiseRecord, serialiseRotation } from '../registry/record-schema.ts';
import type { AuditHead } from '../audit/audit-trail.ts';
import type { DueRecords, Registry, RotationRecord, SaveWith, SecretRecord } from '../registry/registry.ts';
import { withAwsErrors } from './aws-errors.ts';
import { pagesOf } from './pages.ts';
import type { DynamoDbAuditTrail } from './dynamodb-audit-trail.ts';

/** Name of the index by due time; the table's construct uses it too. */
export const DUE_INDEX = 'due';
/** Spreads the index over partitions; a scheduler run asks each once. */
const DUE_SHARDS = 4;
/** Archived rotations are kept this long (table TTL), longer than an execution can live (one year). */
const ARCHIVE_SECONDS = 400 * 24 * 3600;

type ConditionalPut = NonNullable<TransactWriteItem['Put']>;

/** Registry on one DynamoDB table: `pk` = `SECRET#<id>`, `sk` = `STATE` or `ROTATION#<rotationId>`. */
export class DynamoDbRegistry implements Registry {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #auditTrail: DynamoDbAuditTrail;

  /** `auditTrail`: of the same account and region, so that one transaction can hold a record and its entries. */
  constructor(client: DynamoDBClient, table: string, auditTrail: DynamoDbAuditTrail) {
    this.#client = client;
    this.#table = table;
    this.#auditTrail = auditTrail;
  }

  async get(secretId: string): Promise<SecretRecord | undefined> {
    const item = await this.#getItem(secretId, 'STATE');
    return item === undefined ? undefined : toRecord(item);
  }

  async archivedRotation(secretId: string, rotationId: string): Promise<RotationRecord | undefined> {
    const item = await this.#getItem(secretId, archiveKey(rotationId));
    return item?.record?.S === undefined ? undefined : parseRotation(item.record.S, secretId);
  }

  async save(record: SecretRecord, { archived, entries = [] }: SaveWith = {}): Promise<'saved' | 'conflict'> {
    const put = (auditHead: AuditHead | undefined): ConditionalPut => ({
      TableName: this.#table,
      Item: toItem(record, auditHead),
      // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
      ConditionExpression: record.revision === 0 ? 'attribute_not_exists(pk)' : 'revision = :revision',
      ...(record.revision === 0 ? {} : { ExpressionAttributeValues: { ':revision': { N: String(record.revision) } } }),
    });
    const isSaved =
      entries.length === 0
        ? await this.#put(put(record.auditHead), record.rotation, archived)
        : (await this.#auditTrail.appendWith(record.secretId, {
            operations: entries,
            after: record.auditHead,
            companion: (head) => ({ Put: put(head) }),
          })) === 'written';
    if (isSaved) return 'saved';
    // The SDK tries again by itself when an answer is lost; then the condition fails on our own write.
    const stored = await this.#getItem(record.secretId, 'STATE');
    const isOurs = stored?.revision?.N === String(record.revision + 1) && stored.record?.S === serialiseRecord(record);
    return isOurs ? 'saved' : 'conflict';
  }

  /** Whether the conditions held. A rotation takes another's place only if it has not itself been replaced before. */
  async #put(
    put: ConditionalPut,
    rotation: RotationRecord | undefined,
    archived: RotationRecord | undefined,
  ): Promise<boolean> {
    try {
      await withAwsErrors<unknown>(() =>
        archived === undefined
          ? this.#client.send(new PutItemCommand(put))
          : this.#client.send(
              new TransactWriteItemsCommand({
                TransactItems: [
                  { Put: put },
                  { Put: { TableName: this.#table, Item: toArchiveItem(archived) } },
                  ...(rotation === undefined ? [] : [this.#notArchived(rotation)]),
                ],
              }),
            ),
      );
      return true;
    } catch (error) {
      if (!isConditionFailure(error)) throw error;
      return false;
    }
  }

  #notArchived({ secretId, rotationId }: RotationRecord): TransactWriteItem {
    return {
      ConditionCheck: {
        TableName: this.#table,
        Key: key(secretId, archiveKey(rotationId)),
        ConditionExpression: 'attribute_not_exists(pk)',
      },
    };
  }

  async findDue(now: Date, limit: number): Promise<DueRecords> {
    const shards = await Promise.all(
      Array.from({ length: DUE_SHARDS }, (_, shard) => this.#dueIn(`due#${shard}`, now, limit)),
    );
    const records = shards
      .flatMap((shard) => shard.records)
      .sort((a, b) => Number(a.dueAt) - Number(b.dueAt))
      .slice(0, limit);
    return { records, unreadable: shards.flatMap((shard) => shard.unreadable) };
  }

  /** A second page only where records of the first could not be read. */
  async #dueIn(shard: string, now: Date, limit: number): Promise<DueRecords> {
    const records: SecretRecord[] = [];
    const unreadable: string[] = [];
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#table,
        IndexName: DUE_INDEX,
        KeyConditionExpression: 'dueShard = :shard AND dueAt <= :now',
        ExpressionAttributeValues: { ':shard': { S: shard }, ':now': { S: now.toISOString() } },
        Limit: limit,
      },
    );
    for await (const items of pagesOf(pages)) {
      sortOut(items, records, unreadable);
      if (records.length >= limit) break;
    }
    return { records, unreadable };
  }

  async *list(): AsyncIterable<SecretRecord> {
    const unreadable: string[] = [];
    const pages = paginateScan(
      { client: this.#client },
      {
        TableName: this.#table,
        ConsistentRead: true,
        FilterExpression: 'sk = :state',
        ExpressionAttributeValues: { ':state': { S: 'STATE' } },
      },
    );
    for await (const items of pagesOf(pages)) {
      const records: SecretRecord[] = [];
      sortOut(items, records, unreadable);
      yield* records;
    }
    if (unreadable.length > 0) throw new RecordUnreadable(unreadable);
  }

  async #getItem(secretId: string, sk: string): Promise<Record<string, AttributeValue> | undefined> {
    const answer = await withAwsErrors(() =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: key(secretId, sk), ConsistentRead: true })),
    );
    return answer.Item;
  }
}

const PARTITION = 'SECRET#';

function key(secretId: string, sk: string): Record<'pk' | 'sk', AttributeValue> {
  return { pk: { S: `${PARTITION}${secretId}` }, sk: { S: sk } };
}

function archiveKey(rotationId: string): string {
  return `ROTATION#${rotationId}`;
}

function toItem(record: SecretRecord, auditHead: AuditHead | undefined): Record<string, AttributeValue> {
  const shard = Number.parseInt(hash('sha256', record.secretId).slice(0, 8), 16) % DUE_SHARDS;
  return {
    ...key(record.secretId, 'STATE'),
    record: { S: serialiseRecord(record) },
    revision: { N: String(record.revision + 1) },
    ...(auditHead === undefined
      ? {}
      : { auditSequence: { N: String(auditHead.sequence) }, auditHash: { S: auditHead.hash } }),
    ...(record.status === 'active' && record.dueAt !== undefined
      ? { dueShard: { S: `due#${shard}` }, dueAt: { S: record.dueAt.toISOString() } }
      : {}),
  };
}

function toArchiveItem(rotation: RotationRecord): Record<string, AttributeValue> {
  const ended = rotation.endedAt ?? rotation.startedAt;
  return {
    ...key(rotation.secretId, archiveKey(rotation.rotationId)),
    record: { S: serialiseRotation(rotation) },
    expiresAt: { N: String(Math.floor(ended.getTime() / 1000) + ARCHIVE_SECONDS) },
  };
}

function secretIdOf({ pk }: Record<string, AttributeValue>): string {
  return pk?.S?.slice(PARTITION.length) ?? '';
}

/** Puts records where they belong, and the names of those that cannot be read beside them. */
function sortOut(
  items: readonly Record<string, AttributeValue>[],
  records: SecretRecord[],
  unreadable: string[],
): void {
  for (const item of items) {
    try {
      records.push(toRecord(item));
    } catch (error) {
      if (!(error instanceof RecordUnreadable)) throw error;
      unreadable.push(secretIdOf(item));
    }
  }
}

function toRecord(item: Record<string, AttributeValue>): SecretRecord {
  const { auditSequence, auditHash } = item;
  return parseRecord(item.record?.S ?? '', {
    secretId: secretIdOf(item),
    revision: Number(item.revision?.N),
    auditHead:
      auditSequence?.N === undefined || auditHash?.S === undefined
        ? undefined
        : { sequence: Number(auditSequence.N), hash: auditHash.S },
  });
}

function isConditionFailure(error: unknown): boolean {
  if (error instanceof ConditionalCheckFailedException) return true;
  return (
    error instanceof TransactionCanceledException &&
    (error.CancellationReasons ?? []).some(
      ({ Code }) => Code === 'ConditionalCheckFailed' || Code === 'TransactionConflict',
    )
  );
}
