import {
  AdminRefused,
  Misconfigured,
  RateLimited,
  type RekeyError,
  Throttled,
  TransientFailure,
} from '../../errors.ts';
import { retryAfterSeconds as secondsOf } from '../provider-api/retry-after.ts';
import type { RenderedRequest } from './render.ts';
import type { Answer } from './transport.ts';

/** Statuses by which an API says that it does not let this credential in. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/**
 * What a status that is none of the expected ones means, whoever asked. `asAdmin`: with the administrator's secret.
 * `madeNothing: false`: what was asked for may have been done all the same, as no status of an unknown API is surely its own.
 */
export function answerFault(
  { name, expect }: RenderedRequest,
  { status, retryAfter }: Answer,
  { asAdmin, now, ...options }: { readonly asAdmin: boolean; readonly now: Date; readonly madeNothing?: false },
): RekeyError {
  if (isRefusal(status) && asAdmin) {
    const text = `The API refused the administrator's credential for http.${name} (status ${status}).`;
    return new AdminRefused(text, options);
  }
  const retryAfterSeconds = secondsOf(retryAfter, now);
  // What was asked of create may have been done before a gateway said 503: that is an attempt, which RateLimited is not.
  if (retryAfterSeconds !== undefined && (status === 429 || (status === 503 && name !== 'create'))) {
    const text = `The API asks to slow down at http.${name} (status ${status}): it answers again in ${retryAfterSeconds} s.`;
    return new RateLimited(text, { retryAfterSeconds, ...options });
  }
  if (status === 429) return new Throttled(`The API asks to slow down at http.${name}.`, options);
  if (status >= 500 || status === 408) {
    return new TransientFailure(`The API failed at http.${name} (status ${status}).`);
  }
  if (status >= 300 && status < 400) {
    return new Misconfigured(
      `http.${name} is answered with a redirect (status ${status}), which Rekey does not follow.`,
    );
  }
  return new Misconfigured(`http.${name} is answered with status ${status}; it expects ${expect.join(', ')}.`, options);
}
