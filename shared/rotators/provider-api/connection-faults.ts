import { Misconfigured, RekeyError, TargetUnreachable, TransientFailure } from '../../errors.ts';
import { bareError } from '../bare-error.ts';
import { certificateFault } from '../trust.ts';

const NOT_REACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const NO_TLS = /^(?:EPROTO|ERR_SSL_|ERR_TLS_)/;
/** undici's words, from a fixed list. */
export const REDIRECTED = 'unexpected redirect';
const MOST_CAUSES = 8;

/**
 * What went wrong while `doing` something ("making a token") at `place`, where no answer arrived whole:
 * `TargetUnreachable` where nothing can have been done, `TransientFailure` where it may have been.
 */
export function connectionFault(error: unknown, place: string, doing: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const errors = [...chain(error)];
  // The innermost has Node's own code; what wraps it may hold the request.
  const options = { cause: bareError(errors.at(-1)) };
  if (errors.some(({ name }) => name === 'TimeoutError' || name === 'AbortError')) {
    return new TransientFailure(`${place} did not answer in time while ${doing}.`, options);
  }
  if (errors.some(({ message }) => message === REDIRECTED)) {
    // By whatever is on the way, perhaps after the provider has done its work.
    return new Misconfigured(`${place} redirects: base_url must be the address of the API itself.`, {
      ...options,
      madeNothing: false,
    });
  }
  const code = errors.map(codeOf).find((found) => found !== undefined) ?? 'connection ended';
  const untrusted = certificateFault(place, code, 'provider');
  if (untrusted !== undefined) return new TargetUnreachable(untrusted, options);
  if (NOT_REACHED.has(code) || NO_TLS.test(code))
    return new TargetUnreachable(`${place} cannot be reached (${code}).`, options);
  return new TransientFailure(`The connection to ${place} was lost while ${doing} (${code}).`, options);
}

function* chain(error: unknown): Generator<Error> {
  let found = error;
  for (let depth = 0; depth < MOST_CAUSES && found instanceof Error; depth += 1) {
    yield found;
    // A host with several addresses: an error for each.
    found = found instanceof AggregateError ? found.errors[0] : found.cause;
  }
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(error.code)
    ? error.code
    : undefined;
}
