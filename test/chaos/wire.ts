import { Socket } from 'node:net';

/** Which of the bytes that a rotator sends are the last ones: the `write`-th write, before it leaves or after. */
export interface Cut {
  /** Counted from 1, over all connections. */
  readonly write: number;
  readonly when: 'before' | 'after';
}

type Write = (this: Socket, ...words: unknown[]) => boolean;
type Push = (this: Socket, chunk: unknown, encoding?: BufferEncoding) => boolean;

const prototype = Socket.prototype as unknown as { write: Write; push: Push };
/** Node's own, kept once: whoever kept them later might keep what stands here in their place. */
const { write, push } = prototype;
/** What is being counted, and cut, now; several where one work is done in the middle of another. */
const watches = new Set<{ readonly cut: Cut | undefined; writes: number }>();
/** Connections that were cut stay deaf until they are gone, also after what was being watched. */
const deaf = new WeakSet<Socket>();

prototype.write = function (...words) {
  let isLost = false;
  for (const watch of watches) {
    watch.writes += 1;
    if (watch.writes !== watch.cut?.write) continue;
    if (watch.cut.when === 'before') isLost = true;
    else deaf.add(this);
  }
  if (!isLost) return write.apply(this, words);
  lose(this);
  return false;
};

prototype.push = function (chunk, encoding) {
  if (!deaf.has(this)) return push.call(this, chunk, encoding);
  lose(this);
  return false;
};

function lose(socket: Socket): void {
  socket.destroy(Object.assign(new Error('cut on purpose'), { code: 'ECONNRESET' }));
}

/**
 * Counts what `work` writes to sockets, and cuts the connection at one write: what is written never leaves, or it does and
 * no answer comes back. So a call of a rotator is interrupted between any two of its own effects, whatever its driver.
 */
export async function overTheWire<Answer>(
  work: () => Promise<Answer>,
  cut: Cut | undefined,
  counted: (writes: number) => void,
): Promise<Answer> {
  const watch = { cut, writes: 0 };
  watches.add(watch);
  try {
    return await work();
  } finally {
    watches.delete(watch);
    counted(watch.writes);
  }
}
