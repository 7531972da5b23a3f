import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { LocalCloudFailure } from '../local/local-cloud-failure.ts';

const cdk = createRequire(import.meta.url).resolve('aws-cdk/bin/cdk');

export interface DeployOptions {
  /** Credentials, region and endpoint of the cloud to deploy into. */
  readonly environment: Readonly<Record<string, string>>;
  /** Path of secrets.yaml. */
  readonly config: string;
  /** For the log and the assembly. */
  readonly directory: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A real `cdk bootstrap` and `cdk deploy --all`. Its output goes to a log; a failure names that log. */
export async function deploy(options: DeployOptions): Promise<void> {
  await runCdk(
    'bootstrap',
    ['bootstrap', `aws://${options.environment.CDK_DEFAULT_ACCOUNT}/${options.environment.AWS_REGION}`],
    options,
  );
  await runCdk('deploy', ['deploy', '--all', '--require-approval', 'never', '--concurrency', '1'], options);
}

async function runCdk(name: string, words: readonly string[], options: DeployOptions): Promise<void> {
  const logFile = join(options.directory, `cdk-${name}.log`);
  const log = createWriteStream(logFile);
  const context = { config: options.config, ...options.context };
  const flags = Object.entries(context).flatMap(([key, value]) => ['--context', `${key}=${value}`]);
  const child = spawn(
    process.execPath,
    [cdk, ...words, ...flags, '--output', join(options.directory, 'cdk.out'), '--ci', '--no-notices', '--no-color'],
    {
      env: {
        ...process.env,
        ...options.environment,
        CDK_DISABLE_VERSION_CHECK: '1',
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        CI: 'true',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const exitCode = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  log.end();
  await finished(log);
  if (exitCode !== 0 && !(await answers(options.environment.AWS_ENDPOINT_URL))) {
    throw new LocalCloudFailure(
      `The local cloud died while cdk ${name} ran: its log under .local/ says why. Run the same command again; it starts afresh.`,
    );
  }
  if (exitCode !== 0) throw new LocalCloudFailure(`cdk ${name} failed; the reason is at the end of ${logFile}.`);
}

async function answers(endpoint: string | undefined): Promise<boolean> {
  if (endpoint === undefined) return true;
  return fetch(endpoint, { signal: AbortSignal.timeout(5_000) }).then(
    () => true,
    () => false,
  );
}
