import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { Client, DatabaseError, type QueryResultRow } from 'pg';
import { TargetUnreachable, TransientFailure } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { trust } from '../trust.ts';
import { connectFailure, isOverOwnLimit, isRefusedLogin, queryFailure } from './pg-errors.ts';

/** A server that stops answering must not hold a Lambda to its end. */
export interface Limits {
  readonly connectMilliseconds: number;
  readonly queryMilliseconds: number;
  /** Until a server that was told good-bye has closed the connection. */
  readonly leaveMilliseconds: number;
}

const LIMITS: Limits = { connectMilliseconds: 5_000, queryMilliseconds: 30_000, leaveMilliseconds: 2_000 };
/** The driver's words for a server that answers `N` to the TLS request. */
const NO_TLS = 'The server does not support SSL connections';

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly username: string;
  readonly password: SecretText;
  readonly tls: 'prefer' | 'require' | 'disable';
  readonly certificateAuthority?: string;
}

/** How one login ended; for counting. */
export type LoginOutcome = 'accepted' | 'refused' | 'failed';

/**
 * An open connection. `end` it; `query` translates what goes wrong, `raw` does not. Once the server has not answered in
 * time, the connection is gone: what is asked of it after that fails at once.
 */
export interface Session {
  readonly isEncrypted: boolean;
  query<Row extends QueryResultRow>(doing: string, text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  raw(text: string): Promise<void>;
  end(): Promise<void>;
}

/** The server knows the role, or not, but does not let this credential in. */
export interface Refusal {
  readonly refused: true;
  readonly cause: unknown;
}

/** Opens connections: TLS verified, time-limited, counted by `onConnect`. */
export class Connector {
  readonly #onConnect: (outcome: LoginOutcome) => void;
  readonly #limits: Limits;
  readonly #ending = new Set<Promise<void>>();
  readonly #plainServers = new Set<string>();
  #kept: { readonly login: Login; readonly session: Session } | undefined;

  constructor(onConnect: (outcome: LoginOutcome) => void = () => undefined, limits: Partial<Limits> = {}) {
    this.#onConnect = onConnect;
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * One login. With `prefer`, a server that answers that it has no TLS is asked again without; a certificate that does
   * not verify is an error, never a reason to go on. Throws `TargetUnreachable`, `TransientFailure`, `Misconfigured`.
   */
  async login(login: Login): Promise<Session | Refusal> {
    const place = `${login.host}:${login.port}`;
    try {
      const session = await this.#connect(login, place);
      this.#onConnect('accepted');
      return session;
    } catch (error) {
      const isRefused = isRefusedLogin(error);
      this.#onConnect(isRefused ? 'refused' : 'failed');
      if (isRefused) return { refused: true, cause: error };
      throw connectFailure(error, place);
    }
  }

  /**
   * One login for `work`, which ends after it (`release` waits for that); a session that `duringAndKeep` left open for this very login is used up.
   * A refused login throws what `refused` makes of it.
   */
  async during<Result>(
    login: Login,
    refused: (cause: unknown) => Error,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    const session = await this.#sessionFor(login, refused);
    try {
      return await work(session);
    } finally {
      this.endLater(session);
    }
  }

  /** The same, but after success the session stays open for the next `during`. Whoever calls this calls `release`. */
  async duringAndKeep<Result>(
    login: Login,
    refused: (cause: unknown) => Error,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    const session = await this.#sessionFor(login, refused);
    try {
      const result = await work(session);
      if (this.#kept !== undefined) this.endLater(this.#kept.session);
      this.#kept = { login, session };
      return result;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  /** Ends a session while other work goes on. */
  endLater(session: Session): void {
    const ending = session.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Ends what `duringAndKeep` left open, if nobody has used it, and waits until every session has ended. */
  async release(): Promise<void> {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.endLater(kept.session);
    await Promise.all(this.#ending);
  }

  async #sessionFor(login: Login, refused: (cause: unknown) => Error): Promise<Session> {
    const kept = this.#kept;
    if (kept !== undefined && isSameLogin(kept.login, login)) {
      this.#kept = undefined;
      return kept.session;
    }
    const session = await this.login(login);
    if ('refused' in session) throw refused(session.cause);
    return session;
  }

  /**
   * One login, only to see whether the server takes the credential. Where the role has no connection left, the server has
   * taken it all the same.
   */
  async probe(login: Login): Promise<'accepted' | 'refused'> {
    try {
      const session = await this.login(login);
      if ('refused' in session) return 'refused';
      this.endLater(session);
      return 'accepted';
    } catch (error) {
      if (error instanceof TransientFailure && isOverOwnLimit(error.cause)) return 'accepted';
      throw error;
    }
  }

  async #connect(login: Login, place: string): Promise<Session> {
    const isPlain = login.tls === 'disable' || (login.tls === 'prefer' && this.#plainServers.has(place));
    const limits = this.#limits;
    if (isPlain) return open(login, { limits, isEncrypted: false });
    try {
      return await open(login, { limits, isEncrypted: true });
    } catch (error) {
      if (!(error instanceof Error) || error.message !== NO_TLS) throw error;
      if (login.tls === 'require') {
        throw new TargetUnreachable(`${place} offers no TLS, and the configuration requires it.`, { cause: error });
      }
      this.#plainServers.add(place);
      return open(login, { limits, isEncrypted: false });
    }
  }
}

function isSameLogin(one: Login, other: Login): boolean {
  const { password, ...rest } = one;
  const { password: otherPassword, ...otherRest } = other;
  return isDeepStrictEqual(rest, otherRest) && password.reveal() === otherPassword.reveal();
}

async function open(
  login: Login,
  { limits, isEncrypted }: { readonly limits: Limits; readonly isEncrypted: boolean },
): Promise<Session> {
  let isPlaintextAsked = false;
  const client = new Client({
    host: login.host,
    port: login.port,
    database: login.dbname,
    user: login.username,
    password: () => {
      // Whoever answers on an unencrypted port may ask for the password itself: it is not given away.
      if (isPlaintextAsked && !isEncrypted) {
        throw new TargetUnreachable(`${login.host}:${login.port} asks for the password in plain, without TLS.`);
      }
      return login.password.reveal();
    },
    ssl: isEncrypted ? trust(login.certificateAuthority) : false,
    application_name: 'rekey',
    connectionTimeoutMillis: limits.connectMilliseconds,
    query_timeout: limits.queryMilliseconds,
  });
  // A connection that the server ends between two statements: the next statement says so.
  client.on('error', () => undefined);
  const { connection } = client as unknown as { readonly connection: EventEmitter };
  connection.once('authenticationCleartextPassword', () => {
    isPlaintextAsked = true;
  });
  try {
    await client.connect();
  } catch (error) {
    // The socket of a refused login may still be half open.
    void client.end().catch(() => undefined);
    throw error;
  }
  const ask = async <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => {
    try {
      return (await client.query<Row>(text, values === undefined ? undefined : [...values])).rows;
    } catch (error) {
      // A statement without an answer is still the driver's current one: whatever came after it would wait behind it.
      if (!(error instanceof DatabaseError)) socketOf(client).destroy();
      throw error;
    }
  };
  return {
    isEncrypted,
    async query<Row extends QueryResultRow>(doing: string, text: string, values?: readonly unknown[]) {
      try {
        return await ask<Row>(text, values);
      } catch (error) {
        throw queryFailure(error, doing);
      }
    },
    raw: async (text) => {
      await ask(text);
    },
    end: () => endOf(client, limits),
  };
}

/** The server is told, and given a moment to take leave; one that says nothing any more is left where it is. */
async function endOf(client: Client, { leaveMilliseconds }: Limits): Promise<void> {
  const timer = setTimeout(() => socketOf(client).destroy(), leaveMilliseconds);
  // Ended by the server already: nothing is left to end.
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

function socketOf(client: Client): Socket {
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
}
