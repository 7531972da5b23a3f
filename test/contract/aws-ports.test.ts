import { DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll } from 'vitest';
import { DynamoDbRegistry } from '../../shared/aws/dynamodb-registry.ts';
import { SecretsManagerStore } from '../../shared/aws/secrets-manager-store.ts';
import { createRegistryTable } from '../harness/tables.ts';
import { registryContract } from './registry.contract.ts';
import { secretStoreContract } from './secret-store.contract.ts';

const client = new DynamoDBClient({});
const tables: string[] = [];

afterAll(async () => {
  for (const TableName of tables) await client.send(new DeleteTableCommand({ TableName }));
});

registryContract('DynamoDbRegistry', async () => {
  const table = await createRegistryTable(client);
  tables.push(table);
  return new DynamoDbRegistry(client, table);
});

const secretsManager = new SecretsManagerClient({});
secretStoreContract(
  'SecretsManagerStore',
  async () => new SecretsManagerStore(secretsManager),
  () => `contract/${crypto.randomUUID()}`,
);
