import { AdminRefused, Misconfigured, type RekeyError, Throttled, TransientFailure } from '../../errors.ts';
import type { RenderedRequest } from './render.ts';
import type { Answer } from './transport.ts';

const MOST_SECONDS = 86_400;

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
  if (status === 429) return new Throttled(`The API asks to slow down at http.${name}${wait(retryAfter, now)}.`);
  if (status >= 500 || status === 408) {
    return new TransientFailure(`The API failed at http.${name} (status ${status})${wait(retryAfter, now)}.`);
  }
  if (status >= 300 && status < 400) {
    return new Misconfigured(
      `http.${name} is answered with a redirect (status ${status}), which Rekey does not follow.`,
    );
  }
  return new Misconfigured(`http.${name} is answered with status ${status}; it expects ${expect.join(', ')}.`);
}

/** RFC 9110: seconds, or a date. Nothing else of what the server wrote is repeated. */
function wait(retryAfter: string | undefined, now: Date): string {
  if (retryAfter === undefined) return '';
  const seconds = /^\d{1,9}$/.test(retryAfter)
    ? Number(retryAfter)
    : Math.ceil((Date.parse(retryAfter) - now.getTime()) / 1000);
  if (Number.isNaN(seconds) || seconds < 0) return '';
  return `; again in ${Math.min(seconds, MOST_SECONDS)} s`;
}
