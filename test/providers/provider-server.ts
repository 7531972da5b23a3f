import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../shared/clock.ts';

/** With TLS: certificate and its key, PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** A request that has arrived whole. */
export interface Asked {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** `undefined`: there was none. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What goes wrong with one request whose method and path match. */
export interface Mishap {
  readonly method?: string;
  readonly path?: RegExp;
  readonly does:
    | { readonly kind: 'answers'; readonly answer: Answer }
    /** Does everything, and something on the way back answers in its place. */
    | { readonly kind: 'hides its answer'; readonly answer: Answer }
    /** Says nothing, ever; or sends the head of an answer and no more. */
    | { readonly kind: 'hangs' }
    | { readonly kind: 'hangs after its head' }
    /** Ends the connection: without doing anything, or after having done everything. */
    | { readonly kind: 'breaks before' }
    | { readonly kind: 'breaks after' }
    /** Does everything, and answers half of it, as if it were JSON. */
    | { readonly kind: 'garbles' };
}

/**
 * An HTTP API on 127.0.0.1 that keeps state, and with which things can go wrong. Its time is the clock's, in its answers'
 * `Date` too.
 */
export abstract class ProviderServer {
  /** Moved to by whoever moves time. */
  clock: Clock;
  /** Every request, oldest first, without its headers. */
  readonly log: string[] = [];
  /** Of every request, in small letters. */
  readonly headerNames = new Set<string>();
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';
  readonly #mishaps: Mishap[] = [];

  protected constructor(clock: Clock, tls?: TlsIdentity) {
    this.clock = clock;
    this.#scheme = tls === undefined ? 'http' : 'https';
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    };
    this.#server = tls === undefined ? createServer(serve) : createSecureServer({ ...tls }, serve);
  }

  protected abstract answer(asked: Asked): Answer;

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** The next request that fits suffers this; mishaps are used up in the order in which they were planned. */
  plan(mishap: Mishap, times = 1): void {
    for (let time = 0; time < times; time += 1) this.#mishaps.push(mishap);
  }

  /** Mishaps that nothing has met yet: a test whose fault never came has tested nothing. */
  get pending(): number {
    return this.#mishaps.length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await read(request);
    this.log.push(`${asked.method} ${asked.path}`);
    for (const name of Object.keys(asked.headers)) this.headerNames.add(name);
    const does = this.#mishap(asked);
    if (does?.kind === 'hangs') return;
    if (does?.kind === 'breaks before') return void request.socket.destroy();
    const own = does?.kind === 'answers' ? does.answer : this.answer(asked);
    if (does?.kind === 'breaks after') return void request.socket.destroy();
    const { status, body, headers = {} } = does?.kind === 'hides its answer' ? does.answer : own;
    response.writeHead(status, {
      date: this.clock.now().toUTCString(),
      ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
      ...headers,
    });
    if (does?.kind === 'hangs after its head') return response.flushHeaders();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.end(does?.kind === 'garbles' ? garbled(text) : text);
  }

  #mishap({ method, path }: Asked): Mishap['does'] | undefined {
    const index = this.#mishaps.findIndex(
      (mishap) => (mishap.method ?? method) === method && (mishap.path?.test(path) ?? true),
    );
    return index === -1 ? undefined : this.#mishaps.splice(index, 1)[0]?.does;
  }
}

/** No JSON any more: broken right at the secret, where there is one, because parsers quote the place; else cut short. */
function garbled(text: string): string {
  const broken = text.replace(/"(?:value|token)":/, '$&!');
  return broken === text ? text.slice(0, -2) : broken;
}

/** What follows `Bearer` or, as GitHub takes it too, `token`. */
export function bearerOf({ headers }: Asked): string | undefined {
  return /^(?:bearer|token) (\S+)$/i.exec(headers.authorization ?? '')?.[1];
}

async function read(request: IncomingMessage): Promise<Asked> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(request.url ?? '/', 'http://localhost');
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}
