import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Deployment, openDeployment } from '../../cli/deployment.ts';
import type { Output } from '../../cli/output.ts';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { type LocalCloud, startLocalCloud } from '../local/local-cloud.ts';
import { LocalCloudFailure } from '../local/local-cloud-failure.ts';
import { poll } from '../local/poll.ts';
import { startPostgres } from '../local/postgres-server.ts';
import { DatabaseLoad, login } from './database-load.ts';
import { deploy } from './deploy.ts';
import { createExampleDatabase, type ExampleDatabase } from './example-database.ts';
import { readFunctionLogs } from './function-logs.ts';
import { executionArnOf, phaseReport, untilEnded, untilRetired, untilStarted } from './follow-rotation.ts';
import type { Alert, Report } from './report.ts';

const SECRET = 'pg_prod_main';
const ADMIN_SECRET = 'pg_prod_admin';
const GRACE_SECONDS = 5;
const LEAST_QUERIES = 2_000;

export interface MainJobOptions {
  readonly directory: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Something to end when the job is over, however it ends. */
type Ending = () => Promise<void>;

/**
 * The main job on real parts: local cloud and PostgreSQL up, both secrets as a person would have made them,
 * `cdk deploy`, load, the scheduled rule fires, five phases, grace, the old password refused.
 * What was started is in `endings` from the moment it runs.
 */
export async function runMainJob({ directory, output, signal }: MainJobOptions, endings: Ending[]): Promise<Report> {
  const started = performance.now();
  const note = (text: string) => output.note(`${elapsed(started)}  ${text}`);
  await mkdir(directory, { recursive: true });

  const [cloud, database] = await bringUp(directory, note, endings, signal);
  Object.assign(process.env, cloud.environment);
  const example = await createExampleDatabase(database, { secret: SECRET, adminSecret: ADMIN_SECRET });
  note(`Secret ${example.secret}: made by hand for the role ${example.role}`);
  const queue = await createQueue('rekey-admins');
  const config = join(directory, 'secrets.yaml');
  await writeFile(config, secretsYaml(example, queue.arn));

  note('cdk bootstrap, cdk deploy');
  await deploy({
    environment: cloud.environment,
    config,
    directory,
    context: { dispatchRate: 'rate(1 minute)' },
    signal,
  });
  note('Deployed: Rekey-production-State, Rekey-production-Workflow');
  signal.throwIfAborted();

  const incumbent = await currentValue(example.secret);
  const load = new DatabaseLoad({ secretId: example.secret, reconnecting: 8, holding: 4 });
  endings.push(() => load.stop());
  note('Load: 8 clients that log in for every query, 4 that hold their connection; waiting for the schedule');

  const deployment = await openDeployment('production');
  const result = await watch({ deployment, directory, example, load, note, signal });
  await load.stop();
  const incumbentRefused = ['28P01', '28000'].includes(await login(incumbent));
  note(incumbentRefused ? 'The server refuses the old password' : 'The server ACCEPTS the old password');

  const verification = await verifyTrail(deployment.auditTrail);
  const alerts = await receiveAlerts(queue.url);
  return {
    deployed: true,
    trigger: result.rotation?.reason === 'scheduled' ? 'schedule' : (result.rotation?.reason ?? 'none'),
    executionArn: result.executionArn ?? null,
    phases: phaseReport(result.rotation),
    queries: { total: load.total, failed: load.failures.length },
    audit: { entries: verification.entries, verified: verification.verified },
    alerts,
    incumbentRefused,
    seconds: Math.round((performance.now() - started) / 100) / 10,
  };
}

async function bringUp(directory: string, note: (text: string) => void, endings: Ending[], signal: AbortSignal) {
  const cloud = startLocalCloud({ onProgress: note, scale: { rate: 6 } }).then((running: LocalCloud) => {
    endings.push(() => running.stop());
    return running;
  });
  const database = startPostgres({ directory, onProgress: note }).then((running) => {
    endings.push(() => running.stop());
    return running;
  });
  const settled = await Promise.allSettled([cloud, database]);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  signal.throwIfAborted();
  return Promise.all([cloud, database]);
}

async function watch(run: {
  readonly deployment: Deployment;
  readonly directory: string;
  readonly example: ExampleDatabase;
  readonly load: DatabaseLoad;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}) {
  const { deployment, directory, example, load, note, signal } = run;
  const { registry, outputs } = deployment;
  const begun = await untilStarted(registry, example.secret);
  if (begun === undefined)
    throw new LocalCloudFailure(
      'The scheduled rule started no rotation in three minutes; see the log of the local cloud.',
    );
  note(`The scheduled rule has started rotation ${begun.rotationId}`);
  const rotation = await untilEnded(registry, example.secret, ({ name, facts }, milliseconds) => {
    signal.throwIfAborted();
    note(`  ${name.padEnd(9)}${String(milliseconds).padStart(6)} ms  ${summary(facts)}`);
  });
  if (rotation?.status !== 'succeeded') {
    const fault = rotation?.fault;
    const logFile = join(directory, 'functions.log');
    await writeFile(logFile, (await readFunctionLogs()).join('\n'));
    throw new LocalCloudFailure(
      `The rotation did not succeed: ${fault?.name ?? 'it has not ended'}. ${fault?.message ?? ''} The functions' logs are in ${logFile}.`,
    );
  }
  note(`Grace of ${GRACE_SECONDS} s: both passwords work; then retirement`);
  const retired = await untilRetired(registry, example.secret, rotation.incumbentVersionId ?? '');
  note(
    retired === undefined
      ? 'The old credential was NOT retired in time'
      : `Retired and proved dead: ${rotation.incumbent ?? ''}`,
  );
  await poll(() => (load.total >= LEAST_QUERIES || signal.aborted ? true : undefined), { withinMilliseconds: 60_000 });
  return { rotation, executionArn: await executionArnOf(outputs.SecretRotationArn ?? '', rotation.rotationId) };
}

function summary(facts: Readonly<Record<string, string>>): string {
  return Object.entries(facts)
    .map(([fact, value]) => `${fact}: ${value}`)
    .join('; ')
    .slice(0, 100);
}

/** Exactly the request's fields, and what an admin would add. */
function secretsYaml({ secret, adminSecret }: ExampleDatabase, queueArn: string): string {
  return `secrets:
  - name: "${secret}"
    type: "postgresql"
    scope: "production"
    rotation: "daily"
    access_level: "admin"
    admin_secret: "${adminSecret}"
    grace: "${GRACE_SECONDS}s"
alerts:
  - sqs: "${queueArn}"
`;
}

async function createQueue(name: string): Promise<{ readonly url: string; readonly arn: string }> {
  const sqs = new SQSClient({});
  const { QueueUrl: url = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
  return { url, arn: Attributes?.QueueArn ?? '' };
}

async function currentValue(secretId: string): Promise<string> {
  const command = new GetSecretValueCommand({ SecretId: secretId, VersionStage: 'AWSCURRENT' });
  return (await new SecretsManagerClient({}).send(command)).SecretString ?? '';
}

async function receiveAlerts(url: string): Promise<Alert[]> {
  const command = new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
  const { Messages } = await new SQSClient({}).send(command);
  return (Messages ?? []).map(({ Body }) => {
    const envelope = JSON.parse(Body ?? '{}') as { readonly Message?: string };
    const { subject, kind, body } = JSON.parse(envelope.Message ?? Body ?? '{}') as Alert;
    return { subject, kind, body };
  });
}

function elapsed(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`;
}

export const workDirectory = resolve('.local', 'main-job');
