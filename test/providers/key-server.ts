import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Key {
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

export interface Received {
  readonly method: string;
  /** As it came over the wire. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** What happens to one request in place of an answer, or after its work is done. */
export type Interference =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The work is done, and the connection ends before the answer. */
  | 'answer lost'
  /** The connection ends before the work. */
  | 'request lost'
  /** The work is done, and nothing comes back until the server stops. */
  | 'silence'
  /** The work is done, and half an answer comes back. */
  | 'half an answer';

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

/**
 * An API that issues keys, by account, on a free port of 127.0.0.1: values are told once, when they are made; the
 * administrator lists and revokes; a key opens `/v1/whoami`, and ends itself there (DELETE). Revoked keys are gone (404, 401).
 */
export class KeyServer {
  readonly admin = `admin-${randomBytes(12).toString('hex')}`;
  readonly received: Received[] = [];
  /** Asked before each request is worked on. */
  interfere: (request: Received) => Interference | undefined = () => undefined;
  /** Whether keys are listed; whether revoked ones go on working. */
  isListing = true;
  isForgetful = false;
  /** What the next keys have for a value and an id, and when they end. */
  makeValue: () => string = () => `key_${randomBytes(18).toString('base64url')}`;
  makeId: () => string | number = () => `id_${randomBytes(6).toString('hex')}`;
  expiresAt: unknown = undefined;
  readonly #accounts = new Map<string, Key[]>();
  readonly #server: ReturnType<typeof createServer>;
  readonly #isSecure: boolean;

  private constructor(tls: { readonly key: string; readonly cert: string } | undefined) {
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    const limits = { maxHeaderSize: 256 * 1024 };
    this.#isSecure = tls !== undefined;
    this.#server = tls === undefined ? createServer(limits, handle) : createSecureServer({ ...limits, ...tls }, handle);
  }

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<KeyServer> {
    const server = new KeyServer(tls);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `${this.#isSecure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  keys(account: string): readonly Key[] {
    return this.#accounts.get(account) ?? [];
  }

  make(account: string, name: string): Key {
    const key = { id: String(this.makeId()), name, value: this.makeValue() };
    this.#accounts.set(account, [...this.keys(account), key]);
    return key;
  }

  revoke(account: string, isIt: (key: Key) => boolean): boolean {
    const kept = this.keys(account).filter((key) => !isIt(key));
    const isFound = kept.length < this.keys(account).length;
    if (!this.isForgetful) this.#accounts.set(account, kept);
    return isFound;
  }

  opens(value: string): boolean {
    return [...this.#accounts.values()].flat().some((key) => key.value === value);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { method = '', url = '', headers, rawHeaders } = request;
    const received = { method, path: url, headers, rawHeaders, body: Buffer.concat(chunks).toString() };
    this.received.push(received);
    const interference = this.interfere(received);
    if (interference === 'request lost') return void request.socket.destroy();
    if (typeof interference === 'object') {
      response.writeHead(interference.status, { 'content-type': 'application/json', ...interference.headers });
      return void response.end(interference.body);
    }
    const { status, body } = this.#answer(received);
    if (interference === 'answer lost') return void request.socket.destroy();
    if (interference === 'silence') return;
    const text = body === undefined ? undefined : JSON.stringify(body);
    response.writeHead(status, text === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' });
    if (interference === 'half an answer') {
      response.write(text?.slice(0, text.length / 2) ?? '', () => request.socket.destroy());
      return;
    }
    response.end(text);
  }

  #answer({ method, path, headers, body }: Received): Answer {
    const [, version, place, account = '', kind, last] = (path.split('?')[0] ?? '').split('/').map(decodeURIComponent);
    const token = /^Bearer (.+)$/.exec(headers.authorization as string)?.[1] ?? '';
    if (version !== 'v1') return { status: 404 };
    if (place === 'whoami') {
      if (!this.opens(token)) return { status: 401, body: {} };
      if (method !== 'DELETE') return { status: 200, body: {} };
      for (const each of this.#accounts.keys()) this.revoke(each, ({ value }) => value === token);
      return { status: 204 };
    }
    if (token !== this.admin) return { status: 401, body: { error: `"${token}" is not the administrator` } };
    if (place !== 'accounts') return { status: 404 };
    if (kind === 'revocations' && method === 'POST') {
      const { token: value } = JSON.parse(body) as { token: string };
      this.revoke(account, (key) => key.value === value);
      return { status: 200 };
    }
    if (kind !== 'keys') return { status: 404 };
    if (method === 'POST') {
      const key = this.make(account, (JSON.parse(body) as { name: string }).name);
      const expires = this.expiresAt === undefined ? {} : { expires_at: this.expiresAt };
      return { status: 201, body: { data: { id: key.id, name: key.name, secret: key.value, ...expires } } };
    }
    if (method === 'GET' && this.isListing) {
      return { status: 200, body: { data: this.keys(account).map(({ id, name }) => ({ id, name })) } };
    }
    if (method === 'DELETE') return { status: this.revoke(account, ({ id }) => id === last) ? 204 : 404 };
    return { status: 405 };
  }
}
