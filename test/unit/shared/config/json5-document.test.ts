import JSON5 from 'json5';
import { describe, expect, it } from 'vitest';

import { readJson5 } from '../../../../shared/config/json5-document.ts';
import { nodeAt, offsetOf, toPlain } from '../../../../shared/config/yaml-tree.ts';
import * as fc from '../../../harness/properties.ts';

function plain(text: string): unknown {
  const document = readJson5(text);
  return document.ok ? toPlain(document.root) : document.finding;
}

const EVERY_FORM = `// a comment with " and {
{
  unquoted: 'single \\' quotes', /* "block": { */ "double": "a \\
continued // line",
  $id_é: [+1, -.5, 0xFf, 1e3, Infinity, -Infinity, null, true, false,],
  \\u0061bc: {}, 'a:b,{}': [[], {}], __proto__: { polluted: 1 },
}
// the end`;

describe('readJson5', () => {
  it('reads every form of JSON5 as the library does', () => {
    expect(plain(EVERY_FORM)).toEqual(JSON5.parse(EVERY_FORM));
    expect(Object.hasOwn(plain(EVERY_FORM) as object, '__proto__')).toBe(true);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    [['unquoted'], "'single"],
    [['double'], '"a \\'],
    [['$id_é', 2], '0xFf'],
    [['abc'], '{}, '],
    [['a:b,{}', 1], '{}]'],
    [['__proto__', 'polluted'], '1 }'],
  ])('knows where %j stands', (path, begins) => {
    const document = readJson5(EVERY_FORM);
    const node = document.ok ? nodeAt(document.root, path) : undefined;
    expect(EVERY_FORM.slice(offsetOf(node)).slice(0, begins.length)).toBe(begins);
  });

  it.each([
    ['', 0, 'the file ends too early'],
    ['{ "a": 1', 8, 'the file ends too early'],
    ['{ a: 1 b: 2 }', 7, 'cannot be read as JSON5 here'],
    ['{\n  a: "x\n}', 9, 'cannot be read as JSON5 here'],
    ['{} {}', 3, 'cannot be read as JSON5 here'],
    ['{ "a": "\u2028" }', 8, 'found a line or paragraph separator'],
    [`${'['.repeat(65)}${']'.repeat(65)}`, 64, 'nested too deeply'],
  ])('refuses %j at offset %d', (text, offset, message) => {
    expect(plain(text)).toEqual({ offset, message: expect.stringContaining(message) as unknown });
  });

  it('reads what the library reads, whatever the text is', () => {
    const value = fc.jsonValue({ maxDepth: 6 });
    fc.assert(
      fc.property(value, fc.boolean(), (data, asJson) => {
        const text = (asJson ? JSON.stringify(data) : JSON5.stringify(data, null, 2)).replaceAll(/[\u2028\u2029]/g, '');
        expect(plain(text)).toEqual(JSON5.parse(text));
      }),
    );
    const piece = fc.constantFrom(
      ...Array.from('{}[],:/*"\'\\\n a1-+.'),
      '//',
      '/*',
      '*/',
      'true',
      'null',
      '0x',
      '\\u0061',
      '\\"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join('');
        const document = readJson5(text);
        expect(document.ok).toBe(isJson5(text));
        if (!document.ok) expect(document.finding.offset).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 5000 },
    );
  });
});

function isJson5(text: string): boolean {
  try {
    JSON5.parse(text);
    return true;
  } catch {
    // That it is none is the answer.
    return false;
  }
}
