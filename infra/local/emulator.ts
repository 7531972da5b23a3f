import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertRoom } from './disk-space.ts';
import { portArgument } from './emulator-state.ts';
import { freePort, isPortTaken } from './free-port.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { removeOldLogs } from './old-logs.ts';
import { poll } from './poll.ts';
import { endOf, endProcessGroup } from './process-group.ts';

/** How much faster than AWS's clock the emulator's runs; 1 when not given. Read by launch.py only. */
export interface Scale {
  /** `rate(1 minute)` fires every 60 / rate seconds. */
  readonly rate?: number;
  /** A Wait state, and the pause before a retry, takes 1 / wait of its time. */
  readonly wait?: number;
}

export interface Emulator {
  /** Leads a process group that holds every Lambda process. */
  readonly pid: number;
  readonly port: number;
  readonly logFile: string;
  /** Its own temporary directory: unpacked Lambda code. Outside the checkout, so that no package.json above it applies. */
  readonly scratch: string;
}

interface LaunchOptions {
  readonly python: string;
  readonly directory: string;
  readonly port: number | undefined;
  readonly scale: Scale;
  readonly detached: boolean;
}

const LAUNCHER = fileURLToPath(new URL('fidelity/launch.py', import.meta.url));
const START_SECONDS = 30;
const NEEDED_MEGABYTES = 200;
/** Each concurrent invocation is a Node process of 40–60 MB: one that comes while all are busy waits for the next to be free. */
const CONCURRENT_LAMBDAS = 24;

/** Starts the emulator and waits until it answers. Nothing is left running when it does not. */
export async function launchEmulator(options: LaunchOptions): Promise<Emulator> {
  await assertRoom(tmpdir(), NEEDED_MEGABYTES);
  if (options.port !== undefined && (await isPortTaken(options.port))) {
    throw new LocalCloudFailure(
      `Port ${options.port} of 127.0.0.1 is taken by another program: choose another one, or leave it out to get a free one.`,
    );
  }
  const port = options.port ?? (await freePort());
  await removeOldLogs(options.directory, 'cloud-');
  const scratch = await mkdtemp(join(tmpdir(), 'rekey-cloud-'));
  const logFile = join(options.directory, `cloud-${port}.log`);
  let child: ChildProcess | undefined;
  try {
    child = await spawnLauncher({ ...options, port, scratch, logFile });
    await untilHealthy({ child, port, logFile });
    return { pid: pidOf(child), port, logFile, scratch };
  } catch (error) {
    if (child?.pid !== undefined) await endProcessGroup(child.pid);
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
}

async function spawnLauncher(
  options: LaunchOptions & { port: number; scratch: string; logFile: string },
): Promise<ChildProcess> {
  const log = await open(options.logFile, 'w', 0o600);
  try {
    const child = spawn(
      options.python,
      [LAUNCHER, portArgument(options.port), ...(options.detached ? [] : ['--end-with-standard-input'])],
      {
        cwd: options.scratch,
        env: emulatorEnvironment(options),
        // Its own group: Ctrl-C in a terminal reaches only the parent, and ending the group ends the Lambda processes too.
        detached: true,
        // The pipe is how the launcher notices that its parent is gone, even when that was killed.
        stdio: [options.detached ? 'ignore' : 'pipe', log.fd, log.fd],
      },
    );
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    if (child.stdin !== null) {
      (child.stdin as unknown as { unref(): void }).unref();
      child.stdin.on('error', () => undefined);
    }
    return child;
  } finally {
    await log.close();
  }
}

/** Nothing of the user's environment but where programs are: Lambda processes inherit it. */
function emulatorEnvironment({
  port,
  scratch,
  scale,
}: {
  port: number;
  scratch: string;
  scale: Scale;
}): NodeJS.ProcessEnv {
  return {
    // The Node that runs this program runs the Lambdas.
    PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    HOME: scratch,
    TMPDIR: scratch,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    PYTHONUNBUFFERED: '1',
    // No __pycache__ in the checkout; what pip compiled is read all the same.
    PYTHONDONTWRITEBYTECODE: '1',
    BIND_HOST: '127.0.0.1',
    GATEWAY_PORT: String(port),
    MINISTACK_HOST: '127.0.0.1',
    // Else it opens 8883 on every interface.
    IOT_MTLS_ENABLED: '0',
    LOG_LEVEL: process.env['REKEY_LOCAL_LOG_LEVEL'] ?? 'WARNING',
    // Its own limit answers 429 at once; the patch of fidelity/lambda_functions.py lets an invocation wait.
    LAMBDA_ACCOUNT_CONCURRENCY: '0',
    REKEY_LOCAL_CONCURRENT_LAMBDAS: String(CONCURRENT_LAMBDAS),
    SFN_WAIT_SCALE: String(1 / (scale.wait ?? 1)),
    REKEY_LOCAL_RATE_SCALE: String(scale.rate ?? 1),
    REKEY_LOCAL_WITHOUT: process.env['REKEY_LOCAL_WITHOUT'] ?? '',
  };
}

async function untilHealthy({
  child,
  port,
  logFile,
}: {
  child: ChildProcess;
  port: number;
  logFile: string;
}): Promise<void> {
  const answer = await poll(
    async () => {
      const end = endOf(child);
      if (end !== undefined) return end;
      // Refused until it listens: asked again until the deadline.
      const health = await fetch(`http://127.0.0.1:${port}/_ministack/health`).catch(() => undefined);
      return health?.ok === true ? 'healthy' : undefined;
    },
    { withinMilliseconds: START_SECONDS * 1_000 },
  );
  if (answer === 'healthy') return;
  const happened =
    answer === undefined ? `did not answer within ${START_SECONDS} seconds` : `ended while it started (${answer})`;
  throw new LocalCloudFailure(
    `The local cloud ${happened}; its last words, from ${logFile}: ${await lastWords(logFile)}`,
  );
}

async function lastWords(logFile: string): Promise<string> {
  const lines = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n');
  return lines.slice(-3).join(' | ').slice(-600) || '(nothing)';
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new LocalCloudFailure('The local cloud has no process id.');
  return child.pid;
}
