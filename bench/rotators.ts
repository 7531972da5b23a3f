import type { ClientRequest } from 'node:http';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { startLocalCloud } from '../infra/local/local-cloud.ts';
import { systemClock } from '../shared/clock.ts';
import { TARGETS } from '../test/chaos/targets.ts';
import {
  adoptAt,
  createTables,
  type RealPorts,
  realPorts,
  rotateWhole,
  rotationOf,
} from '../test/harness/real-ports.ts';
import { ConsumerLoad } from '../test/rotators/consumer-load.ts';
import type { TargetHarness } from '../test/rotators/target-harness.ts';
import type { Bench } from './bench.ts';
import { median } from './median.ts';

const WARM_UP = 2;
const ROUNDS = 10;
/** Under load. */
const ROTATIONS = 20;

interface Row {
  readonly type: string;
  /** One after the other, retirement included. */
  readonly rotationsPerMinute: number;
  /** Every signed request, retirement included; the alert counts as one. */
  readonly awsCalls: number;
  /** Of six consumers, connecting anew or keeping a connection, during 20 rotations. */
  readonly operations: number;
  readonly failedOperations: number;
}

/** Whole rotations of every type in process: real targets, real adapters on the local cloud, no workflow engine. */
export const benchRotators: Bench = async (note, cleanup) => {
  const cloud = await startLocalCloud({ onProgress: note });
  cleanup.defer(() => cloud.stop());
  Object.assign(process.env, cloud.environment);
  const rotators: Row[] = [];
  for (const [type, open] of Object.entries(TARGETS)) {
    const harness = await open();
    try {
      if (harness.type !== type) continue; // Another way to declare one of the others.
      rotators.push(await measure(type, harness));
    } finally {
      await harness.stop();
    }
    note(`${type} measured`);
  }
  return {
    lines: [
      `Rotations with their retirement, one after the other; median of ${ROUNDS}. Then ${ROTATIONS} rotations under load`,
      ...rotators.map(
        ({ type, rotationsPerMinute, awsCalls, operations, failedOperations }) =>
          `  ${type.padEnd(13)} ${String(rotationsPerMinute).padStart(6)} a minute, ${awsCalls} AWS calls each; ${failedOperations} of ${operations} operations failed`,
      ),
    ],
    figures: { rotators },
  };
};

async function measure(type: string, harness: TargetHarness): Promise<Row> {
  const ports = realPorts(await createTables(), async () => harness.rotator(systemClock));
  const name = `bench_${type}`;
  await adoptAt(harness, name, ports);
  const times: number[] = [];
  const calls: number[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const started = performance.now();
    const counted = await countingAwsCalls(() => rotateWhole(rotationOf(name), ports));
    if (round < WARM_UP) continue;
    times.push(performance.now() - started);
    calls.push(counted + 1); // The alert, which is recorded here instead of sent.
  }
  const load = await rotateUnderLoad(harness, name, ports);
  return {
    type,
    rotationsPerMinute: Math.round(60_000 / median(times)),
    awsCalls: median(calls),
    operations: load.operations,
    failedOperations: load.failures.length,
  };
}

/** Each replaced value is ended when every consumer has come to an end with what it was at: as after a grace period. */
async function rotateUnderLoad(harness: TargetHarness, name: string, ports: RealPorts): Promise<ConsumerLoad> {
  const read = async () => {
    const version = await ports.secretStore.read(name, { stage: 'AWSCURRENT' });
    if (version === undefined) throw new Error(`${name} has no value`);
    return version.value;
  };
  let current = await read();
  const load = new ConsumerLoad(harness, () => current);
  try {
    for (let turn = 0; turn < ROTATIONS; turn += 1) {
      await rotateWhole(rotationOf(name), ports, {
        before: async (step) => {
          if (step !== 'retire') return;
          current = await read();
          await load.everybodyOnce();
        },
      });
    }
  } finally {
    await load.stop();
  }
  return load;
}

/** Signed requests that leave this process while `work` runs, retries included. */
async function countingAwsCalls(work: () => Promise<void>): Promise<number> {
  let calls = 0;
  const onRequest = (message: unknown) => {
    const { request } = message as { readonly request: ClientRequest };
    if (String(request.getHeader('authorization')).startsWith('AWS4-')) calls += 1;
  };
  subscribe('http.client.request.start', onRequest);
  try {
    await work();
  } finally {
    unsubscribe('http.client.request.start', onRequest);
  }
  return calls;
}
