import { randomInt } from 'node:crypto';
import type { PolicyDeclaration } from '../config/declaration.ts';
import { Misconfigured } from '../errors.ts';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = LOWER.toUpperCase();
const DIGITS = '0123456789';
/** No quote, backslash, blank, or character that a URL, a shell or an ACL line reads. */
const SYMBOLS = '-_.~!*+=@%^,:';

const CLASSES = { lower: LOWER, upper: UPPER, digit: DIGITS, symbol: SYMBOLS } as const;

/** 32 characters of 64: 192 bits, which need no escape in a connection string. */
export const DEFAULT_POLICY: PolicyDeclaration = { length: 32, alphabet: `${LOWER}${UPPER}${DIGITS}-_`, require: [] };

/** `integer(n)`: 0 … n - 1, each as likely. */
export type RandomInteger = (below: number) => number;

/**
 * A random text by `policy`, every such text as likely as any other: characters are drawn without bias, and a draw that
 * lacks a required class is thrown away whole. Throws `Misconfigured` for a policy that no text can meet.
 */
export function randomPassword(policy: PolicyDeclaration = DEFAULT_POLICY, integer: RandomInteger = randomInt): string {
  const alphabet = alphabetOf(policy);
  const classes = policy.require.map((name) => classIn(name, alphabet));
  assertPossible(policy, alphabet, classes);
  for (;;) {
    const drawn = Array.from({ length: policy.length }, () => alphabet[integer(alphabet.length)] ?? '');
    if (classes.every((members) => drawn.some((character) => members.has(character)))) return drawn.join('');
  }
}

/** The characters of a policy, each once. */
export function alphabetOf({ alphabet, exclude = '', require }: PolicyDeclaration): readonly string[] {
  const base = alphabet ?? `${LOWER}${UPPER}${DIGITS}${require.includes('symbol') ? SYMBOLS : '-_'}`;
  const excluded = new Set(exclude);
  return [...new Set(base)].filter((character) => !excluded.has(character));
}

function classIn(name: keyof typeof CLASSES, alphabet: readonly string[]): ReadonlySet<string> {
  // A declared alphabet may have symbols of its own: whatever is neither letter nor digit.
  if (name === 'symbol') return new Set(alphabet.filter((character) => !`${LOWER}${UPPER}${DIGITS}`.includes(character)));
  return new Set(alphabet.filter((character) => CLASSES[name].includes(character)));
}

function assertPossible(
  { length, require }: PolicyDeclaration,
  alphabet: readonly string[],
  classes: readonly ReadonlySet<string>[],
): void {
  const missing = require.filter((_, index) => classes[index]?.size === 0);
  if (missing.length > 0) throw new Misconfigured(`policy requires ${missing.join(', ')}, which its alphabet has not.`);
  if (alphabet.length < 2) throw new Misconfigured('policy leaves fewer than two characters to choose from.');
  if (length < require.length) throw new Misconfigured('policy requires more classes than its length has room for.');
  // A draw must lack a class seldom enough: else drawing again and again would take for ever.
  const unlikely = classes.reduce((sum, { size }) => sum + (1 - size / alphabet.length) ** length, 0);
  if (unlikely > 0.999) throw new Misconfigured('policy is so narrow that hardly any text meets it; make length longer.');
}
