import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { uniqueName } from './fixtures.ts';

const client = new DynamoDBClient();

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html and transaction-apis.html */
describe('DynamoDB', () => {
  const TableName = uniqueName('table');
  beforeAll(async () => {
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: ['pk', 'sk', 'shard', 'due'].map((AttributeName) => ({
          AttributeName,
          AttributeType: 'S' as const,
        })),
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        GlobalSecondaryIndexes: [
          {
            IndexName: 'due',
            KeySchema: [
              { AttributeName: 'shard', KeyType: 'HASH' },
              { AttributeName: 'due', KeyType: 'RANGE' },
            ],
            Projection: { ProjectionType: 'ALL' },
          },
        ],
      }),
    );
    await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 0.1 }, { TableName });
  });
  afterAll(async () => void (await client.send(new DeleteTableCommand({ TableName }))));

  const key = (pk: string, sk = 'state') => ({ pk: { S: pk }, sk: { S: sk } });
  const take = (pk: string, holder: string, now: number) =>
    new UpdateItemCommand({
      TableName,
      Key: key(pk),
      UpdateExpression: 'SET holder = :holder, expires = :until ADD taken :one',
      ConditionExpression: 'attribute_not_exists(holder) OR expires < :now OR holder = :holder',
      ExpressionAttributeValues: {
        ':holder': { S: holder },
        ':now': { N: String(now) },
        ':until': { N: String(now + 10) },
        ':one': { N: '1' },
      },
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });

  test('lets one of many concurrent conditional writes win, and shows the others what is there', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, n) => await client.send(take('lease', `run-${n}`, 100))),
    );
    const winners = answers.filter(({ status }) => status === 'fulfilled');
    expect(winners).toHaveLength(1);
    const { Item } = await client.send(new GetItemCommand({ TableName, Key: key('lease'), ConsistentRead: true }));
    for (const answer of answers) {
      if (answer.status === 'rejected')
        expect(answer.reason).toMatchObject({ name: 'ConditionalCheckFailedException', Item });
    }
    await expect(client.send(take('lease', 'later', 110))).rejects.toThrow();
    expect((await client.send(take('lease', 'later', 111))).Attributes).toMatchObject({
      holder: { S: 'later' },
      taken: { N: '2' },
    });
  });

  test('writes all of a transaction or nothing, and says which condition failed', async () => {
    await client.send(new PutItemCommand({ TableName, Item: { ...key('head'), sequence: { N: '4' } } }));
    const append = (expected: string) =>
      new TransactWriteItemsCommand({
        TransactItems: [
          {
            Put: {
              TableName,
              Item: { ...key('chain', '5'), text: { S: 'entry' } },
              ConditionExpression: 'attribute_not_exists(pk)',
            },
          },
          {
            Update: {
              TableName,
              Key: key('head'),
              UpdateExpression: 'SET #sequence = #sequence + :one',
              ConditionExpression: '#sequence = :expected',
              ExpressionAttributeNames: { '#sequence': 'sequence' },
              ExpressionAttributeValues: { ':one': { N: '1' }, ':expected': { N: expected } },
              ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            },
          },
        ],
      });
    const failure = await client.send(append('3')).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'TransactionCanceledException' });
    expect((failure as { CancellationReasons: unknown[] }).CancellationReasons).toMatchObject([
      { Code: 'None' },
      { Code: 'ConditionalCheckFailed', Item: { sequence: { N: '4' } } },
    ]);
    expect((await client.send(new GetItemCommand({ TableName, Key: key('chain', '5') }))).Item).toBeUndefined();
    await client.send(append('4'));
    expect((await client.send(new GetItemCommand({ TableName, Key: key('head') }))).Item?.['sequence']).toEqual({
      N: '5',
    });
  });

  test('lets one of two racing transactions win', async () => {
    await client.send(new PutItemCommand({ TableName, Item: { ...key('race'), n: { N: '0' } } }));
    const attempt = async () =>
      await client.send(
        new TransactWriteItemsCommand({
          TransactItems: [
            {
              Update: {
                TableName,
                Key: key('race'),
                UpdateExpression: 'SET n = :one',
                ConditionExpression: 'n = :zero',
                ExpressionAttributeValues: { ':one': { N: '1' }, ':zero': { N: '0' } },
              },
            },
          ],
        }),
      );
    const answers = await Promise.allSettled(Array.from({ length: 10 }, attempt));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('answers an index by range and in order, page by page, without what lacks its key', async () => {
    const items = Array.from({ length: 7 }, (_, n) => ({
      ...key(`due-${n}`),
      shard: { S: '0' },
      due: { S: `2030-01-0${n + 1}` },
    }));
    await client.send(
      new BatchWriteItemCommand({ RequestItems: { [TableName]: items.map((Item) => ({ PutRequest: { Item } })) } }),
    );
    const found: string[] = [];
    let ExclusiveStartKey: Record<string, never> | undefined;
    do {
      const page = await client.send(
        new QueryCommand({
          TableName,
          IndexName: 'due',
          KeyConditionExpression: '#shard = :shard AND due <= :now',
          // A reserved word: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
          ExpressionAttributeNames: { '#shard': 'shard' },
          ExpressionAttributeValues: { ':shard': { S: '0' }, ':now': { S: '2030-01-05' } },
          Limit: 2,
          ExclusiveStartKey,
        }),
      );
      found.push(...(page.Items ?? []).map((item) => item['pk']?.S ?? ''));
      ExclusiveStartKey = page.LastEvaluatedKey as Record<string, never> | undefined;
    } while (ExclusiveStartKey !== undefined);
    expect(found).toEqual(['due-0', 'due-1', 'due-2', 'due-3', 'due-4']);
    const all = await client.send(new ScanCommand({ TableName, IndexName: 'due', Select: 'COUNT' }));
    expect(all.Count).toBe(7);
  });

  test('reads back what was written, with a consistent read, backwards and by prefix', async () => {
    for (const sequence of ['001', '002', '003'])
      await client.send(new PutItemCommand({ TableName, Item: key('trail', `entry#${sequence}`) }));
    const { Items = [] } = await client.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: { ':pk': { S: 'trail' }, ':prefix': { S: 'entry#' } },
        ScanIndexForward: false,
        ConsistentRead: true,
        Limit: 2,
      }),
    );
    expect(Items.map((item) => item['sk']?.S)).toEqual(['entry#003', 'entry#002']);
  });
});
