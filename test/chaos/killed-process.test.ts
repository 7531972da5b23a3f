import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import type { RotationInput } from '../../shared/rotation/payloads.ts';
import {
  adoptAt,
  createTables,
  type RealPorts,
  realPorts,
  rotateWhole,
  rotationOf,
  type Tables,
} from '../harness/real-ports.ts';
import type { Adopted, TargetHarness } from '../rotators/target-harness.ts';
import type { Errand, Told } from './doomed-process.ts';
import { TARGETS } from './targets.ts';

/*
 * The crash matrix kills a step from inside, by letting nothing more happen in it. Here a process is really killed
 * (SIGKILL), after every side effect of a rotation; the step is then run again, and those after it, as the workflow does.
 */

const PROCESS = join(import.meta.dirname, 'doomed-process.ts');
const MINUTES = 60_000;
/** One that is chosen and has two users, one that is chosen and has one, one that is issued. */
const TYPES = ['postgresql', 'redis', 'http'];

describe.each(TYPES)('a process that is killed in the middle of a rotation of type %s', (type) => {
  let harness: TargetHarness;
  let tables: Tables;
  let ports: RealPorts;
  let ahead = 0;
  const clock: Clock = {
    now: () => new Date(Date.now() + ahead),
    sleep: (milliseconds, signal) => systemClock.sleep(milliseconds, signal),
  };

  beforeAll(async () => {
    const open = TARGETS[type];
    if (open === undefined) throw new Error(`There is no target for ${type}.`);
    harness = await open();
    tables = await createTables();
    ports = { ...realPorts(tables, async () => harness.rotator(systemClock)), clock };
  });
  afterAll(() => harness?.stop());

  it(
    'leaves nothing that the same step, run again, does not complete, whichever side effect was its last',
    async () => {
      const survived: string[] = [];
      for (let last = 1; ; last += 1) {
        const name = `killed_${crypto.randomUUID().slice(0, 8)}`;
        const adopted = await adoptAt(harness, name, ports);
        const input = rotationOf(name);
        const killed = await runUntil({ tables, input }, last);
        if (killed === undefined) break;
        const { step, effect } = killed;
        // The workflow has learnt of it when the function's time was over.
        ahead += 66_000;
        await rotateWhole(input, ports, { from: step });
        expect(await faults(adopted, input), `killed after effect ${last}, ${effect}, in ${step}`).toEqual([]);
        const next = rotationOf(name);
        await rotateWhole(next, ports);
        expect(await faults(adopted, next), `the rotation after that`).toEqual([]);
        survived.push(`${step}: ${effect}`);
      }
      const made = type === 'http' ? 'issue' : 'install';
      expect(survived).toEqual(
        expect.arrayContaining([
          'generate: putPending',
          `generate: ${made}`,
          'apply: promote',
          'notify: publish',
          'retire: retire',
        ]),
      );
    },
    3 * MINUTES,
  );

  async function faults({ name, ...adopted }: Adopted, { rotationId }: RotationInput): Promise<readonly string[]> {
    const found: string[] = [];
    const current = await ports.secretStore.read(name, { stage: 'AWSCURRENT' });
    if (current?.versionId !== rotationId) found.push('AWSCURRENT is not on the version of the rotation');
    if (current !== undefined) await harness.use(current.value).catch(() => found.push('AWSCURRENT opens nothing'));
    await harness.use(adopted.incumbent).then(
      () => found.push('the replaced value opens the target'),
      () => undefined,
    );
    const { ledger, lease } = await requireRecord(ports.registry, name);
    const accounted = ledger
      .filter(({ state }) => state !== 'retired')
      .map(({ identity, versionId }) => ({
        identity,
        versionId,
        value: versionId === current?.versionId ? current.value : undefined,
      }));
    found.push(...(await harness.unaccounted({ name, ...adopted }, accounted)).map((one) => `alive, unknown: ${one}`));
    if (accounted.length !== 1) found.push(`${accounted.length} credentials of the ledger are alive`);
    if (lease !== undefined) found.push('the lease is held');
    if (!(await verifyTrail(ports.auditTrail)).verified) found.push('the audit chain is broken');
    return found;
  }
});

/** Kills a process after its `last` side effect, and answers which that was; `undefined` when it ended before. */
async function runUntil(errand: Errand, last: number): Promise<Told | undefined> {
  const child = fork(PROCESS, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  let effects = 0;
  let killed: Told | undefined;
  child.on('message', (told: Told) => {
    effects += 1;
    if (effects < last) child.send('go on');
    else {
      killed = told;
      child.kill('SIGKILL');
    }
  });
  child.send(errand);
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  if (killed === undefined && code !== 0) throw new Error(`The process ended with ${signal ?? code}.`);
  return killed;
}
