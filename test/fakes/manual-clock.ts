import type { Clock } from '../../shared/clock.ts';

/** A clock that moves only when told to, or when somebody sleeps. */
export class ManualClock implements Clock {
  #now: number;

  constructor(start = '2026-03-01T12:00:00.000Z') {
    this.#now = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#now);
  }

  async sleep(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
  }

  advance(seconds: number): void {
    this.#now += seconds * 1000;
  }
}
