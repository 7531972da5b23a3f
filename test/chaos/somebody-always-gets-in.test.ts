import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostgresql } from '../rotators/postgresql-target-harness.ts';
import type { TargetHarness } from '../rotators/target-harness.ts';
import { ChaosWorld, RECOVERIES } from './chaos-world.ts';
import { type CellResult, cellsOf, runCell } from './matrix.ts';

const MINUTES = 60_000;

/** The side effects of each step, in their order. */
const GENERATE = ['save', 'save', 'putPending', 'install', 'save'];
const TEST = ['save'];
const AUDIT = ['save'];
const ROLL_OUT = ['openBatch', 'post', 'addAnswers', 'save'];
const APPLY = ['promote', 'post', 'save'];
const NOTIFY = ['publish', 'save'];
const RETIRE = ['save', 'retire', 'save', 'save'];

let harness: TargetHarness;
beforeAll(async () => {
  harness = await openPostgresql();
});
afterAll(() => harness?.stop());

describe('somebody always gets in: a PostgreSQL rotation killed between any two side effects', () => {
  it('has the effects that this test kills at', async () => {
    const world = await ChaosWorld.adopted(harness, 'whole', { recovery: 'workflow retries' });
    await world.rotateAndRecover();
    expect(world.saboteur.effects).toEqual([
      ...GENERATE,
      ...TEST,
      ...AUDIT,
      ...ROLL_OUT,
      ...APPLY,
      ...NOTIFY,
      ...RETIRE,
    ]);
  });

  it.each(RECOVERIES)(
    'recovers by %s',
    async (recovery) => {
      const cells = (await cellsOf(harness)).filter(
        (cell) => cell.recovery === recovery && cell.column.includes('killed'),
      );
      const results: CellResult[] = [];
      for (const cell of cells) results.push(await runCell(harness, cell));
      expect(results.filter(({ broken }) => broken.length > 0)).toEqual([]);
    },
    5 * MINUTES,
  );
});
