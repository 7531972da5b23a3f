import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  PutItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import {
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
  DeleteEventSourceMappingCommand,
} from '@aws-sdk/client-lambda';
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { eventually } from './eventually.ts';
import { lambda, makeFunction, uniqueName } from './fixtures.ts';
import { printed } from './function-log.ts';

const CODE = `
exports.handler = async ({ Records }) => {
  const names = Records.map((record) => record.dynamodb.Keys.sk.S);
  console.log(JSON.stringify({ of: Records[0].dynamodb.Keys.pk.S, names }));
  if (names.includes('slow')) await new Promise((resolve) => setTimeout(resolve, 5_000));
  if (names.includes('throws')) throw new Error('told to fail');
  const failed = Records.filter((record) => record.dynamodb.Keys.sk.S === 'fails');
  return { batchItemFailures: failed.map((record) => ({ itemIdentifier: record.dynamodb.SequenceNumber })) };
};`;

type Row = Readonly<{ of: string; names: string[] }>;

const dynamodb = new DynamoDBClient();
const sqs = new SQSClient();

/** https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html */
describe('a function that follows the stream of a table', () => {
  const TableName = uniqueName('stream');
  let EventSourceArn = '';
  let subject: Awaited<ReturnType<typeof makeFunction>>;
  let queue = { url: '', arn: '' };
  const mappings: string[] = [];

  beforeAll(async () => {
    subject = await makeFunction(CODE);
    const { TableDescription } = await dynamodb.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
      }),
    );
    EventSourceArn = TableDescription?.LatestStreamArn ?? '';
    await waitUntilTableExists({ client: dynamodb, maxWaitTime: 30, minDelay: 0.1 }, { TableName });
    const { QueueUrl: url = '' } = await sqs.send(new CreateQueueCommand({ QueueName: uniqueName('failed') }));
    const about = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
    queue = { url, arn: about.Attributes?.['QueueArn'] ?? '' };
  });
  afterEach(async () => {
    for (const UUID of mappings.splice(0)) await lambda.send(new DeleteEventSourceMappingCommand({ UUID }));
  });
  afterAll(async () => {
    await dynamodb.send(new DeleteTableCommand({ TableName }));
    await sqs.send(new DeleteQueueCommand({ QueueUrl: queue.url }));
    await subject.remove();
  });

  async function put(pk: string, ...names: string[]) {
    for (const sk of names) {
      await dynamodb.send(new PutItemCommand({ TableName, Item: { pk: { S: pk }, sk: { S: sk }, name: { S: sk } } }));
    }
  }

  /** From the stream's beginning on, so that what was written before comes in one batch; only what is of `pk`. */
  async function follow(
    pk: string,
    more: Partial<CreateEventSourceMappingCommandInput> = {},
    dynamodbFilter: unknown = { Keys: { pk: { S: [{ prefix: pk }] } } },
  ) {
    const mapping = await lambda.send(
      new CreateEventSourceMappingCommand({
        FunctionName: subject.name,
        EventSourceArn,
        StartingPosition: 'TRIM_HORIZON',
        FilterCriteria: { Filters: [{ Pattern: JSON.stringify({ dynamodb: dynamodbFilter }) }] },
        ...more,
      }),
    );
    mappings.push(mapping.UUID ?? '');
    return mapping;
  }

  const batchesOf = async (pk: string, count: number) =>
    (await printed<Row>(subject.name, count, (row) => row.of === pk)).map(({ names }) => names);

  async function discarded() {
    const body = await eventually('a discarded batch', async () => {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queue.url, WaitTimeSeconds: 1 }));
      return Messages[0]?.Body;
    });
    return JSON.parse(body) as unknown;
  }

  test('has the defaults of streams', async () => {
    const mapping = await follow(uniqueName('defaults'));
    expect(mapping).toMatchObject({ BatchSize: 100, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1 });
  });

  /** https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html */
  test('gets batches of what its filters let through', async () => {
    const pk = uniqueName('filter');
    for (const sk of ['answer#1', 'answer#2', 'answer#3', 'answer#4']) await put(pk, `alive#${sk}`, sk);
    await follow(pk, { BatchSize: 4 }, { Keys: { pk: { S: [pk] }, sk: { S: [{ prefix: 'answer#' }] } } });
    expect(await batchesOf(pk, 1)).toEqual([['answer#1', 'answer#2', 'answer#3', 'answer#4']]);
    await follow(
      pk,
      { BatchSize: 4 },
      { Keys: { pk: { S: [pk] } }, NewImage: { name: { S: [{ prefix: 'alive#' }] } } },
    );
    const alive = ['alive#answer#1', 'alive#answer#2', 'alive#answer#3', 'alive#answer#4'];
    expect((await batchesOf(pk, 2)).at(-1)).toEqual(alive);
  });

  /** https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html */
  test('gets a batch again from the record on that it reports, until the attempts are used up, if the mapping asks for reports', async () => {
    const pk = uniqueName('report');
    const unasked = uniqueName('unasked');
    const batch = ['a', 'b', 'fails', 'c'];
    await put(pk, ...batch);
    await put(unasked, ...batch);
    await follow(pk, { FunctionResponseTypes: ['ReportBatchItemFailures'], MaximumRetryAttempts: 1 });
    await follow(unasked, { MaximumRetryAttempts: 1 });
    await batchesOf(pk, 2);
    await put(pk, 'later');
    await put(unasked, 'later');
    expect(await batchesOf(pk, 3)).toEqual([batch, ['fails', 'c'], ['later']]);
    expect(await batchesOf(unasked, 2)).toEqual([batch, ['later']]);
  });

  /** https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html */
  describe('that throws', () => {
    const DestinationConfig = () => ({ OnFailure: { Destination: queue.arn } });

    test('gets the batch again MaximumRetryAttempts times, then what comes after; the batch goes to OnFailure', async () => {
      const pk = uniqueName('retry');
      await put(pk, 'a', 'throws', 'b');
      await follow(pk, { MaximumRetryAttempts: 2, DestinationConfig: DestinationConfig() });
      expect(await discarded()).toMatchObject({
        requestContext: { condition: 'RetryAttemptsExhausted' },
        DDBStreamBatchInfo: { batchSize: 3, streamArn: EventSourceArn },
      });
      await put(pk, 'later');
      const batch = ['a', 'throws', 'b'];
      expect(await batchesOf(pk, 4)).toEqual([batch, batch, batch, ['later']]);
    });

    test('gets smaller and smaller batches where the mapping bisects, until only the bad record is given up', async () => {
      const pk = uniqueName('bisect');
      await put(pk, 'a', 'throws', 'b', 'c');
      await follow(pk, {
        MaximumRetryAttempts: 1,
        BisectBatchOnFunctionError: true,
        DestinationConfig: DestinationConfig(),
      });
      expect(await discarded()).toMatchObject({ DDBStreamBatchInfo: { batchSize: 1 } });
      await put(pk, 'later');
      const batches = await eventually('the last record', async () => {
        const rows = await batchesOf(pk, 1);
        return rows.some((names) => names.includes('later')) ? rows : undefined;
      });
      expect(batches.filter((names) => names.join() === 'throws')).toHaveLength(2);
      expect(batches.filter((names) => !names.includes('throws')).flat()).toEqual(['a', 'b', 'c', 'later']);
    });
  });

  test('is not kept waiting by another one that is slow', async () => {
    const slow = uniqueName('slow');
    const quick = uniqueName('quick');
    await follow(slow);
    await follow(quick);
    await put(quick, 'warm');
    await batchesOf(quick, 1);
    await put(slow, 'slow');
    const start = performance.now();
    // Written one after another, for the slow one to be at work when the last of them comes.
    for (let n = 1; n <= 5; n++) {
      await put(quick, `record ${n}`);
      await batchesOf(quick, n + 1);
    }
    expect(performance.now() - start).toBeLessThan(4_000);
  });
});
