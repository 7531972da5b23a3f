import { afterEach, describe, expect, it } from 'vitest';
import type { TargetHarness } from '../rotators/target-harness.ts';
import { believesItself, hasOneUser, persistsAfterMutating, retriesCreateBlindly } from './broken-rotators.ts';
import type { Plan } from './chaos-world.ts';
import { inMemoryChosen, inMemoryIssued } from './in-memory-harnesses.ts';
import { type CellResult, cellsOf, runCell } from './matrix.ts';

const MINUTES = 60_000;
const open: TargetHarness[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((harness) => harness.stop()));
});

async function matrix(harness: TargetHarness, plan: Pick<Plan, 'spoil'> = {}): Promise<readonly CellResult[]> {
  open.push(harness);
  const results: CellResult[] = [];
  // The effects of a sound rotation: a broken one may not come to its end.
  for (const cell of await cellsOf(harness)) results.push(await runCell(harness, cell, plan));
  return results;
}

const brokenOf = (results: readonly CellResult[]) => results.filter(({ broken }) => broken.length > 0);
const texts = (results: readonly CellResult[]) => new Set(results.flatMap(({ broken }) => broken));

describe('the crash matrix', () => {
  it.each([
    ['chosen', inMemoryChosen, ['putPending', 'install', 'openBatch', 'addAnswers', 'promote', 'post', 'retire']],
    ['issued', inMemoryIssued, ['issue', 'putPending', 'openBatch', 'addAnswers', 'promote', 'post', 'retire']],
  ] as const)(
    'harms a rotator of the kind %s at every effect, rollout included, and it survives',
    async (_, harness, effects) => {
      const results = await matrix(harness());
      expect([...new Set(results.map(({ effectName }) => effectName))]).toEqual(expect.arrayContaining([...effects]));
      expect(brokenOf(results)).toEqual([]);
      expect(results.length).toBeGreaterThan(150);
    },
    2 * MINUTES,
  );

  it('shows a cell whose fault never comes', async () => {
    const harness = inMemoryChosen();
    open.push(harness);
    const cells = await cellsOf(harness);
    const last = cells.filter(({ fault, recovery }) => fault === 'fails' && recovery === 'workflow retries').at(-1);
    if (last === undefined) throw new Error('no cells');
    expect((await runCell(harness, last)).broken).toEqual([]);
    const beyond = { ...last, effect: last.effect + 100 };
    expect((await runCell(harness, beyond)).broken).toEqual(['the fault never came']);
    const install = cells.find(({ effectName }) => effectName === 'install');
    // No connection is there to be cut.
    const cut = { ...last, ...install, fault: 'cut before' as const, write: 1 };
    expect((await runCell(harness, cut)).broken).toEqual(['the fault never came']);
  });

  it(
    'shows a rotator that persists after it mutates',
    async () => {
      const broken = brokenOf(await matrix(inMemoryIssued(), { spoil: persistsAfterMutating }));
      expect([...texts(broken)].join('\n')).toContain('the registry does not know it');
    },
    2 * MINUTES,
  );

  it(
    'shows a rotator that retries a create blindly',
    async () => {
      const broken = brokenOf(await matrix(inMemoryIssued(5), { spoil: retriesCreateBlindly }));
      expect([...texts(broken)].join('\n')).toContain('the registry does not know it');
    },
    2 * MINUTES,
  );

  it(
    'shows a rotator that calls dead what lives',
    async () => {
      const broken = brokenOf(await matrix(inMemoryChosen(), { spoil: believesItself }));
      expect([...texts(broken)].join('\n')).toContain('the registry does not know it');
    },
    2 * MINUTES,
  );

  it(
    'shows a rotator with one user: nobody logs in between set and finish',
    async () => {
      const broken = brokenOf(await matrix(inMemoryChosen(), { spoil: hasOneUser }));
      expect(texts(broken)).toContain('AWSCURRENT did not open the target after install');
    },
    2 * MINUTES,
  );
});
