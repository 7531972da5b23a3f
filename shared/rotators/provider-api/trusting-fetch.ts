import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { bareError } from '../bare-error.ts';
import { trust } from '../trust.ts';
import { REDIRECTED } from './connection-faults.ts';
import { MOST_BYTES } from './limited-fetch.ts';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Statuses whose `Response` must have none: https://fetch.spec.whatwg.org/#null-body-status */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * `fetch` that trusts `authority` (PEM) besides Node's own, which the built-in one can be told for the whole process only.
 * A connection for each request, TLS verified, no redirect followed, nothing decompressed; an answer is read whole (at most
 * 8 MiB) before it is handed out.
 *
 * Throws what the built-in one does; of what broke the connection, only Node's code is kept.
 */
export function trustingFetch(authority: string): typeof fetch {
  return async (input, init) => {
    const asked = new Request(input, init);
    const body = Buffer.from(await asked.arrayBuffer());
    try {
      return await exchange(asked, body, authority);
    } catch (error) {
      asked.signal.throwIfAborted();
      throw failure(error);
    }
  };
}

async function exchange({ url, method, headers, signal }: Request, body: Buffer, authority: string): Promise<Response> {
  const message = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = {
      method,
      headers: {
        'user-agent': 'rekey',
        ...Object.fromEntries(headers),
        'accept-encoding': 'identity',
        ...(body.length === 0 ? {} : { 'content-length': body.length }),
      },
      agent: false as const,
      signal,
      ...trust(authority),
    };
    const request = (url.startsWith('https:') ? requestSecure : requestPlain)(url, options, resolve);
    request.on('error', reject);
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error('upgrade'));
    });
    // A request that the API has changed over to another protocol hears of no signal.
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    request.end(body);
  });
  const { statusCode: status = 0, rawHeaders } = message;
  if (REDIRECTS.has(status)) {
    message.destroy();
    throw new Error(REDIRECTED);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error('too large'); // Which destroys the connection.
    chunks.push(chunk);
  }
  return new Response(WITHOUT_BODY.has(status) ? null : Buffer.concat(chunks), {
    status,
    headers: headersOf(rawHeaders),
  });
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers();
  for (let index = 0; index < raw.length; index += 2) headers.append(raw[index] ?? '', raw[index + 1] ?? '');
  return headers;
}

/** As the built-in one has it. */
function failure(error: unknown): TypeError {
  const isRedirect = error instanceof Error && error.message === REDIRECTED;
  return new TypeError('fetch failed', { cause: isRedirect ? new Error(REDIRECTED) : bareError(error) });
}
