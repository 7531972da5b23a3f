import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { TransientFailure } from '../../errors.ts';
import { trust } from '../trust.ts';
import { connectFailure, connectionLost } from './connection-faults.ts';
import type { Endpoint } from './credential-json.ts';
import { placeOf, type Transport } from './transport.ts';

/** In milliseconds; a broker with thousands of connections takes its time for a list of them. */
const TIME_LIMITS = { connect: 5_000, answer: 20_000 };
const ANSWER_BYTES = 16 * 1024 * 1024;

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Percent-encoded already. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Requests to one server, on connections that are used again. `end` them. Redirects are not followed. */
export class HttpExchange {
  readonly #endpoint: Endpoint;
  readonly #transport: Transport;
  readonly #limits: typeof TIME_LIMITS;
  readonly #plain = new HttpAgent({ keepAlive: true });
  readonly #encrypted: HttpsAgent;
  #isEncrypted = false;

  constructor(endpoint: Endpoint, transport: Transport, limits = TIME_LIMITS) {
    this.#endpoint = endpoint;
    this.#transport = transport;
    this.#limits = limits;
    this.#encrypted = new HttpsAgent({ keepAlive: true, ...trust(endpoint.certificateAuthority) });
  }

  /** Whether the last answer came by TLS. */
  get isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  /** Answers whatever the status. Throws `TargetUnreachable`, or `TransientFailure` once something may have been done. */
  async send(request: HttpRequest, doing: string): Promise<HttpAnswer> {
    const place = placeOf(this.#endpoint);
    try {
      return await this.#transport.open(this.#endpoint, async (isEncrypted) => {
        const answer = await this.#exchange(request, isEncrypted, doing);
        this.#isEncrypted = isEncrypted;
        return answer;
      });
    } catch (error) {
      throw connectFailure(error, place);
    }
  }

  end(): void {
    this.#plain.destroy();
    this.#encrypted.destroy();
  }

  #exchange({ body, ...options }: HttpRequest, isEncrypted: boolean, doing: string): Promise<HttpAnswer> {
    const { host, port } = this.#endpoint;
    const signal = AbortSignal.timeout(this.#limits.answer);
    return new Promise((resolve, reject) => {
      let isConnected = false;
      const fail = (error: unknown) => reject(isConnected ? connectionLost(error, doing) : (error as Error));
      const answered = (message: IncomingMessage) => void readBody(message, doing).then(resolve, fail);
      const common = { ...options, host, port, signal };
      const request = isEncrypted
        ? httpsRequest({ ...common, agent: this.#encrypted }, answered)
        : httpRequest({ ...common, agent: this.#plain }, answered);
      const timer = setTimeout(
        () => request.destroy(new DOMException('connecting', 'TimeoutError')),
        this.#limits.connect,
      );
      const connected = () => {
        isConnected = true;
        clearTimeout(timer);
      };
      request.on('socket', (socket) => {
        if (request.reusedSocket) connected();
        else socket.once(isEncrypted ? 'secureConnect' : 'connect', connected);
      });
      request.on('error', (error) => {
        clearTimeout(timer);
        fail(error);
      });
      request.end(body);
    });
  }
}

async function readBody(message: IncomingMessage, doing: string): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES) throw new TransientFailure(`The answer is longer than can be read, while ${doing}.`);
    chunks.push(chunk);
  }
  return { status: message.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}
