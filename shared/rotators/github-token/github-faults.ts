import { InternalFault, RateLimited, RekeyError, TransientFailure } from '../../errors.ts';
import { connectionFault } from '../provider-api/connection-faults.ts';
import { retryAfterSeconds as secondsOf, secondsUntil } from '../provider-api/retry-after.ts';

/** Where GitHub does not say how long: "at least one minute". */
const UNSAID_SECONDS = 60;

/** An answer that is no success, as far as it may be looked at. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** GitHub's own words: to be told apart, never to be repeated. `undefined` where the answer is not of its form. */
  readonly message: string | undefined;
  /** In GitHub's own form; any other is of something on the way, which may have let the request through. */
  readonly isOwn: boolean;
}

/** A request, in words. */
export interface Asking {
  readonly place: string;
  /** "making a token". */
  readonly doing: string;
  readonly now: Date;
}

/** `basic-error` of GitHub's OpenAPI description: both are in every refusal. */
interface Answered {
  readonly message?: unknown;
  readonly documentation_url?: unknown;
}

/** The answer that `error` stands for; `undefined` where none arrived. Octokit gives a lost connection a status of its own. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !('response' in error)) return undefined;
  const { status, headers, data } = (error.response ?? {}) as { status?: unknown; headers?: object; data?: unknown };
  if (typeof status !== 'number') return undefined;
  const { message, documentation_url } = (typeof data === 'object' && data !== null ? data : {}) as Answered;
  const isOwn = typeof message === 'string' && typeof documentation_url === 'string';
  return { status, headers: { ...headers }, message: typeof message === 'string' ? message : undefined, isOwn };
}

/**
 * What an answer that the caller knows nothing better about means. Neither GitHub's text nor Octokit's error is kept: a
 * proxy in between may have put anything into them.
 */
export function githubFault(error: unknown, asking: Asking): RekeyError {
  if (error instanceof RekeyError) return error;
  const refusal = refusalOf(error);
  const { place, doing, now } = asking;
  if (refusal === undefined) return connectionFault(error, place, doing);
  const { status } = refusal;
  if (isLimited(refusal)) {
    const retryAfterSeconds = pause(refusal, now);
    const text = `${place} asked to slow down while ${doing} (HTTP ${status}): it answers again in ${retryAfterSeconds} s.`;
    return new RateLimited(text, { retryAfterSeconds, madeNothing: refusal.isOwn });
  }
  if (status >= 500 || status === 408) return new TransientFailure(`${place} answered HTTP ${status} while ${doing}.`);
  if (status === 403) {
    return new TransientFailure(
      `${place} answered HTTP 403 while ${doing}, and not what GitHub says of a token: see what is on the way there.`,
    );
  }
  return new InternalFault(`${place} answered HTTP ${status} while ${doing}.`);
}

/** Of a token that is known, and let in no further: permissions, the kind of token, its installation, the organization. */
const KEPT_OUT =
  /^(?:Resource not accessible by |You must authenticate with an installation access token\b|This installation has been suspended\b|Although you appear to have the correct authorization credentials\b|Resource protected by organization SAML enforcement\b)/;
/** https://docs.github.com/rest/authentication/authenticating-to-the-rest-api#failed-login-limit */
const LOCKED = /\blogin attempts exceeded\b/i;

/**
 * Whether GitHub says that it knows the token and does not let it do this, in its own words: any other 403 (a proxy's page)
 * says nothing about the token.
 */
export function isKeptOut({ status, message = '' }: Refusal): boolean {
  return status === 403 && KEPT_OUT.test(message);
}

/**
 * The primary limit is told by `x-ratelimit-remaining`, a secondary one by `retry-after` or in words only, like the one
 * of failed logins, after which nobody is let in for a while:
 * https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export function isLimited({ status, headers, message = '' }: Refusal): boolean {
  if (status === 429) return true;
  if (status !== 403) return false;
  return (
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /\brate limit\b/i.test(message) ||
    LOCKED.test(message)
  );
}

/** `Retry-After`, else until the primary limit is reset, else GitHub's own least. */
function pause({ headers }: Refusal, now: Date): number {
  const said = secondsOf(headers['retry-after'], now);
  if (said !== undefined) return said;
  const reset = headers['x-ratelimit-reset'];
  const isUsedUp = headers['x-ratelimit-remaining'] === '0' && typeof reset === 'string' && /^\d{1,12}$/.test(reset);
  return (isUsedUp ? secondsUntil(Number(reset) * 1000, now) : undefined) ?? UNSAID_SECONDS;
}
