import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BOUND_SECONDS, type ModelProcess, RolloutModel, settled } from './rollout-model.ts';

type Move = (model: RolloutModel) => Promise<void> | void;

const NAME = 'db';

function onProcess(move: (process: ModelProcess) => Promise<unknown> | void): fc.Arbitrary<Move> {
  return fc.nat(5).map((index) => (model) => {
    const alive = model.processes.filter(({ isDead }) => !isDead);
    const process = alive[index % Math.max(1, alive.length)];
    if (process === undefined) return;
    // What a process waits for is not waited for here.
    void Promise.resolve(move(process)).catch(() => undefined);
  });
}

function wake(process: ModelProcess): void {
  process.isFrozen = false;
  for (const call of process.held.splice(0)) call.release();
}

const seconds = fc.constantFrom(0.3, 1, 1, 5, 5, 12, 30, 70, BOUND_SECONDS + 5, 2 * BOUND_SECONDS);

const moves: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 8,
    arbitrary: seconds.map(
      (time): Move =>
        (model) =>
          model.pass(time),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Move>((model) => model.startProcess()) },
  { weight: 4, arbitrary: fc.constant<Move>((model) => model.startRotation()) },
  { weight: 3, arbitrary: fc.constant<Move>((model) => model.release()) },
  { weight: 3, arbitrary: fc.constant<Move>((model) => model.promote()) },
  { weight: 3, arbitrary: fc.constant<Move>((model) => model.settle()) },
  { weight: 2, arbitrary: fc.constant<Move>((model) => model.callBack()) },
  { weight: 6, arbitrary: fc.constant<Move>((model) => model.retire()) },
  { weight: 1, arbitrary: onProcess((process) => void (process.isDead = true)) },
  { weight: 2, arbitrary: onProcess((process) => void (process.isFrozen = true)) },
  { weight: 3, arbitrary: onProcess(wake) },
  { weight: 3, arbitrary: onProcess((process) => void (process.network = 'slow')) },
  { weight: 2, arbitrary: onProcess((process) => void (process.network = 'down')) },
  { weight: 3, arbitrary: onProcess((process) => void (process.network = 'up')) },
  { weight: 4, arbitrary: onProcess(({ held }) => held.shift()?.release()) },
  { weight: 2, arbitrary: onProcess(({ held }) => held.pop()?.release()) },
  { weight: 2, arbitrary: onProcess(({ held }) => held.shift()?.fail()) },
  { weight: 1, arbitrary: onProcess((process) => void (process.isProofBroken = !process.isProofBroken)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(-90_000, -5000, 0, 5000, 90_000)
      .chain((skew) => onProcess((process) => void (process.skew = skew))),
  },
  {
    weight: 2,
    arbitrary: onProcess(async (process) => process.isFrozen || process.secrets?.reportRefused(NAME)),
  },
  { weight: 1, arbitrary: onProcess(async (process) => process.isFrozen || process.secrets?.refresh()) },
  { weight: 1, arbitrary: onProcess(async (process) => process.isFrozen || process.secrets?.ready()) },
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
        for (const move of script) {
          await move(model);
          await settled();
          model.check();
        }
        await model.checkBatches();
        ended += model.retired.size;
        acknowledged += model.table.given.filter(({ outcome }) => outcome === 'acknowledged').length;
        // Whoever is left behind must not run on in the next script.
        for (const process of model.processes) process.isDead = true;
      }),
      { numRuns: Number(process.env.REKEY_MODEL_RUNS ?? 150) },
    );
    // The scripts reach what they are about.
    expect(ended).toBeGreaterThan(20);
    expect(acknowledged).toBeGreaterThan(20);
    expect(rejections).toEqual([]);
  }, 120_000);
});
