import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleFunctions } from '../infra/bundles.ts';
import type { Measurement } from './bench.ts';

const RUNS = 9;
/** A fresh process of AWS's Python rotation Lambda until its module is imported, on the reference machine. */
const REFERENCE_MILLISECONDS = 368;

/** Size of each Lambda's bundle, and the time from a fresh process to its handler. */
export async function benchBundles(note: (text: string) => void): Promise<Measurement> {
  const directory = mkdtempSync(join(tmpdir(), 'rekey-bundles-'));
  try {
    const bundles = Object.values(await bundleFunctions(directory));
    await writeFile(join(directory, 'configure', 'configuration.json'), '{}');
    note(`${bundles.length} functions bundled`);
    const bare = median(Array.from({ length: RUNS }, () => startMilliseconds('data:text/javascript,')));
    const functions = bundles.map((bundle) => ({
      name: bundle.name,
      kib: Math.round(bundle.bytes / 1024),
      importMilliseconds: median(
        Array.from({ length: RUNS }, () => startMilliseconds(pathToFileURL(join(bundle.directory, 'index.mjs')).href)),
      ),
    }));
    const largestKib = Math.max(...functions.map(({ kib }) => kib));
    const slowest = Math.max(...functions.map(({ importMilliseconds }) => importMilliseconds));
    return {
      lines: [
        ...functions.map(
          ({ name, kib, importMilliseconds }) => `${name.padEnd(10)} ${kib} KiB  ${importMilliseconds} ms`,
        ),
        `Empty Node process ${bare} ms. Slowest fresh process to handler ${slowest} ms = ${ratio(slowest)} of the ${REFERENCE_MILLISECONDS} ms of AWS's Python Lambda.`,
      ],
      figures: { functions, largestKib, slowestMilliseconds: slowest, emptyProcessMilliseconds: bare },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Whole process: start Node, import the module, end. Median over runs, because the machine is shared. */
function startMilliseconds(url: string): number {
  const started = performance.now();
  const { status } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `await import(${JSON.stringify(url)})`],
    {
      env: { ...process.env, ...SETTINGS },
      stdio: 'ignore',
    },
  );
  if (status !== 0) throw new Error(`The bundle at ${url} does not load.`);
  return performance.now() - started;
}

const SETTINGS = {
  AWS_REGION: 'us-east-1',
  REKEY_ENVIRONMENT: 'bench',
  REGISTRY_TABLE: 'registry',
  AUDIT_TABLE: 'audit',
  ALERT_TOPIC_ARN: 'arn:aws:sns:us-east-1:000000000000:alerts',
  VERSION_RETIREMENT_ARN: 'arn:aws:states:us-east-1:000000000000:stateMachine:retirement',
};

function ratio(milliseconds: number): string {
  return (milliseconds / REFERENCE_MILLISECONDS).toFixed(2);
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}
