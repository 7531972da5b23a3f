import type { Clock } from '../../clock.ts';

/**
 * The waiting of one piece of work, which is over when the clock says so or when so much was slept: it ends after so many
 * questions, too.
 */
export class Wait {
  readonly #clock: Clock;
  readonly #start: number;
  readonly #longest: number;
  #slept = 0;

  constructor(clock: Clock, longestMilliseconds: number) {
    this.#clock = clock;
    this.#start = clock.now().getTime();
    this.#longest = longestMilliseconds;
  }

  /** What `elapsedMilliseconds` is at an instant; 0 for one before the work. */
  elapsedAt(instant: number): number {
    return Math.max(0, instant - this.#start);
  }

  get elapsedMilliseconds(): number {
    return Math.max(this.#clock.now().getTime() - this.#start, this.#slept);
  }

  /** Sleeps, or answers `false` at once where that would be longer than the work may take. */
  async pause(milliseconds: number): Promise<boolean> {
    if (this.elapsedMilliseconds + milliseconds > this.#longest) return false;
    await this.#clock.sleep(milliseconds);
    this.#slept += milliseconds;
    return true;
  }

  /**
   * Asks until the answer is not `undefined`, or `untilMilliseconds` (of `elapsedMilliseconds`) have come, when it is asked
   * for the last time; or the work's own time is over. What a question throws is thrown on.
   */
  async until<Answer>(
    {
      untilMilliseconds,
      everyMilliseconds,
    }: { readonly untilMilliseconds: number; readonly everyMilliseconds: number },
    question: () => Promise<Answer | undefined>,
  ): Promise<Answer | undefined> {
    for (;;) {
      const left = untilMilliseconds - this.elapsedMilliseconds;
      const answer = await question();
      if (answer !== undefined) return answer;
      if (left <= 0 || !(await this.pause(Math.min(everyMilliseconds, left)))) return undefined;
    }
  }
}
