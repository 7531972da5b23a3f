import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { ClientClock } from './client-clock.ts';
import { ElapsedTime } from './elapsed-time.ts';

/** A sample older than this is not reckoned from: the machine may have slept, or its time been set. */
const FRESH_MILLISECONDS = 60_000;

/**
 * AWS's time, from the `Date` of its answers. Never earlier than the truth by more than that header's second: an answer's
 * date is taken as that of the moment its request was sent, and what has passed since is never reckoned too short.
 */
export class AwsTime {
  readonly #clock: ClientClock;
  readonly #elapsed: ElapsedTime;
  #sample: { readonly date: number; readonly sent: number } | undefined;

  constructor(clock: ClientClock) {
    this.#clock = clock;
    this.#elapsed = new ElapsedTime(clock);
  }

  /** Samples every answer that `client` gets from now on. */
  watch(client: DynamoDBClient): void {
    client.middlewareStack.add(
      (next) => async (args) => {
        const sent = this.#elapsed.milliseconds();
        const result = await next(args);
        const date = Date.parse(dateHeader(result.response));
        if (!Number.isNaN(date)) this.#sample = { date, sent };
        return result;
      },
      { step: 'deserialize', priority: 'low', name: 'rekeyAwsTime', override: true },
    );
  }

  get isFresh(): boolean {
    return this.#sample !== undefined && this.#elapsed.milliseconds() - this.#sample.sent <= FRESH_MILLISECONDS;
  }

  /** This machine's own time where no answer has ever had a date. */
  now(): Date {
    if (this.#sample === undefined) return new Date(this.#clock.wall());
    return new Date(this.#sample.date + this.#elapsed.milliseconds() - this.#sample.sent);
  }

  /** A time that this machine noted, in AWS's time. */
  translate(noted: Date): Date {
    return new Date(noted.getTime() + this.now().getTime() - this.#clock.wall());
  }
}

function dateHeader(response: unknown): string {
  const headers = (response as { readonly headers?: Readonly<Record<string, string>> } | undefined)?.headers ?? {};
  return headers.date ?? headers.Date ?? '';
}
