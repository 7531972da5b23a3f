import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDbAuditTrail } from '../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../shared/aws/dynamodb-registry.ts';
import { DynamoDbRollouts } from '../shared/aws/dynamodb-rollouts.ts';
import { systemClock as clock } from '../shared/clock.ts';
import type { RotationPorts } from '../shared/rotation/ports.ts';
import { readEnvironment } from './environment.ts';

export const environment = readEnvironment(process.env);

const dynamoDb = new DynamoDBClient({});
const auditTrail = new DynamoDbAuditTrail({ client: dynamoDb, table: environment.AUDIT_TABLE, clock });

/** Registry, audit trail and consumers, made once per container: all that a step needs which touches neither values nor targets. */
export const books: Pick<RotationPorts, 'clock' | 'registry' | 'auditTrail' | 'rollouts'> = {
  clock,
  registry: new DynamoDbRegistry(dynamoDb, environment.REGISTRY_TABLE, auditTrail),
  auditTrail,
  rollouts: new DynamoDbRollouts(dynamoDb, environment.CONSUMERS_TABLE),
};
