import { Socket } from 'node:net';

/** Which of the bytes that a rotator sends are the last ones: the `write`-th write, before it leaves or after. */
export interface Cut {
  /** Counted from 1, over all connections. */
  readonly write: number;
  readonly when: 'before' | 'after';
}

type Write = (this: Socket, ...words: unknown[]) => boolean;
type Push = (this: Socket, chunk: unknown, encoding?: BufferEncoding) => boolean;

/**
 * Counts what `work` writes to sockets, and cuts the connection at one write: what is written never leaves, or it does and
 * no answer comes back. So a call of a rotator is interrupted between any two of its own effects, whatever its driver.
 */
export async function overTheWire<Answer>(
  work: () => Promise<Answer>,
  cut: Cut | undefined,
  counted: (writes: number) => void,
): Promise<Answer> {
  const prototype = Socket.prototype as unknown as { write: Write; push: Push };
  const { write, push } = prototype;
  const deaf = new WeakSet<Socket>();
  let writes = 0;
  const lose = (socket: Socket) => socket.destroy(Object.assign(new Error('cut on purpose'), { code: 'ECONNRESET' }));
  prototype.write = function (...words) {
    writes += 1;
    if (writes === cut?.write && cut.when === 'before') {
      lose(this);
      return false;
    }
    if (writes === cut?.write) deaf.add(this);
    return write.apply(this, words);
  };
  prototype.push = function (chunk, encoding) {
    if (!deaf.has(this)) return push.call(this, chunk, encoding);
    lose(this);
    return false;
  };
  try {
    return await work();
  } finally {
    prototype.write = write;
    // A cut connection stays deaf until it is gone.
    if (cut === undefined || cut.when === 'before') prototype.push = push;
    else setImmediate(() => (prototype.push = push));
    counted(writes);
  }
}
