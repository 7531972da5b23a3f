import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Secrets } from '../../../client/secrets.ts';
import * as fc from '../../harness/properties.ts';
import { BOUND_SECONDS, type ModelProcess, RolloutModel, settled } from './rollout-model.ts';

/** One move in the script; counterexamples show its label. */
interface Move {
  readonly run: (model: RolloutModel) => Promise<void> | void;
  readonly [fc.toStringMethod]: () => string;
}

const NAME = 'db';

function named(label: string, run: Move['run']): Move {
  return { run, [fc.toStringMethod]: () => label };
}

function onModel(weight: number, label: string, run: Move['run']): fc.MaybeWeightedArbitrary<Move> {
  return { weight, arbitrary: fc.constant(named(label, run)) };
}

/** Done to one of the processes that are alive. What a process waits for is not waited for here. */
function onProcess(
  weight: number,
  label: string,
  move: (process: ModelProcess) => unknown,
): fc.MaybeWeightedArbitrary<Move> {
  const arbitrary = fc.nat(3).map((index) =>
    named(`${label} ${index}`, (model) => {
      const alive = model.processes.filter(({ isDead }) => !isDead);
      const process = alive[index % Math.max(1, alive.length)];
      if (process !== undefined) void Promise.resolve(move(process)).catch(() => undefined);
    }),
  );
  return { weight, arbitrary };
}

function wake(process: ModelProcess): void {
  process.isFrozen = false;
  for (const call of process.held.splice(0)) call.release();
}

/**
 * A clock that is set back while its process stands still is beyond what two clocks can tell; while it runs, the client
 * asks them within seconds.
 */
function setClock(process: ModelProcess, skew: number): void {
  if (process.isFrozen) return;
  process.secrets?.health();
  process.skew = skew;
  process.secrets?.health();
}

/** Asks the client for something, unless its process stands still. */
function asked(process: ModelProcess, ask: (secrets: Secrets<typeof NAME>) => Promise<unknown>): unknown {
  return process.isFrozen || process.secrets === undefined ? undefined : ask(process.secrets);
}

const SECONDS = [0.3, 1, 1, 5, 5, 12, 30, 70, BOUND_SECONDS + 5, 2 * BOUND_SECONDS];

const moves: fc.Arbitrary<Move> = fc.oneof(
  ...SECONDS.map((seconds) => onModel(1, `pass ${seconds}`, (model) => model.pass(seconds))),
  onModel(2, 'start a process', (model) => model.startProcess()),
  onModel(4, 'start a rotation', (model) => model.startRotation()),
  onModel(3, 'release', (model) => model.release()),
  onModel(3, 'promote', (model) => model.promote()),
  onModel(3, 'settle', (model) => model.settle()),
  onModel(2, 'call back', (model) => model.callBack()),
  onModel(3, 'rotate', (model) => model.rotate(3)),
  onModel(1, 'rotate at once', (model) => model.rotate(0.5)),
  onProcess(1, 'crash', (process) => (process.isDead = true)),
  onProcess(2, 'freeze', (process) => (process.isFrozen = true)),
  onProcess(3, 'wake', wake),
  onProcess(3, 'slow', (process) => (process.network = 'slow')),
  onProcess(2, 'down', (process) => (process.network = 'down')),
  onProcess(3, 'up', (process) => (process.network = 'up')),
  onProcess(4, 'deliver first', ({ held }) => held.shift()?.release()),
  onProcess(2, 'deliver last', ({ held }) => held.pop()?.release()),
  onProcess(2, 'lose first', ({ held }) => held.shift()?.fail()),
  onProcess(1, 'break or mend the check', (process) => (process.isProofBroken = !process.isProofBroken)),
  ...[-90_000, 0, 90_000].map((skew) => onProcess(1, `skew ${skew}`, (process) => setClock(process, skew))),
  onProcess(2, 'refused', (process) => asked(process, (secrets) => secrets.reportRefused(NAME))),
  onProcess(1, 'refresh', (process) => asked(process, (secrets) => secrets.refresh())),
  onProcess(1, 'ready', (process) => asked(process, (secrets) => secrets.ready())),
);

describe('consumers, Rekey and the network in any order', () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);

  beforeEach(() => {
    process.on('unhandledRejection', note);
  });

  afterEach(() => {
    process.off('unhandledRejection', note);
  });

  it('never use a version that has been ended, nor one that was not announced, nor answer for what they do not use', async () => {
    let ended = 0;
    let acknowledged = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(moves, { minLength: 20, maxLength: 120, size: 'max' }), async (script) => {
        const model = new RolloutModel();
        model.startProcess();
        model.startProcess();
        await settled();
        for (const move of script) {
          await move.run(model);
          await settled();
          await model.retire();
          model.check();
        }
        await model.checkBatches();
        ended += model.retired.size;
        acknowledged += model.table.given.filter(({ outcome }) => outcome === 'acknowledged').length;
        // Whoever is left behind must not run on in the next script.
        for (const process of model.processes) process.isDead = true;
      }),
    );
    // The scripts reach what they are about.
    expect(ended).toBeGreaterThan(20);
    expect(acknowledged).toBeGreaterThan(20);
    expect(rejections).toEqual([]);
  }, 120_000);
});
