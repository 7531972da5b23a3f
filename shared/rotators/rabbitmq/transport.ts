import { TargetUnreachable } from '../../errors.ts';
import type { Endpoint } from './credential-json.ts';

/**
 * What OpenSSL says of a server that answers the TLS greeting with something else: AMQP's header, an HTTP status line.
 * Node gives it as a code of its own, or, where something was to be written already, in the text of EPROTO.
 */
const NO_TLS = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/;
const NO_TLS_TEXT = /:(?:wrong version number|packet length too long|http request):/;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/i;

/**
 * Decides whether a connection has TLS. With `prefer` it has, unless the server speaks none and is on this machine:
 * RabbitMQ takes passwords as they are (SASL PLAIN, HTTP basic), so none goes over a network in plain but where
 * `tls: disable` says so. A certificate that does not verify is an error, never a reason to go on.
 */
export class Transport {
  readonly #plain = new Set<string>();

  async open<Opened>(endpoint: Endpoint, connect: (isEncrypted: boolean) => Promise<Opened>): Promise<Opened> {
    const { host, port, tls } = endpoint;
    const place = placeOf(endpoint);
    if (tls === 'disable' || (tls === 'prefer' && this.#plain.has(place))) return connect(false);
    try {
      return await connect(true);
    } catch (error) {
      if (!isWithoutTls(error)) throw error;
      if (tls === 'require') {
        throw new TargetUnreachable(`${place} offers no TLS, and the configuration requires it.`, { cause: error });
      }
      if (!isLoopback(host)) {
        throw new TargetUnreachable(
          `${place} offers no TLS: passwords go there in plain only with tls: disable; else give the port that has TLS (${port} has none).`,
          { cause: error },
        );
      }
      this.#plain.add(place);
      return connect(false);
    }
  }
}

export function placeOf({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  return `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

function isWithoutTls(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return NO_TLS.test(String(error.code)) || (error.code === 'EPROTO' && NO_TLS_TEXT.test(error.message));
}
