import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DUE_INDEX } from '../../shared/aws/dynamodb-registry.ts';

/** The registry's table, with the keys and the index that the state stack gives it. Answers its name. */
export async function createRegistryTable(client: DynamoDBClient): Promise<string> {
  const table = `registry-${crypto.randomUUID()}`;
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' }) as const;
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk', 'dueShard', 'dueAt'].map(text),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: DUE_INDEX,
          KeySchema: [
            { AttributeName: 'dueShard', KeyType: 'HASH' },
            { AttributeName: 'dueAt', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    }),
  );
  return table;
}

/** The audit trail's table, likewise. */
export async function createAuditTable(client: DynamoDBClient): Promise<string> {
  const table = `audit-${crypto.randomUUID()}`;
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'secret_id', AttributeType: 'S' },
        { AttributeName: 'sequence', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'secret_id', KeyType: 'HASH' },
        { AttributeName: 'sequence', KeyType: 'RANGE' },
      ],
    }),
  );
  return table;
}

/** The table of consumers, likewise, with its stream. */
export async function createConsumersTable(client: DynamoDBClient): Promise<string> {
  const table = `consumers-${crypto.randomUUID()}`;
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' }) as const;
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map(text),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
    }),
  );
  return table;
}
