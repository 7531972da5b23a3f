import { type ChannelModel, connect } from 'amqplib';
import { Misconfigured, RekeyError, TargetUnreachable, TransientFailure } from '../../errors.ts';
import { trust } from '../trust.ts';
import { connectFailure, connectionLost } from './connection-faults.ts';
import type { Login } from './credential-json.ts';
import { type OpeningReply, openingReply } from './opening-reply.ts';
import { placeOf, type Transport } from './transport.ts';

/** In milliseconds: without a byte from the broker, which makes some refusals wait 3 s; and a login as a whole. */
const TIME_LIMITS = { silence: 5_000, login: 15_000 };

/**
 * The driver's words; it gives no codes. `connection.close` with 403 instead of `connection.tune`: the broker looked at
 * the credential and said no. `connection.close` instead of `connection.open-ok`: the credential is right, but the
 * virtual host is not opened to it. Why (not there, no permission, a limit of connections) the driver does not pass on, so
 * that the broker is asked again.
 */
const CLOSED_IN_HANDSHAKE = /^Handshake terminated by server: (\d+) /;
const CLOSED_AT_OPEN = /^Expected ConnectionOpenOk; got <ConnectionClose/;
/** Of the user, of the virtual host, of the node. Not of 0, which is how a user is closed. At the end: names come before. */
const LIMIT_REACHED = /: (?:(user|node) )?connection limit \([1-9]\d*\) is reached$/;
const ACCESS_REFUSED = '403';
const CONNECTION_FORCED = '320';

/** How one login ended; for counting. */
export type LoginOutcome = 'accepted' | 'refused' | 'failed';

export type LoginResult =
  | { readonly kind: 'accepted' }
  /** Wrong password, no such user, or `guest` from another machine: the broker does not say which. */
  | { readonly kind: 'refused'; readonly cause: unknown }
  /**
   * The password is right, and as many connections are open as may be; the broker looks at this before it looks at
   * permissions. A limit of the broker's holds for everybody, one of the user's for this user alone.
   */
  | { readonly kind: 'full'; readonly limitOf: 'user' | 'broker'; readonly cause: unknown }
  /** The password is right, and the virtual host stays closed. */
  | { readonly kind: 'no vhost'; readonly cause: unknown };

/** Logs in by AMQP as a consumer does: TLS verified, time-limited, counted by `onLogin`. */
export class AmqpLogins {
  readonly #transport: Transport;
  readonly #onLogin: (outcome: LoginOutcome) => void;
  readonly #limits: typeof TIME_LIMITS;

  constructor(
    transport: Transport,
    onLogin: (outcome: LoginOutcome) => void = () => undefined,
    limits: typeof TIME_LIMITS = TIME_LIMITS,
  ) {
    this.#transport = transport;
    this.#onLogin = onLogin;
    this.#limits = limits;
  }

  /**
   * One login in the credential's virtual host, with a channel, closed again before this comes back. Throws
   * `TargetUnreachable`, `TransientFailure`, `Misconfigured`.
   */
  async login(login: Login): Promise<LoginResult> {
    try {
      await this.#transport.open(login, (isEncrypted) => logInOnce(login, isEncrypted, this.#limits));
      this.#onLogin('accepted');
      return { kind: 'accepted' };
    } catch (error) {
      const result = resultOf(error);
      this.#onLogin(result?.kind === 'refused' ? 'refused' : 'failed');
      if (result?.kind === 'no vhost') return this.#askWhy(login, result);
      if (result !== undefined) return result;
      throw handshakeFailure(error, placeOf(login));
    }
  }

  /** By one login more, which may well succeed. */
  async #askWhy(login: Login, found: LoginResult & { readonly kind: 'no vhost' }): Promise<LoginResult> {
    let reply: OpeningReply;
    try {
      reply = await this.#transport.open(login, (isEncrypted) =>
        openingReply(login, { isEncrypted, milliseconds: this.#limits.login }),
      );
    } catch {
      // What was found is still true.
      return found;
    }
    if (reply.isOpen) return { kind: 'accepted' };
    const limit = LIMIT_REACHED.exec(reply.text);
    if (limit === null) return found;
    return { kind: 'full', limitOf: limit[1] === 'user' ? 'user' : 'broker', cause: found.cause };
  }
}

async function logInOnce(login: Login, isEncrypted: boolean, limits: typeof TIME_LIMITS): Promise<void> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException('login', 'TimeoutError')), limits.login);
  try {
    const connection = await connect(
      {
        protocol: isEncrypted ? 'amqps' : 'amqp',
        hostname: login.host,
        port: login.port,
        username: login.username,
        password: login.password.reveal(),
        // The driver undoes percent-encoding here even where it is given no URL.
        vhost: encodeURIComponent(login.vhost),
      },
      {
        noDelay: true,
        timeout: limits.silence,
        signal: limit.signal,
        clientProperties: { connection_name: 'rekey' },
        ...(isEncrypted ? trust(login.certificateAuthority) : {}),
      } as Parameters<typeof connect>[1],
    );
    await useOnce(connection, limit.signal);
  } finally {
    clearTimeout(timer);
    // The socket of a login that ended in the middle.
    limit.abort();
  }
}

/** A channel is the first thing that a consumer opens, and has limits of its own. */
async function useOnce(connection: ChannelModel, limit: AbortSignal): Promise<void> {
  const lost = new Promise<never>((_, reject) => {
    connection.on('error', reject);
    limit.addEventListener('abort', () => reject(limit.reason as Error));
  });
  lost.catch(() => undefined); // Only whoever waits hears of it.
  const using = async () => {
    await connection.createChannel();
    await connection.close();
  };
  try {
    await Promise.race([using(), lost]);
  } catch (error) {
    throw connectionLost(error, 'opening a channel');
  }
}

function resultOf(error: unknown): LoginResult | undefined {
  if (!(error instanceof Error) || error instanceof RekeyError) return undefined;
  if (CLOSED_IN_HANDSHAKE.exec(error.message)?.[1] === ACCESS_REFUSED) return { kind: 'refused', cause: error };
  return CLOSED_AT_OPEN.test(error.message) ? { kind: 'no vhost', cause: error } : undefined;
}

/** The broker's and the driver's own texts may quote data: only AMQP's reply code is used. */
function handshakeFailure(error: unknown, place: string): RekeyError {
  const options = { cause: error };
  if (!(error instanceof Error) || error instanceof RekeyError) return connectFailure(error, place);
  const code = CLOSED_IN_HANDSHAKE.exec(error.message)?.[1];
  if (code === CONNECTION_FORCED) return new TransientFailure(`${place} is closing its connections (320).`, options);
  if (code !== undefined) return new TargetUnreachable(`${place} ended the login (AMQP ${code}).`, options);
  if (error.message.startsWith('SASL mechanism')) {
    return new Misconfigured(`${place} does not take passwords (SASL PLAIN is turned off).`, options);
  }
  return connectFailure(error, place);
}
