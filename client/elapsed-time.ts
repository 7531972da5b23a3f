import type { ClientClock } from './client-clock.ts';

/** Shorter steps are not added up: the wall clock's milliseconds are too coarse for them. */
const STEP_MILLISECONDS = 1000;

/**
 * How long this process has existed, at least: step by step the larger of what both clocks say has passed. So time counts
 * that a process was frozen (the monotonic clock may stand still), and a clock that is set back takes nothing away. A
 * clock set forward counts as time passed. Asked every few seconds, it errs only where both happen between two askings.
 */
export class ElapsedTime {
  readonly #clock: ClientClock;
  #wall: number;
  #monotonic: number;
  #total = 0;

  constructor(clock: ClientClock) {
    this.#clock = clock;
    this.#wall = clock.wall();
    this.#monotonic = clock.monotonic();
  }

  /** Never less than before. */
  milliseconds(): number {
    const wall = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    const [byWall, byMonotonic] = [wall - this.#wall, monotonic - this.#monotonic];
    const step = Math.max(byWall, byMonotonic);
    const isSetBack = byMonotonic - byWall >= STEP_MILLISECONDS;
    if (step < STEP_MILLISECONDS && !isSetBack) return this.#total + step;
    this.#total += step;
    this.#wall = wall;
    this.#monotonic = monotonic;
    return this.#total;
  }
}
