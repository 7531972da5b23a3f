import { DeleteTableCommand, DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll } from 'vitest';
import { clientClock } from '../../client/client-clock.ts';
import { DynamoDbLink } from '../../client/dynamodb-link.ts';
import { DynamoDbAuditTrail } from '../../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRollouts } from '../../shared/aws/dynamodb-rollouts.ts';
import { DynamoDbRegistry } from '../../shared/aws/dynamodb-registry.ts';
import { SecretsManagerStore } from '../../shared/aws/secrets-manager-store.ts';
import { createAuditTable, createConsumersTable, createRegistryTable } from '../harness/tables.ts';
import { systemClock } from '../../shared/clock.ts';
import { registryContract } from './registry.contract.ts';
import { rolloutStoreContract } from './rollout-store.contract.ts';
import { secretStoreContract } from './secret-store.contract.ts';

const client = new DynamoDBClient({});
const tables: string[] = [];

afterAll(async () => {
  for (const TableName of tables) await client.send(new DeleteTableCommand({ TableName }));
});

registryContract('DynamoDbRegistry', async () => {
  const table = await createRegistryTable(client);
  const audit = await createAuditTable(client);
  tables.push(table, audit);
  const auditTrail = new DynamoDbAuditTrail({ client, table: audit, clock: systemClock });
  const spoil = async (secretId: string, text: string): Promise<void> => {
    await client.send(
      new UpdateItemCommand({
        TableName: table,
        Key: { pk: { S: `SECRET#${secretId}` }, sk: { S: 'STATE' } },
        UpdateExpression: 'SET #record = :text',
        ExpressionAttributeNames: { '#record': 'record' },
        ExpressionAttributeValues: { ':text': { S: text } },
      }),
    );
  };
  return { registry: new DynamoDbRegistry(client, table, auditTrail), auditTrail, spoil };
});

const secretsManager = new SecretsManagerClient({});
secretStoreContract(
  'SecretsManagerStore',
  async () => new SecretsManagerStore(secretsManager),
  () => `contract/${crypto.randomUUID()}`,
);

rolloutStoreContract('DynamoDbRollouts', async () => {
  const table = await createConsumersTable(client);
  tables.push(table);
  return {
    rollouts: new DynamoDbRollouts(client, table),
    link: new DynamoDbLink({ client, table, clock: clientClock }),
  };
});
