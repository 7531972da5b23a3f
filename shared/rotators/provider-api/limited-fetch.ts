/** Until an answer must have arrived whole; a phase has 60 s for all its requests. */
export const ANSWER_MILLISECONDS = 10_000;

/**
 * `fetch` that follows no redirect (a credential goes to the declared address only) and gives up after `milliseconds`,
 * the answer's body included: the SDKs' own limits end with its headers.
 */
export function limitedFetch(milliseconds: number = ANSWER_MILLISECONDS, inner: typeof fetch = fetch): typeof fetch {
  return (input, init) => {
    const limit = AbortSignal.timeout(milliseconds);
    const signal = init?.signal == null ? limit : AbortSignal.any([init.signal, limit]);
    return inner(input, { ...init, redirect: 'error', signal });
  };
}
