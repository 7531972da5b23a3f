import { connect, createServer, type Server, type Socket } from 'node:net';

/** In place of a text that a client says. */
const AUTHENTICATED = '\0authenticated';

/** Stands between a client and a port of 127.0.0.1, and keeps what the client sends. */
export class RabbitmqProxy {
  readonly port: number;
  /** Everything that clients have sent, as it went over the wire. */
  readonly #sent: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  /** From when on nothing of a client is passed on; `undefined`: everything is. */
  #hold: { readonly at: string; readonly isBefore: boolean } | undefined;
  #swapped: readonly [Buffer, Buffer] | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(port: number): Promise<RabbitmqProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new RabbitmqProxy(server, (server.address() as { port: number }).port);
    server.on('connection', (client) => proxy.#pass(client, connect(port, '127.0.0.1')));
    return proxy;
  }

  get sent(): Buffer {
    return Buffer.concat(this.#sent);
  }

  /** A client that the broker has authenticated (it offers `connection.tune`) gets no further until `release`. */
  holdOpening(): void {
    this.#hold = { at: AUTHENTICATED, isBefore: true };
  }

  /** A client that says `text` gets no further, `before` or `after` it, until `release`. */
  holdAt(text: string, when: 'before' | 'after'): void {
    this.#hold = { at: text, isBefore: when === 'before' };
  }

  /** From now on clients that say `from` have said `to`, which is as long. */
  swap(from: string, to: string): void {
    this.#swapped = [Buffer.from(from), Buffer.from(to)];
  }

  get heldBack(): number {
    return this.#held.length;
  }

  release(): void {
    this.#hold = undefined;
    for (const pass of this.#held.splice(0)) pass();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(client: Socket, broker: Socket): void {
    let isHeld = false;
    for (const [one, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    client.on('data', (data) => {
      this.#sent.push(data);
      const [from, to] = this.#swapped ?? [];
      const at = from === undefined ? -1 : data.indexOf(from);
      if (at >= 0) to?.copy(data, at);
      const isSaid = this.#hold !== undefined && data.includes(this.#hold.at);
      if (isSaid && this.#hold?.isBefore === true) isHeld = true;
      if (isHeld && this.#hold !== undefined) this.#held.push(() => broker.write(data));
      else broker.write(data);
      if (isSaid) isHeld = true;
    });
    broker.on('data', (data) => {
      // A method frame on channel 0: type, channel, length, then class 10 (connection), method 30 (tune).
      if (this.#hold?.at === AUTHENTICATED && data[0] === 1 && data.readUInt32BE(7) === (10 << 16) + 30) isHeld = true;
      client.write(data);
    });
  }
}
