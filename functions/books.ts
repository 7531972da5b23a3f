import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDbAuditTrail } from '../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../shared/aws/dynamodb-registry.ts';
import type { Clock } from '../shared/clock.ts';
import type { RotationPorts } from '../shared/rotation/ports.ts';
import { readEnvironment } from './environment.ts';

const clock: Clock = {
  now: () => new Date(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, signal === undefined ? {} : { signal }),
};

export const environment = readEnvironment(process.env);

const dynamoDb = new DynamoDBClient({});

/** Registry and audit trail, made once per container: all that a step needs which touches neither values nor targets. */
export const books: Pick<RotationPorts, 'clock' | 'registry' | 'auditTrail'> = {
  clock,
  registry: new DynamoDbRegistry(dynamoDb, environment.REGISTRY_TABLE),
  auditTrail: new DynamoDbAuditTrail({ client: dynamoDb, table: environment.AUDIT_TABLE, clock }),
};
