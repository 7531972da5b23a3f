import { createClient } from '@redis/client';
import { TargetUnreachable } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { trust } from '../trust.ts';
import { speaksPlain } from './plain-server.ts';
import { commandFailure, connectFailure, isNotAllowed, isRefusedLogin } from './redis-errors.ts';

/** A server that stops answering must not hold a Lambda to its end. */
const LIMITS = { connectMilliseconds: 5_000, answerMilliseconds: 10_000, pingMilliseconds: 2_000 } as const;

/** One server, whoever logs in. */
export interface Node {
  readonly host: string;
  readonly port: number;
  readonly tls: 'prefer' | 'require' | 'disable';
  readonly certificateAuthority?: string;
}

export interface Login extends Node {
  readonly username: string;
  readonly password: SecretText;
}

/** How one login ended; for counting. */
export type LoginOutcome = 'accepted' | 'refused' | 'failed';

/** An open connection that has logged in. `end` it. Arguments go as binary-safe strings: no name can be read as a rule. */
export interface Session {
  readonly place: string;
  readonly isEncrypted: boolean;
  /** The reply; what goes wrong while `doing` something ("reading a user") is translated. */
  command(doing: string, words: readonly string[]): Promise<unknown>;
  /** The same for what the server may not have or not allow: the answer is the reply, or that. */
  attempt(doing: string, words: readonly string[]): Promise<Attempt>;
  /** The reply; what goes wrong is thrown as the driver has it. */
  raw(words: readonly string[]): Promise<unknown>;
  end(): void;
}

export type Attempt = { readonly allowed: true; readonly reply: unknown } | { readonly allowed: false };

/** The server does not let this credential in. */
export interface Refusal {
  readonly refused: true;
  readonly cause: unknown;
}

/** Opens connections: TLS verified, time-limited, counted by `onConnect`. None outlives the call that it was opened for. */
export class Connector {
  readonly #onConnect: (outcome: LoginOutcome) => void;
  readonly #limits: Readonly<Limits>;
  /** Whether a server speaks without TLS, by its place, where it has been heard to, or to speak with it. */
  readonly #plain = new Map<string, boolean>();

  constructor(onConnect: (outcome: LoginOutcome) => void = () => undefined, limits: Readonly<Limits> = LIMITS) {
    this.#onConnect = onConnect;
    this.#limits = limits;
  }

  /**
   * One login. With `prefer`, a server that answers without TLS is used without; a certificate that does not verify is
   * an error, never a reason to go on. Throws `TargetUnreachable`, `TransientFailure`, `Misconfigured`.
   */
  async login(login: Login): Promise<Session | Refusal> {
    const place = placeOf(login);
    let isEncrypted = false;
    try {
      isEncrypted = await this.#isEncrypted(login, place);
      const session = await open(login, { place, isEncrypted, limits: this.#limits });
      this.#onConnect('accepted');
      if (isEncrypted) this.#plain.set(place, false);
      return session;
    } catch (error) {
      const isRefused = isRefusedLogin(error);
      if (isRefused && isEncrypted) this.#plain.set(place, false);
      this.#onConnect(isRefused ? 'refused' : 'failed');
      if (isRefused) return { refused: true, cause: error };
      throw connectFailure(error, place);
    }
  }

  /** One login for `work`, which ends after it. A refused login throws what `refused` makes of it. */
  async during<Result>(
    login: Login,
    refused: (cause: unknown) => Error,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    const session = await this.login(login);
    if ('refused' in session) throw refused(session.cause);
    try {
      return await work(session);
    } finally {
      session.end();
    }
  }

  /** One login, only to see whether the server lets it in. */
  async probe(login: Login): Promise<'accepted' | 'refused'> {
    const session = await this.login(login);
    if ('refused' in session) return 'refused';
    session.end();
    return 'accepted';
  }

  /** A port of Redis speaks either with TLS or without: one that answers without has none to offer. */
  async #isEncrypted({ tls, host, port }: Login, place: string): Promise<boolean> {
    if (tls === 'disable') return false;
    const isPlain = this.#plain.get(place) ?? (await speaksPlain({ host, port }, this.#limits));
    if (isPlain) this.#plain.set(place, true);
    if (isPlain && tls === 'require') {
      throw new TargetUnreachable(`${place} offers no TLS, and the configuration requires it.`);
    }
    return !isPlain;
  }
}

/** A server's name in error texts and facts. */
export function placeOf({ host, port }: Pick<Node, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Limits {
  readonly connectMilliseconds: number;
  /** From one answer to the next. */
  readonly answerMilliseconds: number;
  /** A server that has no word for `PING` in this time may speak something else. */
  readonly pingMilliseconds: number;
}

async function open(
  login: Login,
  { place, isEncrypted, limits }: { readonly place: string; readonly isEncrypted: boolean; readonly limits: Limits },
): Promise<Session> {
  const socket = {
    host: login.host,
    port: login.port,
    connectTimeout: limits.connectMilliseconds,
    socketTimeout: limits.answerMilliseconds,
    reconnectStrategy: false as const,
  };
  const client = template().duplicate({
    socket: isEncrypted ? { ...socket, tls: true, ...trust(login.certificateAuthority) } : socket,
  });
  // A connection that the server ends between two commands: the next command says so.
  client.on('error', () => undefined);
  const raw = (words: readonly string[]): Promise<unknown> => client.sendCommand<unknown>(words);
  try {
    await client.connect();
    await raw(['AUTH', login.username, login.password.reveal()]);
  } catch (error) {
    client.destroy();
    throw error;
  }
  return {
    place,
    isEncrypted,
    raw,
    async command(doing, words) {
      try {
        return await raw(words);
      } catch (error) {
        throw commandFailure(error, doing, place);
      }
    },
    async attempt(doing, words) {
      try {
        return { allowed: true, reply: await raw(words) };
      } catch (error) {
        if (isNotAllowed(error)) return { allowed: false };
        throw commandFailure(error, doing, place);
      }
    },
    end: () => client.destroy(),
  };
}

let unconnected: ReturnType<typeof newClient> | undefined;

/** For each set of options the driver makes a class of its own, with 400 commands: one for all servers, once it is needed. */
function template(): ReturnType<typeof newClient> {
  unconnected ??= newClient();
  return unconnected;
}

/** Replies in the form that every version from 6.0 on has; and nothing is sent before the login. */
function newClient() {
  return createClient({ RESP: 2, disableClientInfo: true, maintNotifications: 'disabled' });
}
