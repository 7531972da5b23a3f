import { describe, expect, it } from 'vitest';
import type { PolicyDeclaration } from '../../../../shared/config/declaration.ts';
import { Misconfigured } from '../../../../shared/errors.ts';
import {
  alphabetOf,
  DEFAULT_POLICY,
  meetsPolicy,
  type RandomInteger,
  randomPassword,
} from '../../../../shared/rotators/password.ts';
import * as fc from '../../../harness/properties.ts';

const policy = (more: Partial<PolicyDeclaration>): PolicyDeclaration => ({ length: 16, require: [], ...more });

/** The same numbers at every run: SplitMix32, as evenly spread as anybody needs here. */
function seeded(seed: number): RandomInteger {
  let state = seed;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * below);
  };
}

describe('a random password', () => {
  it('is 32 characters of letters, digits, - and _ by default', () => {
    const passwords = new Set(Array.from({ length: 100 }, () => randomPassword()));
    expect(passwords.size).toBe(100);
    for (const password of passwords) expect(password).toMatch(/^[\w-]{32}$/);
    expect(alphabetOf(DEFAULT_POLICY)).toHaveLength(64);
  });

  it('asks its source for exactly as many numbers as the alphabet has characters, once for each character', () => {
    const asked: number[] = [];
    const integer: RandomInteger = (below) => {
      asked.push(below);
      return asked.length % below;
    };
    randomPassword(policy({ length: 5, alphabet: 'abcdefghijk', exclude: 'c' }), integer);
    expect(asked).toEqual([10, 10, 10, 10, 10]);
  });

  it('draws every character as often as any other', () => {
    const integer = seeded(1);
    const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789-_.';
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 2_000; draw += 1) {
      for (const character of randomPassword(policy({ length: 39, alphabet }), integer)) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(39);
    const expected = (2_000 * 39) / 39;
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 38 degrees of freedom: beyond 84 once in 30,000; a modulo of bytes (256 % 39) comes to several hundred.
    expect(chiSquare).toBeLessThan(84);
  });

  it('draws every text that meets the policy as often as any other', () => {
    // 'ab1' with one digit at least, in 2 characters: 5 texts of 9.
    const integer = seeded(2);
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 5_000; draw += 1) {
      const text = randomPassword(policy({ length: 2, alphabet: 'ab1', require: ['digit'] }), integer);
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['11', '1a', '1b', 'a1', 'b1']);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
    // 4 degrees of freedom: beyond 24 once in 10,000. Putting a digit at a random place would come to over 1,000.
    expect(chiSquare).toBeLessThan(24);
  });

  it('has every required class, and a class in a declared alphabet is what that has of it', () => {
    const strict = policy({ length: 8, require: ['lower', 'upper', 'digit', 'symbol'] });
    for (let draw = 0; draw < 200; draw += 1) {
      const password = randomPassword(strict);
      for (const pattern of [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/]) expect(password).toMatch(pattern);
    }
    expect(randomPassword(policy({ length: 6, alphabet: 'ab€', require: ['symbol', 'lower'] }))).toMatch(/€/);
  });

  it('takes a character outside the basic plane as one', () => {
    const smileys = policy({ length: 10, alphabet: '😀😁a', exclude: '😁' });
    expect(alphabetOf(smileys)).toEqual(['😀', 'a']);
    for (let draw = 0; draw < 50; draw += 1) {
      const password = randomPassword(smileys);
      expect(Array.from(password)).toHaveLength(10);
      expect(password.isWellFormed()).toBe(true);
      expect(meetsPolicy(password, smileys)).toBe(true);
    }
  });

  it.each<[string, Partial<PolicyDeclaration>]>([
    ['a class that the alphabet has not', { alphabet: 'abc', require: ['digit'] }],
    ['a class that is excluded', { alphabet: 'abc1', exclude: '1', require: ['digit'] }],
    ['more classes than characters', { length: 2, require: ['lower', 'upper', 'digit'] }],
    ['one character to choose from', { alphabet: 'aaab', exclude: 'b' }],
    ['nothing to choose from', { alphabet: 'ab', exclude: 'ab' }],
    ['no length', { length: 0 }],
    ['half a length', { length: 2.5 }],
    ['a length that is no number', { length: Number.NaN }],
    ['half a character', { alphabet: 'ab\ud800' }],
    ['a text in a hundred thousand', { length: 1, alphabet: `1${hundredThousand()}`, require: ['digit'] }],
  ])('refuses a policy with %s', (_, more) => {
    expect(() => randomPassword(policy(more))).toThrow(Misconfigured);
  });

  it('finds a text where few meet the policy', () => {
    // Four characters with all four classes, one symbol among 63: a hundredth of all draws.
    const narrow = policy({ length: 4, alphabet: alphabetOf(policy({})).join(''), exclude: '_', require: ALL });
    expect(meetsPolicy(randomPassword(narrow), narrow)).toBe(true);
  });

  it('meets any policy that it does not refuse, and says the same of a class required twice', () => {
    const policies = fc.record({
      length: fc.integer({ min: 1, max: 64 }),
      alphabet: fc.option(fc.string({ unit: 'binary', minLength: 0, maxLength: 40 }), { nil: undefined }),
      exclude: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }), { nil: undefined }),
      require: fc.array(fc.constantFrom(...ALL), { maxLength: 6 }),
    });
    let met = 0;
    fc.assert(
      fc.property(policies, fc.integer(), ({ alphabet, exclude, ...rest }, seed) => {
        const given = {
          ...rest,
          ...(alphabet === undefined ? {} : { alphabet }),
          ...(exclude === undefined ? {} : { exclude }),
        };
        let password: string;
        try {
          password = randomPassword(given, seeded(seed));
        } catch (error) {
          expect(error).toBeInstanceOf(Misconfigured);
          return;
        }
        met += 1;
        const characters = Array.from(password);
        expect(characters).toHaveLength(given.length);
        expect(password.isWellFormed()).toBe(true);
        const excluded = new Set(exclude);
        const allowed = new Set(alphabetOf(given).filter((character) => !excluded.has(character)));
        expect(characters.filter((character) => !allowed.has(character))).toEqual([]);
        expect(meetsPolicy(password, given)).toBe(true);
        expect(meetsPolicy(password, { ...given, require: [...given.require, ...given.require] })).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(met).toBeGreaterThan(100);
  });

  it('tells a text that does not meet the policy', () => {
    const given = policy({ length: 4, alphabet: 'abc123', require: ['digit'] });
    expect(['ab1c', '1111'].map((text) => meetsPolicy(text, given))).toEqual([true, true]);
    expect(['abca', 'ab1', 'ab1cc', 'ab1x', ''].map((text) => meetsPolicy(text, given))).toEqual(
      Array.from({ length: 5 }, () => false),
    );
  });
});

const ALL = ['lower', 'upper', 'digit', 'symbol'] as const;

/** Characters of which none is a digit. */
function hundredThousand(): string {
  return Array.from({ length: 100_000 }, (_, index) => String.fromCodePoint(0x20000 + index)).join('');
}
