/** What a provider asks for beyond this is taken for this. */
const MOST_SECONDS = 86_400;
/** IMF-fixdate, the one form of a date that a sender may use. `Date.parse` would take `1.5` for a day in January. */
const DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * `Retry-After` (RFC 9110, 10.2.3): whole seconds, or a date. `undefined` where it is neither; of what the provider wrote
 * nothing else is used. At least one second, at most a day.
 */
export function retryAfterSeconds(header: unknown, now: Date): number | undefined {
  if (typeof header !== 'string') return undefined;
  if (/^\d{1,9}$/.test(header)) return bounded(Number(header));
  return DATE.test(header) ? secondsUntil(Date.parse(header), now) : undefined;
}

/** From `now` until `time` (milliseconds since 1970), within the same bounds. `undefined` where that is no time. */
export function secondsUntil(time: number, now: Date): number | undefined {
  return Number.isFinite(time) ? bounded(Math.ceil((time - now.getTime()) / 1000)) : undefined;
}

function bounded(seconds: number): number {
  return Math.min(Math.max(seconds, 1), MOST_SECONDS);
}
