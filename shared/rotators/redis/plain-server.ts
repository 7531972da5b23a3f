import { connect } from 'node:net';

const PING = '*1\r\n$4\r\nPING\r\n';

/**
 * Whether a server answers in Redis's own protocol without TLS: it is sent `PING`, no credential. A server with TLS ends
 * such a connection; one without waits for ever when it is sent a TLS handshake, so that must not be the question. `false`
 * is no proof: one that is slow, or loses the connection, has not said so either. Throws the socket's error when nobody
 * listens.
 */
export function speaksPlain(
  { host, port }: { readonly host: string; readonly port: number },
  limits: { readonly connectMilliseconds: number; readonly pingMilliseconds: number },
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let isConnected = false;
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(limits.connectMilliseconds, () => {
      if (isConnected) return end(false);
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    });
    socket.once('connect', () => {
      isConnected = true;
      socket.setTimeout(limits.pingMilliseconds);
      socket.write(PING);
    });
    // +PONG, -NOAUTH, -DENIED, -LOADING: every reply to it begins with one of the two.
    socket.once('data', ([first]) => end(first === 0x2b || first === 0x2d));
    socket.once('error', (error) => (isConnected ? end(false) : reject(error)));
    socket.once('close', () => end(false));
  });
}
