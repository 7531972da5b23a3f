import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Bundle, bundleFunctions } from '../infra/bundles.ts';
import type { Bench, Measurement } from './bench.ts';
import { median } from './median.ts';

const RUNS = 21;
/** A fresh process of AWS's Python rotation Lambda until its module is imported, on the reference machine. */
const REFERENCE_MILLISECONDS = 368;

/**
 * Size of each Lambda's bundle, and the time from starting a process to its handler being imported. All are started in
 * turn, round by round, so that a busy moment of the machine falls on all alike.
 */
export const benchBundles: Bench = async (note, cleanup) => {
  const directory = mkdtempSync(join(tmpdir(), 'rekey-bundles-'));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  const bundles = Object.values(await bundleFunctions(directory));
  await writeFile(join(directory, 'configure', 'configuration.json'), '{}');
  note(`${bundles.length} functions bundled`);

  const python = botocorePython();
  const starts: readonly Start[] = [
    { name: EMPTY, command: process.execPath, words: ['--input-type=module', '-e', ''] },
    ...bundles.map(({ name, directory: home }) => ({
      name,
      command: process.execPath,
      words: [
        '--input-type=module',
        '-e',
        `await import(${JSON.stringify(pathToFileURL(join(home, 'index.mjs')).href)})`,
      ],
    })),
    ...(python === undefined ? [] : [{ name: PYTHON, command: python, words: ['-c', PYTHON_CLIENT] }]),
  ];
  return present(bundles, await race(starts), python !== undefined);
};

const EMPTY = 'empty Node process';
const PYTHON = 'Python with one botocore client';
/** A part of what AWS's Lambda does when it is imported: boto3 and the database driver come on top. */
const PYTHON_CLIENT =
  'import botocore.session; botocore.session.get_session().create_client("secretsmanager", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")';

/** The local cloud's Python, which has botocore; `undefined` before the local cloud was first started. */
function botocorePython(): string | undefined {
  if (!existsSync('.local')) return undefined;
  const homes = readdirSync('.local').filter((name) => name.startsWith('python-'));
  return homes
    .map((home) => join('.local', home, 'bin', 'python'))
    .find(
      (python) => existsSync(python) && spawnSync(python, ['-c', 'import botocore'], { stdio: 'ignore' }).status === 0,
    );
}

interface Start {
  readonly name: string;
  readonly command: string;
  readonly words: readonly string[];
}

/** Median wall time of each, after one round that only fills the file cache. */
async function race(starts: readonly Start[]): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number[]>(starts.map(({ name }) => [name, []]));
  for (let round = 0; round <= RUNS; round += 1) {
    for (const start of starts) {
      const milliseconds = startMilliseconds(start);
      if (round > 0) times.get(start.name)?.push(milliseconds);
      await breathe(); // For Ctrl-C.
    }
  }
  return new Map([...times].map(([name, all]) => [name, Math.round(median(all))]));
}

/** Whole process: start, import, end. */
function startMilliseconds({ name, command, words }: Start): number {
  const before = performance.now();
  const { status, signal, stderr, error } = spawnSync(command, words, {
    env: { ...process.env, ...SETTINGS },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  const milliseconds = performance.now() - before;
  if (status !== 0) throw new Error(`"${name}" does not start (${signal ?? status}): ${stderr}`, { cause: error });
  return milliseconds;
}

function present(bundles: readonly Bundle[], times: ReadonlyMap<string, number>, hasPython: boolean): Measurement {
  const functions = bundles.map(({ name, bytes, driverBytes }) => ({
    name,
    kib: kib(bytes - driverBytes),
    driverKib: kib(driverBytes),
    totalKib: kib(bytes),
    importMilliseconds: times.get(name) ?? 0,
  }));
  const slowest = Math.max(...functions.map(({ importMilliseconds }) => importMilliseconds));
  const python = times.get(PYTHON) ?? 0;
  const figures = {
    functions,
    largestKib: Math.max(...functions.map((each) => each.kib)),
    largestTotalKib: Math.max(...functions.map(({ totalKib }) => totalKib)),
    slowestMilliseconds: slowest,
    ratio: ratio(slowest, REFERENCE_MILLISECONDS),
    emptyProcessMilliseconds: times.get(EMPTY) ?? 0,
    ...(hasPython ? { pythonClientMilliseconds: python, ratioToPythonClient: ratio(slowest, python) } : {}),
  };
  return {
    lines: [
      ...functions.map(
        ({ name, kib: own, driverKib, importMilliseconds }) =>
          `${name.padEnd(10)} ${own} KiB${driverKib === 0 ? '' : ` + driver ${driverKib} KiB, loaded when needed`}  ${importMilliseconds} ms`,
      ),
      `Median of ${RUNS} fresh processes each; an empty Node process takes ${figures.emptyProcessMilliseconds} ms.`,
      `Slowest to its handler: ${slowest} ms = ${figures.ratio} of the ${REFERENCE_MILLISECONDS} ms of AWS's Python Lambda (recorded on another, quiet machine).`,
      hasPython
        ? `${PYTHON}, here and in the same rounds: ${python} ms; the slowest takes ${figures.ratioToPythonClient} of it.`
        : 'Python with botocore is not here yet (`npm run local` brings it), so there is no figure of this machine to compare with.',
    ],
    figures,
  };
}

const SETTINGS = {
  AWS_REGION: 'us-east-1',
  REKEY_ENVIRONMENT: 'bench',
  REGISTRY_TABLE: 'registry',
  AUDIT_TABLE: 'audit',
  CONSUMERS_TABLE: 'consumers',
  ALERT_TOPIC_ARN: 'arn:aws:sns:us-east-1:000000000000:alerts',
  VERSION_RETIREMENT_ARN: 'arn:aws:states:us-east-1:000000000000:stateMachine:retirement',
};

const kib = (bytes: number): number => Math.round(bytes / 1024);
const ratio = (one: number, other: number): number => Math.round((one / other) * 100) / 100;
