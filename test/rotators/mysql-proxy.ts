import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface FreezingProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * A way to a server on which, once a client has sent all of `texts`, in this order, nothing goes on any more: neither the
 * last nor anything after it, on no connection, and none is closed, not even one that the other side has closed.
 */
export async function startFreezingProxy(to: number, texts: readonly string[]): Promise<FreezingProxy> {
  const sockets: Socket[] = [];
  const awaited = [...texts];
  let isFrozen = false;
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true });
    sockets.push(client, server);
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('data', (bytes) => {
      if (bytes.toString('latin1').includes(awaited[0] ?? '')) awaited.shift();
      isFrozen ||= awaited.length === 0;
      if (!isFrozen) server.write(bytes);
    });
    server.on('data', (bytes) => isFrozen || client.write(bytes));
    client.on('end', () => isFrozen || server.end());
    server.on('end', () => isFrozen || client.end());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
