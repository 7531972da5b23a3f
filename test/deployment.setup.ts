import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';

import { type LocalCloud, startLocalCloud } from '../infra/local/local-cloud.ts';
import { type PostgresServer, startPostgres } from '../infra/local/postgres-server.ts';
import { deploy } from '../infra/main-job/deploy.ts';
import { createExampleDatabase } from '../infra/main-job/example-database.ts';
import { EXAMPLES, secretsYaml } from './harness/deployed/examples.ts';

type Ending = () => Promise<void>;

/**
 * Rekey deployed by a real `cdk deploy` into a cloud of its own, in front of a real PostgreSQL that logs every
 * statement. Always its own cloud, also where `AWS_ENDPOINT_URL` is set: its waits are shorter than AWS's, and the
 * search for plaintext reads everything that is in it. What was started ends, however the setup ends.
 */
export default async function setUp(project: TestProject): Promise<Ending> {
  const endings: Ending[] = [];
  const end = async () => {
    for (const ending of endings.splice(0).reverse()) await ending();
  };
  try {
    await bringUp(project, endings);
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}

async function bringUp(project: TestProject, endings: Ending[]): Promise<void> {
  const directory = resolve('.local', 'test-deployment');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const onProgress = (line: string) => void process.stderr.write(`${line}\n`);
  const before = { ...process.env };
  delete process.env['AWS_ENDPOINT_URL'];
  try {
    // The rule fires every ten seconds; a retry after two seconds comes after 0.2.
    const cloud = await startLocalCloud({ scale: { rate: 6, wait: 10 }, onProgress });
    endings.push(() => cloud.stop());
    const postgres = await startPostgres({ directory, onProgress, settings: { log_statement: 'all' } });
    endings.push(() => postgres.stop());
    Object.assign(process.env, cloud.environment);
    await provide(project, { cloud, postgres, directory, onProgress });
  } finally {
    // Another project's setup may have set its own: its workers get that one.
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

async function provide(
  project: TestProject,
  {
    cloud,
    postgres,
    directory,
    onProgress,
  }: { cloud: LocalCloud; postgres: PostgresServer; directory: string; onProgress: (line: string) => void },
): Promise<void> {
  for (const example of Object.values(EXAMPLES)) await createExampleDatabase(postgres, example);
  const alerts = await createQueue('test-alerts');
  const events = await createQueue('test-events');
  await captureEvents(events.arn);
  const config = join(directory, 'secrets.yaml');
  await writeFile(config, secretsYaml(Object.values(EXAMPLES), alerts.arn));
  onProgress('cdk bootstrap, cdk deploy');
  await deploy({
    // The CDK runs `node infra/app.ts`: by the Node that runs this, not by the machine's.
    environment: { ...cloud.environment, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) },
    config,
    directory,
    context: { dispatchRate: 'rate(1 minute)' },
  });
  onProgress('Deployed');
  const { host, port, adminUser, adminPassword, logFile } = postgres;
  project.provide('deployed', {
    environment: cloud.environment,
    directory,
    cloudLogFile: cloud.logFile ?? '',
    postgres: { host, port, adminUser, adminPassword, logFile },
    alerts,
    events,
  });
}

async function createQueue(name: string): Promise<{ readonly url: string; readonly arn: string }> {
  const sqs = new SQSClient({});
  const { QueueUrl: url = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
  return { url, arn: Attributes?.QueueArn ?? '' };
}

/** Every event of the default bus, whoever sends it. */
async function captureEvents(queueArn: string): Promise<void> {
  const events = new EventBridgeClient({});
  const Name = 'test-everything';
  await events.send(new PutRuleCommand({ Name, EventPattern: JSON.stringify({ source: [{ prefix: '' }] }) }));
  await events.send(new PutTargetsCommand({ Rule: Name, Targets: [{ Id: 'queue', Arn: queueArn }] }));
}
