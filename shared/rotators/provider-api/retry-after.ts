/** What a provider asks for beyond this is taken for this. */
const MOST_SECONDS = 86_400;

/**
 * `Retry-After` (RFC 9110): seconds, or a date. `undefined` where it is neither; of what the provider wrote nothing else
 * is used. At least one second, at most a day.
 */
export function retryAfterSeconds(header: unknown, now: Date): number | undefined {
  if (typeof header !== 'string') return undefined;
  return /^\d{1,9}$/.test(header) ? bounded(Number(header)) : secondsUntil(Date.parse(header), now);
}

/** From `now` until `time` (milliseconds since 1970), within the same bounds. `undefined` where that is no time. */
export function secondsUntil(time: number, now: Date): number | undefined {
  return Number.isFinite(time) ? bounded(Math.ceil((time - now.getTime()) / 1000)) : undefined;
}

function bounded(seconds: number): number {
  return Math.min(Math.max(seconds, 1), MOST_SECONDS);
}
