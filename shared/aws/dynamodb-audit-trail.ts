import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  paginateQuery,
  paginateScan,
} from '@aws-sdk/client-dynamodb';
import type { AuditEntry, AuditHead, AuditOperation, AuditTrail, ReadOptions } from '../audit/audit-trail.ts';
import { GENESIS, type LinkedEntry, linkEntries } from '../audit/chain.ts';
import { checkOperations } from '../audit/check-operations.ts';
import { lineOf } from '../audit/entry-line.ts';
import { readEntries } from '../audit/read-entries.ts';
import type { Clock } from '../clock.ts';
import { InternalFault, Throttled } from '../errors.ts';
import { withAwsErrors } from './aws-errors.ts';
import { itemsOf } from './pages.ts';

/** Tries against other writers: 20, waiting 25 ms doubling to 400 ms, each times a random share: at most 7 s in all. */
const MAX_ATTEMPTS = 20;
const FIRST_WAIT_MILLISECONDS = 25;
const LONGEST_WAIT_MILLISECONDS = 400;

type Item = Record<string, AttributeValue>;
/** What stood in a transaction's way. */
interface Obstacle {
  /** Positions of operations that are already written. */
  readonly written: ReadonlySet<number>;
  /** A sequence is taken while the head was where we read it: the head is behind its own entries. */
  readonly headBehind: boolean;
  /** The condition of the caller's own write does not hold. */
  readonly companionRefused: boolean;
}

interface Appending {
  readonly operations: readonly AuditOperation[];
  readonly after?: AuditHead | undefined;
  /** Made of the head after the entries. */
  readonly companion?: (head: AuditHead) => TransactWriteItem;
}

interface Appended {
  readonly head: AuditHead;
  /** Whether the caller's own write, where there was one, was made with the entries. */
  readonly companionWritten: boolean;
}

export interface DynamoDbAuditTrailOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly clock: Clock;
  /** From 0 up to 1, for the jitter. */
  readonly random?: () => number;
}

/**
 * The audit trail on one DynamoDB table, keys `secret_id` (S) and `sequence` (N).
 *
 *     secret_id                      sequence
 *     prod/openai                    0         head_sequence, head_hash
 *     prod/openai                    1, 2, …   entry (the hashed bytes), hash
 *     prod/openai#operations/<id>    0         entry_sequence: this operation is written
 *
 * Two calls an append: a consistent read of the head (none where the caller has read it), one transaction. Three when
 * all was written before.
 */
export class DynamoDbAuditTrail implements AuditTrail {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  /** The last append of each secret in this process: they follow each other instead of competing. */
  readonly #tails = new Map<string, Promise<unknown>>();

  constructor({ client, table, clock, random = Math.random }: DynamoDbAuditTrailOptions) {
    this.#client = client;
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
  }

  /** Idempotent by `operationId`: its marker is written in the entries' transaction, on condition that there is none. */
  async append(secretId: string, operations: readonly AuditOperation[]): Promise<AuditHead> {
    return (await this.#append(secretId, { operations })).head;
  }

  /**
   * `append` with one more conditional write, of any table, in the same transaction: all of it or nothing. `after`, the
   * head as the caller knows it, saves reading it; where it has moved on, it is read. Answers `refused`, with nothing
   * written, when the companion's condition does not hold.
   */
  async appendWith(secretId: string, appending: Required<Appending>): Promise<'written' | 'refused'> {
    return (await this.#append(secretId, appending)).companionWritten ? 'written' : 'refused';
  }

  async #append(secretId: string, { operations, after, companion }: Appending): Promise<Appended> {
    const wanted = checkOperations(secretId, operations);
    const turn = (this.#tails.get(secretId) ?? Promise.resolve()).then(() =>
      this.#appendInTurn(secretId, wanted, after, companion),
    );
    const settled = turn.catch(() => undefined);
    this.#tails.set(secretId, settled);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(secretId) === settled) this.#tails.delete(secretId);
    }
  }

  async head(secretId: string): Promise<AuditHead | undefined> {
    const answer = await withAwsErrors(() =>
      this.#client.send(
        new GetItemCommand({
          TableName: this.#table,
          Key: { secret_id: { S: secretId }, sequence: { N: '0' } },
          ProjectionExpression: 'head_sequence, head_hash',
          ConsistentRead: true,
        }),
      ),
    );
    const { head_sequence: sequence, head_hash: hash } = answer.Item ?? {};
    return sequence?.N === undefined || hash?.S === undefined
      ? undefined
      : { sequence: Number(sequence.N), hash: hash.S };
  }

  read(secretId: string, options?: ReadOptions): AsyncIterable<AuditEntry> {
    return readEntries(this.lines(secretId, options));
  }

  async *lines(secretId: string, { from = 1 }: ReadOptions = {}): AsyncGenerator<string> {
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#table,
        KeyConditionExpression: 'secret_id = :secret AND #sequence >= :from',
        ProjectionExpression: 'entry, #hash',
        ExpressionAttributeNames: { '#sequence': 'sequence', '#hash': 'hash' },
        // The head is at 0 and markers are in partitions of their own.
        ExpressionAttributeValues: { ':secret': { S: secretId }, ':from': { N: String(Math.max(1, from)) } },
        ConsistentRead: true,
      },
    );
    for await (const item of itemsOf(pages)) yield lineOf(item.entry?.S ?? '', item.hash?.S ?? '');
  }

  /** Reads the whole table, page by page: for people and for the daily signature, not for a rotation. */
  async *secretIds(): AsyncGenerator<string> {
    const pages = paginateScan(
      { client: this.#client },
      {
        TableName: this.#table,
        FilterExpression: 'attribute_exists(head_hash)',
        ProjectionExpression: 'secret_id',
        ConsistentRead: true,
      },
    );
    for await (const item of itemsOf(pages)) if (item.secret_id?.S !== undefined) yield item.secret_id.S;
  }

  async #appendInTurn(
    secretId: string,
    wanted: readonly AuditOperation[],
    after: AuditHead | undefined,
    companion: Appending['companion'],
  ): Promise<Appended> {
    let missing = wanted;
    /** The caller's, for the first try only: whether it has moved is for the transaction to find out. */
    let known = wanted.length === 0 ? undefined : after;
    let headBehind = false;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; ) {
      const isGiven = known !== undefined;
      const head = known ?? (await this.head(secretId)) ?? GENESIS;
      known = undefined;
      if (missing.length === 0 && companion === undefined) return { head, companionWritten: false };
      const entries = linkEntries(secretId, head, missing);
      const obstacle = await this.#write(secretId, head, entries, companion);
      if (obstacle === undefined) return { head: headAfter(head, entries), companionWritten: true };
      if (obstacle.companionRefused) return { head, companionWritten: false };
      ({ headBehind } = obstacle);
      missing = missing.filter((_, index) => !obstacle.written.has(index));
      // Finding operations written is progress and can happen 30 times; only losing to another writer is bounded.
      if (isGiven || obstacle.written.size > 0) continue;
      await this.#clock.sleep(
        this.#random() * Math.min(LONGEST_WAIT_MILLISECONDS, FIRST_WAIT_MILLISECONDS * 2 ** attempt),
      );
      attempt += 1;
    }
    if (headBehind) throw new InternalFault('The audit trail has entries after its head: run `rekey audit verify`.');
    throw new Throttled('Too many writers append to the audit chain of one secret at once.');
  }

  /** `undefined` when written. Safe to repeat: head, entries and markers each have a condition, and it is all or nothing. */
  async #write(
    secretId: string,
    head: AuditHead,
    entries: readonly LinkedEntry[],
    companion: Appending['companion'],
  ): Promise<Obstacle | undefined> {
    const next = headAfter(head, entries);
    const items: TransactWriteItem[] = [
      // Without entries the companion goes alone: the head stays where it is.
      ...(entries.length === 0 ? [] : [this.#putHead(secretId, head, next)]),
      ...entries.map((entry) => this.#putEntry(secretId, entry)),
      ...entries.map((entry) => this.#putMarker(secretId, entry)),
      ...(companion === undefined ? [] : [companion(next)]),
    ];
    try {
      await withAwsErrors(() => this.#client.send(new TransactWriteItemsCommand({ TransactItems: items })));
      return undefined;
    } catch (error) {
      const obstacle = obstacleOf(error, entries.length, companion !== undefined);
      if (obstacle === undefined) throw error;
      return obstacle;
    }
  }

  #putHead(secretId: string, from: AuditHead, to: AuditHead): TransactWriteItem {
    return {
      Put: {
        TableName: this.#table,
        Item: {
          secret_id: { S: secretId },
          sequence: { N: '0' },
          head_sequence: { N: String(to.sequence) },
          head_hash: { S: to.hash },
        },
        ...(from.sequence === 0
          ? { ConditionExpression: 'attribute_not_exists(secret_id)' }
          : {
              ConditionExpression: 'head_sequence = :sequence AND head_hash = :hash',
              ExpressionAttributeValues: { ':sequence': { N: String(from.sequence) }, ':hash': { S: from.hash } },
            }),
      },
    };
  }

  #putEntry(secretId: string, { sequence, canonical, hash }: LinkedEntry): TransactWriteItem {
    return this.#putNew({
      secret_id: { S: secretId },
      sequence: { N: String(sequence) },
      entry: { S: canonical },
      hash: { S: hash },
    });
  }

  #putMarker(secretId: string, { operationId, sequence }: LinkedEntry): TransactWriteItem {
    return this.#putNew({
      secret_id: { S: `${secretId}#operations/${operationId}` },
      sequence: { N: '0' },
      entry_sequence: { N: String(sequence) },
    });
  }

  #putNew(item: Item): TransactWriteItem {
    return { Put: { TableName: this.#table, Item: item, ConditionExpression: 'attribute_not_exists(secret_id)' } };
  }
}

function headAfter(head: AuditHead, entries: readonly LinkedEntry[]): AuditHead {
  const last = entries.at(-1);
  return last === undefined ? head : { sequence: last.sequence, hash: last.hash };
}

/**
 * Reads the reasons, which stand in the order of the actions: head, entries, markers, the caller's own. `undefined`
 * when `error` is something else than a failed condition or another writer's transaction on the same items.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
 */
function obstacleOf(error: unknown, count: number, hasCompanion: boolean): Obstacle | undefined {
  if (!(error instanceof TransactionCanceledException)) return undefined;
  const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None');
  const known = new Set(['None', 'ConditionalCheckFailed', 'TransactionConflict']);
  const heads = count === 0 ? 0 : 1;
  const length = heads + 2 * count + (hasCompanion ? 1 : 0);
  if (codes.length !== length || codes.some((code) => !known.has(code))) return undefined;
  const failed = codes.map((code) => code === 'ConditionalCheckFailed');
  const entries = failed.slice(heads, heads + count);
  const markers = failed.slice(heads + count, heads + 2 * count);
  return {
    written: new Set(markers.flatMap((isWritten, index) => (isWritten ? [index] : []))),
    headBehind: heads === 1 && codes[0] === 'None' && entries.includes(true),
    companionRefused: hasCompanion && failed.at(-1) === true,
  };
}
