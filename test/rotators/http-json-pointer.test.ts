import { describe, expect, it } from 'vitest';
import { isJsonPointer, valueAt } from '../../shared/rotators/http/json-pointer.ts';
import * as fc from '../harness/properties.ts';

/** https://www.rfc-editor.org/rfc/rfc6901#section-5 */
const DOCUMENT = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
};

describe('a JSON Pointer', () => {
  it.each([
    ['', DOCUMENT],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ])('leads from %j to what RFC 6901 says', (pointer, value) => {
    expect(isJsonPointer(pointer)).toBe(true);
    expect(valueAt(DOCUMENT, pointer)).toEqual(value);
  });

  it.each([
    '/foo/2',
    '/foo/00',
    '/foo/-',
    '/foo/length',
    '/__proto__',
    '/constructor',
    '/toString',
    '/a/b',
    '/foo/0/0',
  ])('leads nowhere by %j', (pointer) => {
    expect(valueAt(DOCUMENT, pointer)).toBe(undefined);
  });

  it.each(['foo', '/~', '/~2', '#/foo'])('is not %j', (pointer) => {
    expect(isJsonPointer(pointer)).toBe(false);
  });

  const unit = fc.constantFrom('a', '0', '1', '~', '/', '\\', '"', ' ', '\0', '\u{1f600}', '\ud800', '__proto__');
  const key = fc.string({ unit, maxLength: 8 });

  it('finds any key again', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 5 }), fc.string(), (keys, value) => {
        const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
        // As an answer is read: JSON keeps keys of every kind as the object's own.
        const text = keys.reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, JSON.stringify(value));
        expect(isJsonPointer(pointer)).toBe(true);
        expect(JSON.stringify(valueAt(JSON.parse(text), pointer))).toBe(JSON.stringify(value));
      }),
    );
  });
});
