import type { Clock } from '../../clock.ts';

const SECOND = 1_000;

/** IAM tells whole seconds: the creation of a key, and the `Date` of an answer, may each have been up to one later. */
export const TOLD_WITHIN_MILLISECONDS = 2 * SECOND;

/** IAM's own clock, by the `Date` of its answers: that of this machine may be another. */
export class AwsTime {
  readonly #clock: Clock;
  #aheadMilliseconds: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An HTTP answer, as the SDK hands it on. Its way here only makes the time look earlier: the latest is the truest. */
  note(response: unknown): void {
    const told = Date.parse((response as { headers?: { date?: string } } | undefined)?.headers?.date ?? '');
    if (Number.isNaN(told)) return;
    const ahead = told - this.#clock.now().getTime();
    this.#aheadMilliseconds = Math.max(ahead, this.#aheadMilliseconds ?? ahead);
  }

  /**
   * What this machine's clock said at an instant of IAM's, by the least difference that the whole seconds allow;
   * `undefined`: no answer has told IAM's time.
   */
  here(instant: Date): number | undefined {
    const least = this.#aheadMilliseconds;
    if (least === undefined) return undefined;
    const ahead = least > 0 ? least : Math.min(0, least + SECOND);
    return instant.getTime() - ahead;
  }
}
