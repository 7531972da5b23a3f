import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { join } from 'node:path';
import { systemClock } from '../shared/clock.ts';
import { startLocalCloud } from '../infra/local/local-cloud.ts';
import { startPostgres } from '../infra/local/postgres-server.ts';
import { createExampleDatabase } from '../infra/main-job/example-database.ts';
import { DynamoDbAuditTrail } from '../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../shared/aws/dynamodb-registry.ts';
import { DynamoDbRollouts } from '../shared/aws/dynamodb-rollouts.ts';
import { SecretsManagerStore } from '../shared/aws/secrets-manager-store.ts';
import { configure } from '../shared/configure/configure.ts';
import { PHASES, type Phase } from '../shared/registry/registry.ts';
import { requireRecord } from '../shared/registry/update-record.ts';
import { apply } from '../shared/rotation/apply.ts';
import { audit } from '../shared/rotation/audit.ts';
import { generate } from '../shared/rotation/generate.ts';
import { notify } from '../shared/rotation/notify.ts';
import type { RotationInput } from '../shared/rotation/payloads.ts';
import { requireRotator, rotatorSettings } from '../shared/rotation/credential-values.ts';
import { retire } from '../shared/rotation/retire.ts';
import { test } from '../shared/rotation/test.ts';
import { postgresqlRotator } from '../shared/rotators/postgresql/postgresql-rotator.ts';
import { isRotatable } from '../shared/rotators/rotator-for.ts';
import { declaration } from '../test/harness/rotation-world.ts';
import { RecordingAlertPublisher } from '../test/fakes/recording-alert-publisher.ts';
import { createAuditTable, createConsumersTable, createRegistryTable } from '../test/harness/tables.ts';
import type { Bench, Measurement } from './bench.ts';
import { median } from './median.ts';

const WARM_UP = 3;
const ROUNDS = 20;
const SECRET = 'pg_bench';
/** AWS's own alternating-user Lambda for the same work, on the reference machine (median of its runs). */
const REFERENCE = { secretsManagerCalls: 14, milliseconds: '132-146' };

/** One PostgreSQL rotation in process: real server, real adapters on the local cloud, no workflow engine. */
export const benchRotation: Bench = async (note, cleanup) => {
  const cloud = await startLocalCloud({ onProgress: note });
  cleanup.defer(() => cloud.stop());
  Object.assign(process.env, cloud.environment);
  const server = await startPostgres({ directory: join('.local', 'bench'), onProgress: note });
  cleanup.defer(() => server.stop());
  await createExampleDatabase(server, { secret: SECRET, adminSecret: 'pg_bench_admin' });
  return measure(note);
};

async function measure(note: (text: string) => void): Promise<Measurement> {
  const counts = { secretsManager: 0, dynamoDb: 0, connections: 0 };
  const dynamoDb = new DynamoDBClient({});
  const secretsManager = new SecretsManagerClient({});
  dynamoDb.middlewareStack.add(
    counting(() => (counts.dynamoDb += 1)),
    { step: 'deserialize' },
  );
  secretsManager.middlewareStack.add(
    counting(() => (counts.secretsManager += 1)),
    { step: 'deserialize' },
  );
  const rotator = postgresqlRotator({
    clock: systemClock,
    onConnect: () => void (counts.connections += 1),
  });
  const auditTrail = new DynamoDbAuditTrail({
    client: dynamoDb,
    table: await createAuditTable(dynamoDb),
    clock: systemClock,
  });
  const ports = {
    clock: systemClock,
    registry: new DynamoDbRegistry(dynamoDb, await createRegistryTable(dynamoDb), auditTrail),
    auditTrail,
    secretStore: new SecretsManagerStore(secretsManager),
    rollouts: new DynamoDbRollouts(dynamoDb, await createConsumersTable(dynamoDb)),
    alerts: new RecordingAlertPublisher(),
    rotatorFor: async () => rotator,
    isRotatable,
  };
  const secrets = [declaration({ name: SECRET, adminSecret: 'pg_bench_admin', graceSeconds: 0 })];
  await configure({ name: 'production', secrets, alerts: [] }, ports);

  const samples: Sample[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    Object.assign(counts, { secretsManager: 0, dynamoDb: 0, connections: 0 });
    const { milliseconds, retirement } = await rotateOnce(ports);
    const seen = { ...counts };
    const before = performance.now();
    if (retirement !== undefined) await retire(retirement, ports);
    if (round >= WARM_UP)
      samples.push({ milliseconds, counts: seen, retirementMilliseconds: performance.now() - before });
  }
  note(`${ROUNDS} rotations measured`);
  return present(samples, await floors(ports));
}

/** What one call, and one login, costs here by itself: nothing that makes some can be faster than their sum. */
interface Floors {
  readonly secretsManagerCall: number;
  readonly dynamoDbCall: number;
  readonly databaseLogin: number;
}

async function floors(ports: Ports): Promise<Floors> {
  const record = await requireRecord(ports.registry, SECRET);
  const rotator = await requireRotator(ports, record);
  const value = (await ports.secretStore.read(SECRET, { stage: 'AWSCURRENT' }))?.value;
  if (value === undefined) throw new Error('The rotated secret has no value.');
  return {
    secretsManagerCall: await medianOf(() => ports.secretStore.read(SECRET, { stage: 'AWSCURRENT' })),
    dynamoDbCall: await medianOf(() => ports.registry.get(SECRET)),
    databaseLogin: await medianOf(() => rotator.probe(value, rotatorSettings(record))),
  };
}

async function medianOf(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  }
  return rounded(median(times));
}

interface Sample {
  readonly milliseconds: Readonly<Record<Phase, number>>;
  readonly retirementMilliseconds: number;
  readonly counts: { readonly secretsManager: number; readonly dynamoDb: number; readonly connections: number };
}

type Ports = Parameters<typeof generate>[1] & Parameters<typeof notify>[1];

async function rotateOnce(ports: Ports) {
  const input: RotationInput = {
    environment: 'production',
    secretId: SECRET,
    rotationId: crypto.randomUUID(),
    reason: 'manual',
    requestedBy: 'bench',
  };
  const milliseconds = {} as Record<Phase, number>;
  const timed = async <T>(phase: Phase, step: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const answer = await step();
    milliseconds[phase] = performance.now() - started;
    return answer;
  };
  await timed('generate', () => generate(input, ports));
  await timed('test', () => test(input, ports));
  await timed('audit', () => audit(input, ports));
  const { retirement } = await timed('apply', () => apply(input, ports));
  await timed('notify', () => notify(input, ports));
  return { milliseconds, retirement };
}

function present(samples: readonly Sample[], floor: Floors): Measurement {
  const middle = (pick: (sample: Sample) => number) => rounded(median(samples.map(pick)));
  const phases = Object.fromEntries(PHASES.map((phase) => [phase, middle((s) => s.milliseconds[phase])]));
  const total = middle((s) => PHASES.reduce((sum, phase) => sum + s.milliseconds[phase], 0));
  const secretsManagerCalls = stable(samples, (s) => s.counts.secretsManager);
  const dynamoDbCalls = stable(samples, (s) => s.counts.dynamoDb);
  const figures = {
    secretsManagerCalls,
    dynamoDbCalls,
    // The alert is the one SNS call of a rotation; here it is recorded instead of sent.
    awsCalls: secretsManagerCalls + dynamoDbCalls + 1,
    databaseConnections: stable(samples, (s) => s.counts.connections),
    milliseconds: { total, ...phases },
    retirementMilliseconds: middle((s) => s.retirementMilliseconds),
    floorMilliseconds: floor,
  };
  return {
    lines: [
      `One PostgreSQL rotation, median of ${samples.length}: ${total} ms`,
      ...Object.entries(phases).map(([phase, value]) => `  ${phase.padEnd(9)} ${value} ms`),
      `Secrets Manager calls ${secretsManagerCalls} (AWS's template: ${REFERENCE.secretsManagerCalls}), DynamoDB ${dynamoDbCalls}, database connections ${figures.databaseConnections}`,
      `One call here: Secrets Manager ${floor.secretsManagerCall} ms, DynamoDB ${floor.dynamoDbCall} ms; one database login ${floor.databaseLogin} ms (the reference: 3-5 ms a Secrets Manager call, 5-8 ms a login)`,
      `Retirement, later: ${figures.retirementMilliseconds} ms. AWS's template without parity test, journal, audit: ${REFERENCE.milliseconds} ms`,
    ],
    figures,
  };
}

/** A count that every rotation shares; one that varies is a fault of its own. */
function stable(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  const [first = 0, ...others] = [...new Set(samples.map(pick))];
  if (others.length > 0)
    throw new Error(`Rotations differ in their number of calls: ${[first, ...others].join(', ')}.`);
  return first;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

/** Counts every request that goes over the wire, retries included. */
function counting(count: () => void) {
  return <Args, Result>(next: (args: Args) => Promise<Result>) =>
    (args: Args): Promise<Result> => {
      count();
      return next(args);
    };
}
