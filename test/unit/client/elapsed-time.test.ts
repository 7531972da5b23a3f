import { describe, expect, it } from 'vitest';
import { ElapsedTime } from '../../../client/elapsed-time.ts';

function clocks() {
  const state = { wall: 1_000_000, monotonic: 50 };
  const elapsed = new ElapsedTime({
    wall: () => state.wall,
    monotonic: () => state.monotonic,
    sleep: async () => undefined,
  });
  const pass = (wall: number, monotonic = wall): number => {
    state.wall += wall;
    state.monotonic += monotonic;
    return elapsed.milliseconds();
  };
  return { pass };
}

describe('elapsed time', () => {
  it('is what both clocks say while they agree, however often it is asked', () => {
    const { pass } = clocks();
    for (let times = 0; times < 10_000; times += 1) pass(times % 10 === 0 ? 1 : 0, 0.1);
    expect(pass(0)).toBeCloseTo(1000, -1);
  });

  it('counts what passed while the process was frozen', () => {
    const { pass } = clocks();
    pass(5000);
    expect(pass(60_000, 0)).toBe(65_000);
  });

  it('loses nothing when the clock is set back, before a freeze or after it', () => {
    const { pass } = clocks();
    pass(5000);
    expect(pass(-90_000, 100)).toBe(5100);
    expect(pass(60_000, 0)).toBe(65_100);
    expect(pass(-500_000, 2000)).toBe(67_100);
  });

  it('counts a clock that is set forward as time passed', () => {
    const { pass } = clocks();
    expect(pass(7_200_000, 10)).toBe(7_200_000);
  });
});
