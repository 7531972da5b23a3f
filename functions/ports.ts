import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDbAuditTrail } from '../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../shared/aws/dynamodb-registry.ts';
import { SecretsManagerStore } from '../shared/aws/secrets-manager-store.ts';
import type { Clock } from '../shared/clock.ts';
import type { RotationPorts } from '../shared/rotation/ports.ts';
import { rotatorFor } from '../shared/rotators/rotator-for.ts';
import { readEnvironment } from './environment.ts';

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, signal === undefined ? {} : { signal }),
};

export const environment = readEnvironment(process.env);

const dynamoDb = new DynamoDBClient({});

/** The real world behind the ports, made once per container. */
export const rotationPorts: RotationPorts = {
  clock: systemClock,
  registry: new DynamoDbRegistry(dynamoDb, environment.REGISTRY_TABLE),
  auditTrail: new DynamoDbAuditTrail({ client: dynamoDb, table: environment.AUDIT_TABLE, clock: systemClock }),
  secretStore: new SecretsManagerStore(new SecretsManagerClient({})),
  rotatorFor: (type, mode) => rotatorFor(type, { clock: systemClock, mode }),
};
