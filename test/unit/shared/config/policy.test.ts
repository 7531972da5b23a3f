import { describe, expect, it } from 'vitest';

import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { cpuMilliseconds, problems, secret, warnings } from './one-secret.ts';

function policy(fields: string) {
  return secret(['type: credential', `policy: { ${fields} }`]).policy;
}

describe('policy', () => {
  it('is declared as written, with 32 characters and no class as default', () => {
    expect(secret([]).policy).toBeUndefined();
    expect(policy('')).toEqual({ length: 32, require: [] });
    expect(
      policy('length: 64, alphabet: abcdef0123456789, require: [lower, digit, lower], exclude: "0", key: api_key'),
    ).toEqual({
      length: 64,
      alphabet: 'abcdef0123456789',
      require: ['lower', 'digit'],
      exclude: '0',
      key: 'api_key',
    });
    expect(policy('length: 20, require: [lower, upper, digit, symbol]')?.require).toEqual([
      'lower',
      'upper',
      'digit',
      'symbol',
    ]);
    expect(policy('length: 4096')?.length).toBe(4096);
  });

  const LENGTH = 'length is a whole number from 8 to 4096';
  const ALPHABET = 'alphabet is a text of at most 256 characters, without control characters';
  const EXCLUDE = 'exclude is a text of at most 256 characters, without control characters';
  const REQUIRE = 'require is a list of lower, upper, digit, symbol';
  const CLASS = 'a class of characters is one of lower, upper, digit, symbol';
  const KEY = "key is a key of the secret's JSON, at most 128 characters";
  it.each([
    ['length: 7', `5:23: found a number; ${LENGTH}`],
    ['length: 4097', `5:23: found a number; ${LENGTH}`],
    ['length: 20.5', `5:23: found a number; ${LENGTH}`],
    ['length: long', `5:23: found "long"; ${LENGTH}`],
    ['alphabet: ""', `5:25: found ""; ${ALPHABET}`],
    ['alphabet: "ab\\t"', `5:25: found "ab?"; ${ALPHABET}`],
    ['alphabet: 10', `5:25: found a number without quotes; ${ALPHABET}`],
    [`alphabet: ${'ab'.repeat(129)}`, `5:25: found "${'ab'.repeat(19)}a…"; ${ALPHABET}`],
    ['exclude: []', `5:24: found a list; ${EXCLUDE}`],
    ['exclude: "\\x07"', `5:24: found "?"; ${EXCLUDE}`],
    ['require: lower', `5:24: found "lower"; ${REQUIRE}`],
    ['require: [lowercase]', `5:25: found "lowercase"; ${CLASS}`],
    ['require: [digits]', `5:25: found "digits"; ${CLASS}; did you mean "digit"?`],
    [`require: [${'digit,'.repeat(21)}]`, `5:24: found a list; ${REQUIRE}`],
    ['key: ""', `5:20: found ""; ${KEY}`],
    [`key: ${'k'.repeat(129)}`, `5:20: found "${'k'.repeat(39)}…"; ${KEY}`],
    [
      'lenght: 9',
      '5:15: found the unknown key "lenght"; policy has length, alphabet, require, exclude, key; did you mean "length"?',
    ],
  ])('refuses %.40s', (field, expected) => {
    expect(problems(['type: credential', `policy: { ${field} }`])).toEqual([expected]);
  });

  it('is a mapping', () => {
    expect(problems(['policy: strong'])).toEqual([
      '4:13: found "strong"; policy is a mapping such as { length: 48, require: [upper, digit] }',
    ]);
  });

  it.each([
    ['alphabet: abc, require: [digit]', 'policy requires digit, which its alphabet has not'],
    [
      'require: [upper, lower], exclude: ABCDEFGHIJKLMNOPQRSTUVWXYZ',
      'policy requires upper, which its alphabet has not',
    ],
    ['alphabet: aaa', 'policy leaves fewer than two characters to choose from'],
    ['alphabet: ab, exclude: b', 'policy leaves fewer than two characters to choose from'],
    ['alphabet: "ab\\ud800"', 'policy has half a character in its alphabet (a lone surrogate), which no text can hold'],
  ])('is refused where no text can meet it: %s', (fields, expected) => {
    expect(problems(['type: postgresql', `policy: { ${fields} }`])).toEqual([
      `5:13: found an impossible policy; ${expected}`,
    ]);
  });

  it.each([
    ['a ligature', 'alphabet: "abcdefﬁ"'],
    ['a blank that is not the usual one', 'alphabet: "abcdef\\u00a0"'],
    ['a soft hyphen', 'alphabet: "abcdef\\u00ad", length: 64'],
    ['a mark that joins', 'alphabet: "abcdef\\u0301"'],
  ])('is refused where clients of PostgreSQL prepare its texts differently: %s', (_, fields) => {
    expect(problems(['type: postgresql', `policy: { ${fields} }`])).toEqual([
      '5:25: found an alphabet with characters that clients of PostgreSQL prepare differently; ligatures, soft hyphens, unusual blanks, combining marks and other characters that RFC 4013 changes are not allowed',
    ]);
    expect(problems(['type: mysql', `policy: { ${fields} }`])).toEqual([]);
    expect(problems([`policy: { ${fields} }`])).toEqual([]);
  });

  it('is well for PostgreSQL with such characters excluded, and with others beyond ASCII', () => {
    expect(problems(['type: postgresql', 'policy: { alphabet: "abcdeﬁ", exclude: "ﬁ", length: 64 }'])).toEqual([]);
    expect(problems(['type: postgresql', 'policy: { alphabet: "abcdeéß€", length: 64 }'])).toEqual([]);
  });

  it.each([
    ['mysql', 'length: 257', 'passwords of 257 bytes; mysql takes at most 256'],
    ['mariadb', 'length: 129, alphabet: "abcé"', 'passwords of up to 258 bytes; mariadb takes at most 256'],
    ['rabbitmq', 'length: 2049', 'passwords of 2049 bytes; rabbitmq takes at most 2048'],
  ])('is refused where the target of type %s does not take its texts: %s', (type, fields, expected) => {
    const [found, ...more] = problems([`type: ${type}`, 'admin_secret: root', `policy: { ${fields} }`]);
    expect(found).toBe(`6:23: found a policy for ${expected}`);
    expect(more).toEqual([]);
  });

  it.each([
    ['mysql', 'length: 256'],
    ['mariadb', 'length: 128, alphabet: "abcé"'],
    ['rabbitmq', 'length: 2048'],
    ['redis', 'length: 4096'],
    ['postgresql', 'length: 4096'],
    ['credential', 'length: 4096'],
  ])('is well for type %s with texts as long as its target takes: %s', (type, fields) => {
    expect(problems([`type: ${type}`, `policy: { ${fields} }`])).toEqual([]);
  });

  it.each([
    ['length: 18', 108],
    ['length: 111, alphabet: ab', 111],
    ['length: 33, alphabet: "0123456789"', 109],
    ['length: 20, alphabet: abcdefghijklmnopqrstuvwxyz, exclude: uvwxyz', 86],
  ])('may be guessed, with a warning: %s', (fields, bits) => {
    expect(warnings(['type: redis', `policy: { ${fields} }`])).toEqual([
      `5:13: found a policy of about ${bits} bits; 112 bits or more cannot be guessed: make length longer, or the alphabet larger`,
    ]);
  });

  it.each(['length: 19', 'length: 112, alphabet: ab', 'length: 34, alphabet: "0123456789"', ''])(
    'is well with 112 bits: %s',
    (fields) => {
      expect(warnings(['type: mysql', `policy: { ${fields} }`])).toEqual([]);
    },
  );

  it('is judged without drawing a text, however many there are', () => {
    const one = (index: number) =>
      `- { name: n${index}, rotation: daily, policy: { length: 4096, require: [lower] } }\n`;
    const bytes = Buffer.from(`secrets:\n${Array.from({ length: 8000 }, (_, index) => one(index)).join('')}`);
    let isValid = false;
    expect(
      cpuMilliseconds(() => {
        isValid = parseConfiguration({ path: 'secrets.yaml', bytes }).ok;
      }),
    ).toBeLessThan(6000);
    expect(isValid).toBe(true);
  });
});
