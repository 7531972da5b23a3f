import { describe, expect, it } from 'vitest';
import * as fc from '../harness/properties.ts';
import { inMemoryChosen, inMemoryIssued } from './in-memory-harnesses.ts';
import { LateWorld, type SecondFault } from './late-world.ts';

/** Of all the places for a second fault (some 300 and more), so many are tried. */
const SAMPLE = 60;
const SEED = 8;
const FAULTS = ['fails', 'killed before', 'killed after'] as const;

let made = 0;
function nextName(): string {
  made += 1;
  return `late${made}`;
}

describe.each([
  ['chosen', inMemoryChosen],
  ['issued', inMemoryIssued],
] as const)('a stopped execution whose function goes on (%s)', (_, open) => {
  it('leaves nothing, wherever it is stopped, and whatever fails while that is put right', async () => {
    const harness = open();
    const cells: (readonly [number, SecondFault])[] = [];
    const broken: unknown[] = [];
    for (let stop = 1; ; stop += 1) {
      const result = await LateWorld.run(harness, nextName(), stop);
      if (result === undefined) break; // The rotation has no more effects.
      if (result.broken.length > 0) broken.push({ stop, broken: result.broken });
      for (let effect = stop + 1; effect <= result.effects; effect += 1) {
        for (const fault of FAULTS) cells.push([stop, { effect, fault }]);
      }
    }
    expect(cells.length).toBeGreaterThan(SAMPLE);
    for (const [stop, second] of fc.sample(fc.constantFrom(...cells), { seed: SEED, numRuns: SAMPLE })) {
      const result = await LateWorld.run(harness, nextName(), stop, second);
      if (result?.struck !== true) broken.push({ stop, second, broken: ['the second fault never came'] });
      else if (result.broken.length > 0) broken.push({ stop, second, broken: result.broken });
    }
    expect(broken).toEqual([]);
  }, 120_000);
});
