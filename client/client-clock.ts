import { setTimeout as sleep } from 'node:timers/promises';

/** Time as a consumer needs it: two clocks, because a process can be frozen and a machine's time can be set. */
export interface ClientClock {
  /** Milliseconds since the epoch, as this machine has them. */
  wall(): number;
  /** Milliseconds that only grow, but may stand still while the machine sleeps or a Lambda is frozen. */
  monotonic(): number;
  /** Resolves after `milliseconds`; rejects when aborted. Never keeps the process alive. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own. */
export const clientClock: ClientClock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (milliseconds, signal) =>
    sleep(milliseconds, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }),
};

/** An instant on both clocks. */
export interface Mark {
  readonly wall: number;
  readonly monotonic: number;
}

export function markOf(clock: ClientClock): Mark {
  return { wall: clock.wall(), monotonic: clock.monotonic() };
}

/** The larger of what both clocks say has passed: a frozen process and a clock set back both count as time passed. */
export function millisecondsSince(mark: Mark, clock: ClientClock): number {
  return Math.max(clock.wall() - mark.wall, clock.monotonic() - mark.monotonic);
}
