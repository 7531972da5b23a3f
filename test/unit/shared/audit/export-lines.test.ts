import { describe, expect, it } from 'vitest';
import { MAX_LINE_CHARACTERS } from '../../../../shared/audit/entry-line.ts';
import { exportLines, type UnreadableLine } from '../../../../shared/audit/export-lines.ts';
import * as fc from '../../../harness/properties.ts';

async function linesOf(chunks: Iterable<Uint8Array>): Promise<(string | UnreadableLine)[]> {
  const lines: (string | UnreadableLine)[] = [];
  const source = (async function* () {
    yield* chunks;
  })();
  for await (const line of exportLines(source)) lines.push(line);
  return lines;
}

describe('exportLines', () => {
  it('gives the same lines however the bytes are cut, also inside a character', async () => {
    const text = 'one\n漢字 😀\n\n\r\nlast\u2028part';
    const bytes = Buffer.from(text);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(bytes.length)), async (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
        expect(await linesOf(chunks)).toEqual(text.split('\n'));
      }),
    );
  });

  it('takes a last line with and without its end, and none from nothing', async () => {
    expect(await linesOf([Buffer.from('a\nb')])).toEqual(['a', 'b']);
    expect(await linesOf([Buffer.from('a\nb\n')])).toEqual(['a', 'b']);
    expect(await linesOf([])).toEqual([]);
  });

  it('names a line that is not UTF-8 instead of replacing its bytes', async () => {
    const bytes = Buffer.concat([Buffer.from('a\nb'), Buffer.from([0xff]), Buffer.from('\nc\n')]);
    expect(await linesOf([bytes])).toEqual(['a', { fault: 'not_text' }, 'c']);
  });

  it('does not mind a reader that fills the same memory again', async () => {
    const memory = Buffer.alloc(3);
    const chunks = function* (): Generator<Uint8Array> {
      for (const text of ['a\nb', 'c\nd']) {
        memory.write(text);
        yield memory;
      }
    };
    expect(await linesOf(chunks())).toEqual(['a', 'bc', 'd']);
  });

  it('ends at an endless line after reading no more than a line may have', async () => {
    let taken = 0;
    const endless = function* (): Generator<Uint8Array> {
      yield Buffer.from('good\n');
      for (; taken < 1000; taken += 1) yield Buffer.alloc(64 * 1024, 'x');
    };
    expect(await linesOf(endless())).toEqual(['good', { fault: 'too_long' }]);
    expect(taken * 64 * 1024).toBeLessThan(MAX_LINE_CHARACTERS * 4);
  });

  it('names a line that is too long inside one chunk', async () => {
    const long = Buffer.alloc(MAX_LINE_CHARACTERS * 3 + 1, 'x');
    expect(await linesOf([Buffer.concat([long, Buffer.from('\nb\n')])])).toEqual([{ fault: 'too_long' }, 'b']);
  });
});
