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
