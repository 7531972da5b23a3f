import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { overTheWire } from './wire.ts';

/** A server in a thread of its own, where writing is its own business. It answers with all that it has heard so far. */
const SERVER = `
const { createServer } = require('node:net');
const { parentPort } = require('node:worker_threads');
let heard = '';
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.on('data', (data) => { heard += data; socket.write(heard); });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

let worker: Worker;
let port: number;
const opened: Socket[] = [];

beforeEach(async () => {
  worker = new Worker(SERVER, { eval: true });
  [port] = (await once(worker, 'message')) as [number];
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await worker.terminate();
});

function open(): Socket {
  const socket = connect(port, '127.0.0.1');
  opened.push(socket);
  return socket;
}

/** One question on a connection: its answer, or how the connection was lost. */
function ask(socket: Socket, question: string): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(data.toString()));
    socket.once('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    socket.write(question);
  });
}

const uncounted = (): void => undefined;

describe('a cut connection', () => {
  it('is lost before the write, which never leaves, or after it, unanswered; others go on', async () => {
    const answers = (when: 'before' | 'after') =>
      overTheWire(
        async () => [await ask(open(), '1'), await ask(open(), '2'), await ask(open(), '3')],
        { write: 2, when },
        uncounted,
      );
    expect(await answers('before')).toEqual(['1', 'ECONNRESET', '13']);
    expect(await answers('after')).toEqual(['131', 'ECONNRESET', '13123']);
  });

  it('is counted and cut again in what follows at once', async () => {
    const counts: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const answer = await overTheWire(
        () => ask(open(), 'x'),
        { write: 1, when: 'after' },
        (writes) => counts.push(writes),
      );
      expect(answer).toBe('ECONNRESET');
    }
    expect(counts).toEqual([1, 1, 1, 1, 1]);
  });

  it('stays deaf when what was watched is over', async () => {
    const socket = open();
    const asked = await overTheWire(async () => ({ answer: ask(socket, 'x') }), { write: 1, when: 'after' }, uncounted);
    expect(await asked.answer).toBe('ECONNRESET');
    expect(await ask(open(), 'y')).toBe('xy');
  });
});

it('counts what is done in the middle of other work for both, and nothing when it is over', async () => {
  const counts: number[] = [];
  const count = (writes: number): void => void counts.push(writes);
  await overTheWire(
    async () => {
      await ask(open(), '1');
      await overTheWire(() => ask(open(), '2'), undefined, count);
    },
    undefined,
    count,
  );
  await ask(open(), '3');
  await overTheWire(async () => undefined, undefined, count);
  expect(counts).toEqual([1, 2, 0]);
});
