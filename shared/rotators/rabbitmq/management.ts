import * as z from 'zod/mini';
import {
  AdminRefused,
  Misconfigured,
  RefusedByPolicy,
  type RekeyError,
  Throttled,
  TransientFailure,
} from '../../errors.ts';
import type { ManagementLogin } from './administrator.ts';
import { type HttpAnswer, HttpExchange } from './http-exchange.ts';
import { placeOf, type Transport } from './transport.ts';

const refusal = z.object({ error: z.string(), reason: z.string() });
/** https://github.com/rabbitmq/rabbitmq-server/blob/main/deps/rabbitmq_web_dispatch/src/rabbit_web_dispatch_access_control.erl */
const NOT_AN_ADMINISTRATOR: ReadonlySet<string> = new Set([
  'Not administrator user',
  'Not management user',
  'User not authorised to access object',
]);
const ONLY_FROM_THE_SAME_MACHINE = 'User can only log in via localhost';
const GONE = 'vhost_or_user_not_found';

/** The management API of one broker, as its administrator. */
export class Management {
  readonly #login: ManagementLogin;
  readonly #exchange: HttpExchange;

  constructor(login: ManagementLogin, transport: Transport) {
    this.#login = login;
    this.#exchange = new HttpExchange(login, transport);
  }

  get isEncrypted(): boolean {
    return this.#exchange.isEncrypted;
  }

  /** What is at `path`, or `undefined` where nothing is. `path`: the parts after `/api`, as they are. */
  async read<Schema extends z.ZodMiniType>(
    doing: string,
    path: readonly string[],
    schema: Schema,
  ): Promise<z.output<Schema> | undefined> {
    const answer = await this.#send('GET', path, doing);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw this.#fault(answer, doing);
    const parsed = schema.safeParse(jsonOf(answer.body));
    if (parsed.success) return parsed.data;
    throw new Misconfigured(`${this.#place} does not answer as RabbitMQ's management API does, while ${doing}.`);
  }

  async write(doing: string, path: readonly string[], body: unknown): Promise<void> {
    const answer = await this.#send('PUT', path, doing, JSON.stringify(body));
    if (!isDone(answer)) throw this.#fault(answer, doing);
  }

  /** Nothing there is fine. */
  async remove(doing: string, path: readonly string[]): Promise<void> {
    const answer = await this.#send('DELETE', path, doing);
    if (!isDone(answer) && answer.status !== 404) throw this.#fault(answer, doing);
  }

  end(): void {
    this.#exchange.end();
  }

  get #place(): string {
    return placeOf(this.#login);
  }

  #send(method: 'GET' | 'PUT' | 'DELETE', path: readonly string[], doing: string, body?: string): Promise<HttpAnswer> {
    const { username, password } = this.#login;
    const credential = Buffer.from(`${username}:${password.reveal()}`).toString('base64');
    const headers = {
      authorization: `Basic ${credential}`,
      // Some resources offer their answer to a DELETE, which has none, only as HTML.
      accept: '*/*',
      // What a consumer whose connection is closed is told.
      'x-reason': 'retired by Rekey',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    };
    const request = { method, path: `/api/${path.map(segment).join('/')}`, headers };
    return this.#exchange.send(body === undefined ? request : { ...request, body }, doing);
  }

  #fault(answer: HttpAnswer, doing: string): RekeyError {
    const { status } = answer;
    const reason = reasonOf(answer);
    if (status === 401 || status === 403) return this.#refusal(reason, status);
    if (status === 429) return new Throttled(`The management API asked to slow down, while ${doing}.`);
    if (status === 408 || status >= 500 || (status === 400 && reason?.reason === GONE)) {
      return new TransientFailure(`The management API answered HTTP ${status} while ${doing}.`);
    }
    if (status === 400) return new RefusedByPolicy(`The broker refuses it (HTTP 400): ${doing}.`);
    return new Misconfigured(
      `${this.#place} answered HTTP ${status} while ${doing}: the management API of RabbitMQ 3.10.7 or later is needed there.`,
    );
  }

  #refusal(reason: z.output<typeof refusal> | undefined, status: number): RekeyError {
    const name = JSON.stringify(this.#login.username);
    if (reason?.reason === ONLY_FROM_THE_SAME_MACHINE) {
      return new Misconfigured(
        `The broker lets the administrator (${name}) in only from its own machine (loopback_users): use another user.`,
      );
    }
    if (reason !== undefined && NOT_AN_ADMINISTRATOR.has(reason.reason)) {
      return new Misconfigured(`The administrator (${name}) needs the tag "administrator".`);
    }
    if (status === 403 || reason?.error === 'not_authorised') {
      return new Misconfigured(
        `The management API does not let the administrator (${name}) in by name and password (basic authentication).`,
      );
    }
    return new AdminRefused("The broker refused the administrator's credential.");
  }
}

/**
 * Throws `Misconfigured` for the two names that no path can hold: the broker undoes percent-encoding before it resolves
 * `..`, so that no encoding makes them mean themselves.
 */
export function assertAddressable(name: string): void {
  if (name === '.' || name === '..') {
    throw new Misconfigured(`The management API cannot address what is named "${name}".`);
  }
}

function segment(name: string): string {
  assertAddressable(name);
  return encodeURIComponent(name);
}

function isDone({ status }: HttpAnswer): boolean {
  return status === 200 || status === 201 || status === 204;
}

function reasonOf({ body }: HttpAnswer): z.output<typeof refusal> | undefined {
  const parsed = refusal.safeParse(jsonOf(body));
  return parsed.success ? parsed.data : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Another kind of page.
    return undefined;
  }
}
