import { getSecret } from '@aws-lambda-powertools/parameters/secrets';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { clientClock } from '../client/client-clock.ts';
import { DynamoDbLink } from '../client/dynamodb-link.ts';
import { openSecrets } from '../client/open-secrets.ts';
import { SecretValue } from '../client/secret-value.ts';
import type { Secrets } from '../client/secrets.ts';
import { startLocalCloud } from '../infra/local/local-cloud.ts';
import { DynamoDbRollouts } from '../shared/aws/dynamodb-rollouts.ts';
import type { Answer, ConsumerWord } from '../shared/rollout/consumer.ts';
import { changeNotice } from '../shared/rollout/notices.ts';
import { InMemoryConsumers } from '../test/fakes/in-memory-consumers.ts';
import { createConsumersTable } from '../test/harness/tables.ts';
import type { Bench } from './bench.ts';
import { median } from './median.ts';

const SECRET = 'bench_client';
const READS = 500_000;
const TURNS = 50_000;
const ROUNDS = 7;
const SECRETS_IN_MEMORY = 200;
const CONSUMERS = 100;
const ROLLOUTS = 5;

/** A cached read beside Powertools', memory for each secret, and how long a batch of 100 consumers takes. */
export const benchClient: Bench = async (note, cleanup) => {
  const cloud = await startLocalCloud({ onProgress: note });
  cleanup.defer(() => cloud.stop());
  Object.assign(process.env, cloud.environment);
  const secretsManager = new SecretsManagerClient({});
  await secretsManager.send(new CreateSecretCommand({ Name: SECRET, SecretString: JSON.stringify({ version: 0 }) }));
  const dynamoDb = new DynamoDBClient({});
  const table = await createConsumersTable(dynamoDb);

  const reads = await measureReads(table);
  note('reads measured');
  const bytesPerSecret = await measureMemory();
  note('memory measured');
  const rolloutMillisecondsAt100 = await measureRollouts({ table, dynamoDb, secretsManager, note });

  const { readNanoseconds, readOnceATurnNanoseconds, powertoolsNanoseconds } = reads;
  const ratio = rounded(powertoolsNanoseconds / readNanoseconds);
  return {
    lines: [
      `A cached read: ${readNanoseconds} ns; Powertools' cached getSecret in the same rounds: ${powertoolsNanoseconds} ns (${ratio} times)`,
      `  with one read in each turn of the event loop, its clocks included: ${readOnceATurnNanoseconds} ns`,
      `Memory for each secret, its follower included: ${bytesPerSecret} bytes`,
      `From the release of a batch to the last of ${CONSUMERS} acknowledgements: ${rolloutMillisecondsAt100} ms (consumers look every second)`,
    ],
    figures: { ...reads, ratio, bytesPerSecret, rolloutMillisecondsAt100 },
  };
};

/** In turn, round by round; Powertools answers a promise, so each of its reads is a turn of its own. */
async function measureReads(table: string) {
  const secrets = await openSecrets([SECRET], { table, agent: 'bench' });
  const own: number[] = [];
  const onceATurn: number[] = [];
  const powertools: number[] = [];
  let seen = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    own.push(
      timed(READS, () => {
        for (let read = 0; read < READS; read += 1) seen += secrets.current(SECRET).versionId.length;
      }),
    );
    const before = process.hrtime.bigint();
    for (let turn = 0; turn < TURNS; turn += 1) {
      seen += secrets.current(SECRET).versionId.length;
      await Promise.resolve();
    }
    onceATurn.push(Number(process.hrtime.bigint() - before) / TURNS);
    const start = process.hrtime.bigint();
    for (let turn = 0; turn < TURNS; turn += 1) seen += String(await getSecret(SECRET, { maxAge: 3600 })).length;
    powertools.push(Number(process.hrtime.bigint() - start) / TURNS);
  }
  await secrets.close();
  if (seen === 0) throw new Error('Nothing was read.');
  return {
    readNanoseconds: rounded(median(own)),
    readOnceATurnNanoseconds: rounded(median(onceATurn)),
    powertoolsNanoseconds: rounded(median(powertools)),
  };
}

function timed(count: number, work: () => void): number {
  const before = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - before) / count;
}

/** Heap after collection, with 200 secrets of one consumer and without; no SDK client in between. */
async function measureMemory(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const names = Array.from({ length: SECRETS_IN_MEMORY }, (_, index) => `memory/${index}`);
  const text = () =>
    JSON.stringify({ username: 'app', password: crypto.randomUUID(), host: 'db', port: 5432, dbname: 'app' });
  const reader = {
    read: async (name: string) => ({
      value: new SecretValue({ name, versionId: crypto.randomUUID(), text: text() }),
      stages: ['AWSCURRENT'],
    }),
  };
  const open = () => openSecrets(names, { link: new InMemoryConsumers(), reader });
  await (await open()).close(); // Code that is compiled once is no secret's.
  const used = async () => {
    // What only a finished promise still holds goes in a later turn.
    for (let time = 0; time < 3; time += 1) {
      await setImmediate();
      collect();
    }
    return process.memoryUsage().heapUsed;
  };
  const before = await used();
  const secrets = await open();
  const after = await used();
  await secrets.close();
  return Math.round((after - before) / SECRETS_IN_MEMORY);
}

interface Rollouts {
  readonly table: string;
  readonly dynamoDb: DynamoDBClient;
  readonly secretsManager: SecretsManagerClient;
  readonly note: (text: string) => void;
}

/** The same notices as ReleaseBatch and Apply post, on the real table; the clock stops at the last answer written. */
async function measureRollouts({ table, dynamoDb, secretsManager, note }: Rollouts): Promise<number> {
  const rollouts = new DynamoDbRollouts(dynamoDb, table);
  const link = new CountingLink({ client: new DynamoDBClient({}), table, clock: clientClock });
  const consumers: Secrets[] = [];
  for (let index = 0; index < CONSUMERS; index += 1) {
    const secrets = await openSecrets([SECRET], { link, agent: 'bench', followSeconds: 1 });
    secrets.onReload(SECRET, async () => undefined);
    consumers.push(secrets);
  }
  // Consumers keep no process alive.
  const alive = setInterval(() => undefined, 1000);
  const samples: number[] = [];
  for (let rollout = 1; rollout <= ROLLOUTS; rollout += 1) {
    const rotationId = crypto.randomUUID();
    const SecretString = JSON.stringify({ version: rollout });
    await secretsManager.send(
      new PutSecretValueCommand({
        SecretId: SECRET,
        ClientRequestToken: rotationId,
        SecretString,
        VersionStages: ['AWSPENDING'],
      }),
    );
    const all = link.answered(CONSUMERS);
    const before = performance.now();
    await changeNotice(rollouts, SECRET, () => ({
      state: 'rolling',
      rotationId,
      versionId: rotationId,
      bounds: ['f'.repeat(16)],
      released: 1,
    }));
    await all;
    samples.push(performance.now() - before);
    note(`rollout ${rollout} of ${ROLLOUTS}`);
  }
  for (const secrets of consumers) await secrets.close();
  clearInterval(alive);
  return Math.round(median(samples));
}

class CountingLink extends DynamoDbLink {
  #waiting: { left: number; readonly done: () => void } | undefined;

  answered(count: number): Promise<void> {
    return new Promise((done) => {
      this.#waiting = { left: count, done };
    });
  }

  override async answer(consumer: ConsumerWord, answer: Answer): Promise<void> {
    await super.answer(consumer, answer);
    if (this.#waiting !== undefined && (this.#waiting.left -= 1) === 0) this.#waiting.done();
  }
}

function rounded(nanoseconds: number): number {
  return Math.round(nanoseconds * 10) / 10;
}
