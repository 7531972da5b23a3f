import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { currentValue, putCurrent } from './secrets.ts';
import type { Example } from './examples.ts';
import { system } from './system.ts';

/** https://www.postgresql.org/docs/18/protocol-message-formats.html: SSLRequest */
const SSL_REQUEST = 80_877_103;

/** A TCP proxy in front of PostgreSQL that hangs up on whom the test says: to Rekey, a server that is not reachable. */
export class PostgresProxy {
  /** Asked for every connection, with the name of the role that wants to log in; it waits while this does. */
  hangsUpOn: (role: string) => boolean | Promise<boolean> = () => false;
  /** Asked with the text of everything that a client sends once it is connected; it is sent on when this has ended. */
  holdsBack: (sent: string) => void | Promise<void> = () => undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Starts one and puts its address into both secrets of the example, as a person would who moves a database. */
  static async inFrontOf({ secret, adminSecret }: Example): Promise<PostgresProxy> {
    const proxy = new PostgresProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.#server.address() as AddressInfo;
    for (const one of [secret, adminSecret]) await putCurrent(one, { ...(await currentValue(one)), port });
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.#keep(socket);
    let received = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 8 || received.length < received.readInt32BE(0)) return;
      if (received.readInt32BE(4) === SSL_REQUEST) {
        received = received.subarray(8);
        socket.write('N');
        return;
      }
      socket.off('data', read);
      void this.#decide(socket, received);
    };
    socket.on('data', read);
  }

  async #decide(socket: Socket, start: Buffer): Promise<void> {
    if (await this.hangsUpOn(roleOf(start))) socket.destroy();
    else this.#pass(socket, start);
  }

  #pass(socket: Socket, start: Buffer): void {
    const { host, port } = system.postgres;
    const server = connect({ host, port });
    this.#keep(server);
    server.write(start);
    const holding = new Transform({
      transform: (chunk: Buffer, _encoding, sendOn) => {
        void Promise.resolve(this.holdsBack(chunk.toString('latin1'))).then(() => sendOn(null, chunk));
      },
    });
    socket.pipe(holding).pipe(server).pipe(socket);
    socket.once('close', () => server.destroy());
    server.once('close', () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // A peer that hangs up is what this is for.
    socket.on('error', () => undefined);
  }
}

/** StartupMessage: length, version, then names and values, each ended by a zero. */
function roleOf(message: Buffer): string {
  const words = message.subarray(8).toString('utf8').split('\0');
  return words[words.indexOf('user') + 1] ?? '';
}
