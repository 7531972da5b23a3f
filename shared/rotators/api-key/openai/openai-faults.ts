import { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { InternalFault, Misconfigured, RateLimited, RekeyError, Throttled, TransientFailure } from '../../../errors.ts';
import { connectionFault } from '../../provider-api/connection-faults.ts';
import { retryAfterSeconds as secondsOf } from '../../provider-api/retry-after.ts';

/** An answer that is no success, as far as it may be looked at. */
export interface Refusal {
  readonly status: number;
  /** OpenAI's, where it looks like one: for error texts. */
  readonly code: string | undefined;
  /** The kind of error, in OpenAI's words. */
  readonly type: string | undefined;
  /** OpenAI's own words: to be told apart, never to be repeated. `undefined` where the answer is not of its form. */
  readonly message: string | undefined;
  /** In OpenAI's own form; any other is of something on the way, which may have let the request through. */
  readonly isOwn: boolean;
  readonly retryAfter: string | undefined;
}

/** A request, in words. */
export interface Asking {
  readonly place: string;
  /** "making a key". */
  readonly doing: string;
  readonly now: Date;
}

export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof APIError) || typeof error.status !== 'number') return undefined;
  const { code, status, headers, type } = error;
  const body: unknown = error.error;
  const said = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  const message = typeof said === 'string' ? said : undefined;
  return {
    status,
    code: typeof code === 'string' && /^[a-z][a-z0-9_]{0,63}$/.test(code) ? code : undefined,
    type: typeof type === 'string' ? type : undefined,
    message,
    isOwn: message !== undefined && typeof type === 'string',
    retryAfter: headers?.get('retry-after') ?? undefined,
  };
}

/**
 * What is the matter with the credential of a request: `refused`, `scope` (it is known, but may not do this), `place`
 * (not from this network, or this country), `mismatch` (the request names another organization or project: a proxy's
 * header, not the key). `undefined`: nothing that is told by its status.
 *
 * A missing scope is told with 401 or 403, mostly, but not always, with a code of its own.
 */
export function verdictOf({
  status,
  code,
  type,
  message = '',
}: Refusal): 'refused' | 'scope' | 'place' | 'mismatch' | undefined {
  if (status !== 401 && status !== 403) return undefined;
  if (code === 'mismatched_organization' || code === 'mismatched_project') return 'mismatch';
  if (
    code === 'missing_scope' ||
    type === 'insufficient_permissions' ||
    /\bmissing scopes\b|\binsufficient permissions\b/i.test(message)
  )
    return 'scope';
  if (code === 'unsupported_country_region_territory' || /\bIP\b.*\b(?:authorized|allowlist)\b/i.test(message))
    return 'place';
  // A proxy's 401 says nothing about the key, and any other 403 not whether it is known.
  return status === 403 || (message === '' && code === undefined) ? undefined : 'refused';
}

/** Out of credit: the key is known, and not the reason. */
export function isUnpaid({ status, code = '' }: Refusal): boolean {
  return status === 429 && /^(?:insufficient_quota|credit_balance_exhausted|billing_\w+)$/.test(code);
}

/**
 * What an answer that the caller knows nothing better about means. Neither OpenAI's text nor the SDK's error is kept: they
 * repeat parts of keys, and the parser's error repeats the answer.
 */
export function openaiFault(error: unknown, asking: Asking): RekeyError {
  const { place, doing } = asking;
  if (error instanceof RekeyError) return error;
  const refusal = refusalOf(error);
  if (refusal !== undefined) return faultOf(refusal, asking);
  if (error instanceof APIConnectionTimeoutError || error instanceof APIUserAbortError) {
    return new TransientFailure(`${place} did not answer in time while ${doing}.`);
  }
  if (error instanceof SyntaxError)
    return new TransientFailure(`${place} answered what cannot be read while ${doing}.`);
  return connectionFault(error, place, doing);
}

function faultOf(refusal: Refusal, { place, doing, now }: Asking): RekeyError {
  const { status, code } = refusal;
  const told = `HTTP ${status}${code === undefined ? '' : `, ${code}`}`;
  if (status === 429) {
    const text = `${place} asked to slow down while ${doing} (${told})`;
    const retryAfterSeconds = secondsOf(refusal.retryAfter, now);
    if (retryAfterSeconds === undefined) return new Throttled(`${text}.`);
    const options = { retryAfterSeconds, madeNothing: refusal.isOwn };
    return new RateLimited(`${text}: it answers again in ${retryAfterSeconds} s.`, options);
  }
  if (status >= 500 || status === 408 || status === 409)
    return new TransientFailure(`${place} answered ${told} while ${doing}.`);
  const options = { madeNothing: refusal.isOwn };
  const verdict = verdictOf(refusal);
  if (verdict === 'place') {
    return new Misconfigured(
      `${place} takes no requests from this network (${told}): see its IP allowlist and supported countries.`,
      options,
    );
  }
  if (verdict === 'mismatch') {
    return new Misconfigured(
      `${place} says that the request names another organization or project than the key's (${told}): see what adds headers on the way there.`,
      options,
    );
  }
  if (status === 403 && verdict === undefined) {
    return new TransientFailure(
      `${place} answered ${told} while ${doing}, and not what OpenAI says of a key: see what is on the way there.`,
    );
  }
  return new InternalFault(`${place} answered ${told} while ${doing}.`);
}
