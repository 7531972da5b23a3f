import { type Clock, systemClock } from '../../shared/clock.ts';

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

/** Of what somebody waits for at a server, so much at most is waited for in earnest: every try still gives it some time. */
const MOST_MILLISECONDS = 50;

/**
 * `clock` for a rotator at a real server, which lives in real time: whoever sleeps really waits, and a clock that is moved by
 * hand moves on by the whole of it. So "nothing for half a second" is not four questions in a row, and fifteen seconds of
 * trying are a hundred pauses.
 */
export function inRealTime(clock: Clock): Clock {
  if (clock === systemClock) return clock;
  return {
    now: () => clock.now(),
    sleep: async (milliseconds, signal) => {
      await systemClock.sleep(Math.min(milliseconds, MOST_MILLISECONDS), signal);
      await clock.sleep(milliseconds, signal);
    },
  };
}
