import { connect, createServer, type Socket } from 'node:net';

/** What goes on in place of a chunk; `undefined`: the chunk as it is. Waited for, in order. */
export type Through = (chunk: string) => Promise<string | undefined>;

export interface RedisProxy {
  readonly port: number;
  /** Everything that was sent to the server, one character a byte. */
  readonly sent: () => string;
  readonly stop: () => Promise<void>;
}

/** A way to a server on which tests see what is sent, and can have something happen before it arrives. */
export async function startProxy(to: number, through: Through = () => Promise.resolve(undefined)): Promise<RedisProxy> {
  const chunks: string[] = [];
  const sockets: Socket[] = [];
  const proxy = createServer((socket) => {
    const server = connect(to, '127.0.0.1');
    sockets.push(socket, server);
    for (const one of [socket, server]) one.on('error', () => undefined);
    let turn = Promise.resolve();
    socket.on('data', (bytes) => {
      const chunk = bytes.toString('latin1');
      chunks.push(chunk);
      turn = turn.then(async () => void server.write((await through(chunk)) ?? chunk, 'latin1'));
    });
    server.pipe(socket);
    socket.on('close', () => server.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    port: (proxy.address() as { readonly port: number }).port,
    sent: () => chunks.join(''),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
