import { mkdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Emulator, launchEmulator, type Scale } from './emulator.ts';
import { readEmulatorState, removeEmulatorState, writeEmulatorState } from './emulator-state.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { endProcessGroup } from './process-group.ts';
import { pythonEnvironment } from './python-environment.ts';

export interface LocalCloud {
  readonly endpoint: string;
  /** What a program needs in its environment to find this cloud, and nothing else: AWS SDKs, the CDK and Rekey read it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the emulator writes; `undefined` for an endpoint that was given to us. */
  readonly logFile: string | undefined;
  /** The emulator's process; `undefined` for an endpoint that was given to us. */
  readonly pid: number | undefined;
  /** Empties the cloud. */
  reset(): Promise<void>;
  /** Ends the emulator with every Lambda process that it started. Does nothing to an endpoint that was given to us. */
  stop(): Promise<void>;
}

export interface LocalCloudOptions {
  /** Python environment, logs and state. Default `.local`. */
  readonly directory?: string;
  readonly scale?: Scale;
  readonly onProgress?: (line: string) => void;
  /** Use the one that `rekey local up` left running, if there is one; `stop` then leaves it running. */
  readonly reuse?: boolean;
  /** Leave it running when this process ends, for `readLocalCloud` to find. Default: it ends with this process. */
  readonly detached?: boolean;
  /** Default: any free one. */
  readonly port?: number;
}

/**
 * AWS on 127.0.0.1, or the endpoint that `AWS_ENDPOINT_URL` names already. It ends with the process that started it,
 * however that ends, unless `detached`. Every failure is a `LocalCloudFailure` that says what to do.
 */
export async function startLocalCloud(options: LocalCloudOptions = {}): Promise<LocalCloud> {
  const given = givenCloud();
  if (given !== undefined) return answering(given);
  const directory = resolve(options.directory ?? '.local');
  if (options.reuse === true || options.detached === true) {
    const running = await readLocalCloud(directory);
    // Whoever started it ends it.
    if (running !== undefined) return { ...running, stop: () => Promise.resolve() };
  }
  await mkdir(directory, { recursive: true });
  const python = await pythonEnvironment({ directory, onProgress: options.onProgress });
  const emulator = await launchEmulator({
    python,
    directory,
    port: options.port,
    scale: options.scale ?? {},
    detached: options.detached === true,
  });
  options.onProgress?.(`Local cloud: ready on 127.0.0.1:${emulator.port}`);
  if (options.detached === true)
    await writeEmulatorState(directory, { ...emulator, startedAt: new Date().toISOString() });
  return cloudOf(emulator, async () => {
    if (options.detached === true) await removeEmulatorState(directory);
  });
}

/** The cloud that `rekey local up` left running, or that `AWS_ENDPOINT_URL` names; `undefined` if there is none. */
export async function readLocalCloud(directory = '.local'): Promise<LocalCloud | undefined> {
  const given = givenCloud();
  const state = await readEmulatorState(resolve(directory));
  const own =
    state === undefined ? undefined : cloudOf(state, async () => await removeEmulatorState(resolve(directory)));
  // A shell that took over our environment names our own endpoint.
  return given === undefined || given.endpoint === own?.endpoint ? own : given;
}

/** `cloud`, once it has answered anything at all. */
async function answering(cloud: LocalCloud): Promise<LocalCloud> {
  try {
    await fetch(cloud.endpoint, { signal: AbortSignal.timeout(5_000) });
    return cloud;
  } catch (cause) {
    throw new LocalCloudFailure(
      `AWS_ENDPOINT_URL names ${cloud.endpoint}, which does not answer: start it, or unset AWS_ENDPOINT_URL to get one of Rekey's own.`,
      { cause },
    );
  }
}

function givenCloud(): LocalCloud | undefined {
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (endpoint === undefined || endpoint === '') return undefined;
  const region = process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1';
  return {
    endpoint,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? 'test',
      AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? 'test',
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
    },
    logFile: undefined,
    pid: undefined,
    reset: () =>
      Promise.reject(
        new LocalCloudFailure(
          'AWS_ENDPOINT_URL names an endpoint that Rekey did not start, so it is not reset: unset it, or reset it with its own tools.',
        ),
      ),
    stop: () => Promise.resolve(),
  };
}

function cloudOf(emulator: Emulator, forget: () => Promise<void>): LocalCloud {
  const endpoint = `http://127.0.0.1:${emulator.port}`;
  return {
    endpoint,
    environment: environmentFor(endpoint),
    logFile: emulator.logFile,
    pid: emulator.pid,
    reset: async () => {
      const answer = await fetch(`${endpoint}/_ministack/reset`, { method: 'POST' });
      if (!answer.ok)
        throw new LocalCloudFailure(
          `The local cloud refused to reset (HTTP ${answer.status}); see ${emulator.logFile}.`,
        );
    },
    stop: async () => {
      await endProcessGroup(emulator.pid);
      await rm(emulator.scratch, { recursive: true, force: true, maxRetries: 3 });
      await forget();
    },
  };
}

/** The user's own profile, configuration and credentials stay out of it: a mistake here must not reach a real account. */
function environmentFor(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_SESSION_TOKEN: '',
    AWS_PROFILE: '',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    CDK_DEFAULT_ACCOUNT: '000000000000',
    CDK_DEFAULT_REGION: 'us-east-1',
  };
}
