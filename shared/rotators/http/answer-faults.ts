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

/** What a status that is none of the expected ones means, whoever asked. `asAdmin`: with the administrator's secret. */
export function answerFault(
  { name, expect }: RenderedRequest,
  { status, retryAfter }: Answer,
  { asAdmin, now }: { readonly asAdmin: boolean; readonly now: Date },
): RekeyError {
  if (isRefusal(status) && asAdmin) {
    return new AdminRefused(`The API refused the administrator's credential for http.${name} (status ${status}).`);
  }
  const retryAfterSeconds = secondsOf(retryAfter, now);
  // What was asked of create may have been done before a gateway said 503: that is an attempt, which RateLimited is not.
  if (retryAfterSeconds !== undefined && (status === 429 || (status === 503 && name !== 'create'))) {
    const text = `The API asks to slow down at http.${name} (status ${status}): it answers again in ${retryAfterSeconds} s.`;
    return new RateLimited(text, { retryAfterSeconds });
  }
  if (status === 429) return new Throttled(`The API asks to slow down at http.${name}.`);
  if (status >= 500 || status === 408) {
    return new TransientFailure(`The API failed at http.${name} (status ${status}).`);
  }
  if (status >= 300 && status < 400) {
    return new Misconfigured(
      `http.${name} is answered with a redirect (status ${status}), which Rekey does not follow.`,
    );
  }
  return new Misconfigured(`http.${name} is answered with status ${status}; it expects ${expect.join(', ')}.`);
}
