import { connect, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { AuthPlugin } from 'mysql2';
import { createConnection, type Connection } from 'mysql2/promise';
import { TargetUnreachable } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { connectFailure, isAllInUse, isRefusedLogin, isServerError, queryFailure } from './mysql-errors.ts';
import { mayAnswerUnverified, nameForTls, REFUSING_PLUGINS, tlsOptions } from './tls.ts';

/** A server that stops answering must not hold a Lambda to its end. */
export interface Limits {
  readonly connectMilliseconds: number;
  /** Longer than anything that waits at the server: its locks 10 s, its turns 3 s. */
  readonly queryMilliseconds: number;
  /** Until a server that was told good-bye has closed the connection. */
  readonly leaveMilliseconds: number;
}

const LIMITS: Limits = { connectMilliseconds: 5_000, queryMilliseconds: 20_000, leaveMilliseconds: 2_000 };
/** The driver's code for a server that does not offer TLS. */
const NO_TLS = 'HANDSHAKE_NO_SSL_SUPPORT';

/**
 * What every statement counts on, set by itself and not left to the server: how literals and names are quoted, both ways;
 * that nothing waits for ever for a lock, and that what a session holds is free a minute after its client is gone without
 * a word. Needs no privilege.
 */
const PREPARE =
  "SET NAMES utf8mb4, SESSION sql_mode = '', SESSION sql_quote_show_create = 1, SESSION lock_wait_timeout = 10, SESSION innodb_lock_wait_timeout = 10, SESSION wait_timeout = 60";

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly dbname: string | undefined;
  readonly username: string;
  readonly password: SecretText;
  readonly tls: 'prefer' | 'require' | 'disable';
  readonly certificateAuthority?: string;
}

/** How one login ended; for counting. */
export type LoginOutcome = 'accepted' | 'refused' | 'failed';

/**
 * An open connection. `end` it; `query` translates what goes wrong. Once the server has not answered in time, the
 * connection is gone: what is asked of it after that fails at once.
 */
export interface Session {
  readonly isEncrypted: boolean;
  query<Row extends object>(doing: string, text: string): Promise<readonly Row[]>;
  /** Statements one after another. */
  run(doing: string, statements: readonly string[]): Promise<void>;
  end(): Promise<void>;
}

/** The server does not let this credential in, whether it knows the user or not. */
export interface Refusal {
  readonly refused: true;
  readonly cause: unknown;
}

/** Opens connections: TLS verified, time-limited, counted by `onConnect`. */
export class Connector {
  readonly #onConnect: (outcome: LoginOutcome) => void;
  readonly #plugins: Readonly<Record<string, AuthPlugin>>;
  readonly #limits: Limits;
  readonly #ending = new Set<Promise<void>>();
  readonly #plainServers = new Set<string>();
  #kept: { readonly login: Login; readonly session: Session } | undefined;

  constructor(
    onConnect: (outcome: LoginOutcome) => void = () => undefined,
    plugins: Readonly<Record<string, AuthPlugin>> = {},
    limits: Partial<Limits> = {},
  ) {
    this.#onConnect = onConnect;
    this.#plugins = plugins;
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
   * One login for `work`, which ends after it (`release` waits for that); a session that `duringAndKeep` left open for
   * this very login is used up. A refused login throws what `refused` makes of it.
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

  /** Whether the server accepts the credential: one login, also where consumers have all connections of the user in use. */
  async probe(login: Login): Promise<'accepted' | 'refused'> {
    try {
      return await this.enter(login);
    } catch (error) {
      if (isAllInUse(error)) return 'accepted';
      throw error;
    }
  }

  /** One login, only to see whether the server lets it in; `TransientFailure` where the user has no connection left. */
  async enter(login: Login): Promise<'accepted' | 'refused'> {
    const session = await this.login(login);
    if ('refused' in session) return 'refused';
    this.endLater(session);
    return 'accepted';
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
    try {
      await prepare(session);
    } catch (error) {
      await session.end();
      throw error;
    }
    return session;
  }

  async #connect(login: Login, place: string): Promise<Session> {
    const isPlain = login.tls === 'disable' || (login.tls === 'prefer' && this.#plainServers.has(place));
    const how = { plugins: this.#plugins, limits: this.#limits };
    if (isPlain) return open(login, { ...how, isEncrypted: false });
    try {
      return await open(login, { ...how, isEncrypted: true });
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== NO_TLS) throw error;
      if (login.tls === 'require') {
        throw new TargetUnreachable(`${place} offers no TLS, and the configuration requires it.`, { cause: error });
      }
      this.#plainServers.add(place);
      return open(login, { ...how, isEncrypted: false });
    }
  }
}

/** What `during` does by itself: for a session that `login` has opened. */
export function prepare(session: Session): Promise<void> {
  return session.run('preparing the session', [PREPARE]);
}

function isSameLogin(one: Login, other: Login): boolean {
  const { password, ...rest } = one;
  const { password: otherPassword, ...otherRest } = other;
  return isDeepStrictEqual(rest, otherRest) && password.reveal() === otherPassword.reveal();
}

async function open(
  login: Login,
  {
    isEncrypted,
    plugins,
    limits,
  }: {
    readonly isEncrypted: boolean;
    readonly plugins: Readonly<Record<string, AuthPlugin>>;
    readonly limits: Limits;
  },
): Promise<Session> {
  let socket: Socket | undefined;
  let connection: Connection;
  try {
    connection = await createConnection({
      user: login.username,
      password: login.password.reveal(),
      ...(login.dbname === undefined ? {} : { database: login.dbname }),
      // For the driver's TLS; the connection itself is made below.
      host: login.host,
      stream: () => {
        socket = connect({ host: login.host, port: login.port, noDelay: true, keepAlive: true });
        nameForTls(socket, login.host);
        return socket;
      },
      ...(isEncrypted ? { ssl: tlsOptions(login.certificateAuthority) } : {}),
      authPlugins: { ...plugins, ...(isEncrypted || mayAnswerUnverified(login) ? {} : REFUSING_PLUGINS) },
      charset: 'UTF8MB4_GENERAL_CI',
      // No server is given files of this machine.
      flags: ['-LOCAL_FILES'],
      connectAttributes: { program_name: 'rekey' },
      connectTimeout: limits.connectMilliseconds,
    });
  } catch (error) {
    socket?.destroy();
    throw error;
  }
  // A connection that the server ends between two statements: the next statement says so.
  connection.on('error', () => undefined);
  const abandon = (): void => {
    connection.destroy();
    socket?.destroy();
  };
  const query = async <Row extends object>(doing: string, text: string): Promise<readonly Row[]> => {
    try {
      const [rows] = await connection.query({ sql: text, timeout: limits.queryMilliseconds });
      return rows as unknown as readonly Row[];
    } catch (error) {
      // A statement without an answer is still the driver's current one: whatever came after it would wait behind it.
      if (!isServerError(error)) abandon();
      throw queryFailure(error, doing);
    }
  };
  return {
    isEncrypted,
    query,
    run: async (doing, statements) => {
      for (const statement of statements) await query(doing, statement);
    },
    end: async () => {
      const stream = socket;
      if (stream === undefined || stream.closed) return;
      const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
      const timer = setTimeout(abandon, limits.leaveMilliseconds);
      void connection.end();
      await closed;
      clearTimeout(timer);
    },
  };
}
