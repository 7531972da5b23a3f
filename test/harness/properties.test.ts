import { afterEach, expect, it, vi } from 'vitest';
import * as fc from './properties.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function tried(numRuns = 5): readonly number[] {
  const inputs: number[] = [];
  fc.assert(
    fc.property(fc.nat(), (input) => {
      inputs.push(input);
    }),
    { numRuns },
  );
  return inputs;
}

it('tries the same inputs in each run', () => {
  expect(tried()).toEqual(tried());
});

it('tries those of another seed, or any, where that is asked for', () => {
  const usual = tried();
  vi.stubEnv('REKEY_PROPERTY_SEED', '5');
  expect(tried()).not.toEqual(usual);
  expect(tried()).toEqual(tried());
  vi.stubEnv('REKEY_PROPERTY_SEED', 'random');
  expect(tried(20)).not.toEqual(tried(20));
});

it('tries more of them where that is asked for', () => {
  vi.stubEnv('REKEY_PROPERTY_TIMES', '3');
  expect(tried()).toHaveLength(15);
});

it('refuses what is no number', () => {
  vi.stubEnv('REKEY_PROPERTY_SEED', 'some');
  expect(() => tried()).toThrow('REKEY_PROPERTY_SEED is no whole number.');
});
