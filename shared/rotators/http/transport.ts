import { request as requestPlain, type IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Socket } from 'node:net';
import { TargetUnreachable, TransientFailure } from '../../errors.ts';
import { bareError } from '../bare-error.ts';
import { certificateFault, trust } from '../trust.ts';
import type { RenderedRequest } from './render.ts';

const CONNECT_MILLISECONDS = 5_000;
const ANSWER_MILLISECONDS = 15_000;
const MOST_BYTES = 1024 * 1024;
const JSON_TYPE = /^(?:application|text)\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

export interface Limits {
  readonly connectMilliseconds: number;
  /** From the beginning of a request to the end of its answer. */
  readonly answerMilliseconds: number;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The body, where it is JSON (or says nothing of what it is); else why it is of no use. */
  readonly body: { readonly text: string } | { readonly unusable: string };
}

export interface Origin {
  readonly baseUrl: string;
  /** PEM, trusted besides the system's. */
  readonly certificateAuthority: string | undefined;
}

/**
 * One request on a connection of its own: TLS verified, no redirect followed, nothing decompressed, time and size
 * bounded. Throws `TargetUnreachable` when no connection came about, `TransientFailure` when the answer was lost: what
 * was asked for may have happened.
 */
export async function send(
  { baseUrl, certificateAuthority }: Origin,
  { name, method, path, headers, body }: RenderedRequest,
  limits: Partial<Limits> = {},
): Promise<Answer> {
  const { connectMilliseconds = CONNECT_MILLISECONDS, answerMilliseconds = ANSWER_MILLISECONDS } = limits;
  const { protocol, hostname, host, port, pathname } = new URL(baseUrl);
  const isSecure = protocol === 'https:';
  const payload = body === undefined ? undefined : Buffer.from(body);
  const options = {
    // An IPv6 address has brackets in a URL only.
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port === '' ? (isSecure ? 443 : 80) : Number(port),
    method,
    path: `${pathname.replace(/\/+$/, '')}${path}`,
    headers: {
      accept: 'application/json',
      'user-agent': 'rekey',
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...folded(headers),
      'accept-encoding': 'identity',
      ...(payload === undefined ? {} : { 'content-length': payload.length }),
    },
    agent: false as const,
    ...trust(certificateAuthority),
  };

  let isConnected = false;
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const request = (isSecure ? requestSecure : requestPlain)(options, (message) => {
        read(message).then(resolve, reject);
      });
      // Not a signal: once the API has changed over to another protocol, the request hears of none.
      timer = setTimeout(() => {
        reject(new AnswerTimeout());
        request.destroy();
      }, answerMilliseconds);
      request.on('error', reject);
      request.on('upgrade', (_, socket) => {
        socket.destroy();
        reject(new Error('upgrade'));
      });
      request.on('socket', (socket: Socket) => {
        const connecting = setTimeout(() => socket.destroy(new ConnectTimeout()), connectMilliseconds);
        socket.once('close', () => clearTimeout(connecting));
        socket.once(isSecure ? 'secureConnect' : 'connect', () => {
          clearTimeout(connecting);
          isConnected = true;
        });
      });
      request.end(payload);
    });
  } catch (error) {
    const code = codeOf(error);
    const cause = bareError(error);
    if (isConnected) throw new TransientFailure(`The answer of ${host} to http.${name} was lost (${code}).`, { cause });
    const untrusted = certificateFault(host, code, 'http');
    throw new TargetUnreachable(untrusted ?? `${host} cannot be reached (${code}).`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

class AnswerTimeout extends Error {
  override readonly name = 'TimeoutError';
}

class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT';
}

/** The whole body, or as much of it as may be: the rest is not waited for. */
async function read(message: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) break; // Which destroys the connection.
    chunks.push(chunk);
  }
  return {
    status: message.statusCode ?? 0,
    retryAfter: message.headers['retry-after'],
    body: usable(message, Buffer.concat(chunks), bytes),
  };
}

function usable({ headers }: IncomingMessage, body: Buffer, bytes: number): Answer['body'] {
  if (bytes > MOST_BYTES) return { unusable: 'is larger than 1 MiB' };
  if (!['', 'identity'].includes(headers['content-encoding'] ?? '')) return { unusable: 'is compressed, unasked' };
  if (headers['content-type'] !== undefined && !JSON_TYPE.test(headers['content-type']))
    return { unusable: 'is not JSON' };
  return { text: body.toString() };
}

/** One spelling for each name, so that a declared header takes the place of ours. */
function folded(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text]));
}

/** Node's own code. Messages may quote what was sent or received: they are not used. */
function codeOf(error: unknown): string {
  if (error instanceof AnswerTimeout) return 'time limit';
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'connection ended';
}
