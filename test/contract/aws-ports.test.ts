import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll } from 'vitest';
import { DUE_INDEX, DynamoDbRegistry } from '../../shared/aws/dynamodb-registry.ts';
import { SecretsManagerStore } from '../../shared/aws/secrets-manager-store.ts';
import { registryContract } from './registry.contract.ts';
import { secretStoreContract } from './secret-store.contract.ts';

const client = new DynamoDBClient({});
const tables: string[] = [];

afterAll(async () => {
  for (const TableName of tables) await client.send(new DeleteTableCommand({ TableName }));
});

registryContract('DynamoDbRegistry', async () => {
  const table = `contract-registry-${crypto.randomUUID()}`;
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
  tables.push(table);
  return new DynamoDbRegistry(client, table);
});

const secretsManager = new SecretsManagerClient({});
secretStoreContract(
  'SecretsManagerStore',
  async () => new SecretsManagerStore(secretsManager),
  () => `contract/${crypto.randomUUID()}`,
);
