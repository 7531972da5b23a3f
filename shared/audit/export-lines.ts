import { isUtf8 } from 'node:buffer';
import { type LineFault, MAX_LINE_CHARACTERS } from './entry-line.ts';

const NEWLINE = 0x0a;
/** A character of a line takes at most 3 bytes (two halves of a surrogate pair share 4). */
const MAX_LINE_BYTES = MAX_LINE_CHARACTERS * 3;

/** A line that cannot be given as text. */
export interface UnreadableLine {
  readonly fault: Extract<LineFault, 'too_long' | 'not_text'>;
}

/**
 * Splits an export file into its lines, exactly: only LF ends a line, nothing is trimmed, decoded with replacement or
 * skipped. A last line without LF counts. Holds at most one line in memory and ends after a line that is too long, so
 * an endless line costs no more than the longest good one. Pure.
 */
export async function* exportLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | UnreadableLine> {
  /** Pieces of a line whose end has not come yet. */
  let pieces: Buffer[] = [];
  let held = 0;
  for await (const chunk of chunks) {
    const rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
      const tail = rest.subarray(start, end);
      yield textOf(pieces.length === 0 ? tail : Buffer.concat([...pieces, tail]));
      pieces = [];
      held = 0;
      start = end + 1;
    }
    if (start === rest.length) continue;
    // A copy: a reader may fill the same memory again.
    pieces.push(Buffer.from(rest.subarray(start)));
    held += rest.length - start;
    if (held > MAX_LINE_BYTES) return yield { fault: 'too_long' };
  }
  if (held > 0) yield textOf(Buffer.concat(pieces));
}

function textOf(line: Buffer): string | UnreadableLine {
  if (line.length > MAX_LINE_BYTES) return { fault: 'too_long' };
  return isUtf8(line) ? line.toString('utf8') : { fault: 'not_text' };
}
