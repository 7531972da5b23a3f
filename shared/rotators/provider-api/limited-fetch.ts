/** Until an answer must have arrived whole; a phase has 60 s for all its requests. */
export const ANSWER_MILLISECONDS = 10_000;
/** Of an answer's body, decompressed. */
export const MOST_BYTES = 8 * 1024 * 1024;

/**
 * `fetch` that follows no redirect (a credential goes to the declared address only) and gives up after `milliseconds`,
 * the answer's body included: the SDKs' own limits end with its headers. An answer is read whole (at most 8 MiB) before it
 * is handed out, because SDKs take half a body for one. Throws what the built-in one does.
 */
export function limitedFetch(milliseconds: number = ANSWER_MILLISECONDS, inner: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const limit = AbortSignal.timeout(milliseconds);
    const signal = init?.signal == null ? limit : AbortSignal.any([init.signal, limit]);
    return whole(await inner(input, { ...init, redirect: 'error', signal }));
  };
}

async function whole(answer: Response): Promise<Response> {
  const { body, status, statusText, headers } = answer;
  if (body === null) return answer;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    // Which cancels the body, and so ends the connection.
    if (bytes > MOST_BYTES) throw new TypeError('fetch failed', { cause: new Error('too large') });
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status, statusText, headers });
}
