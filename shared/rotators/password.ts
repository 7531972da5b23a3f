import { randomInt } from 'node:crypto';
import type { PolicyDeclaration } from '../config/declaration.ts';
import { Misconfigured } from '../errors.ts';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = LOWER.toUpperCase();
const DIGITS = '0123456789';
/** No quote, backslash, blank, or character that a URL, a shell or an ACL line reads. */
const SYMBOLS = '-_.~!*+=@%^,:';

/** By type, the longest password that its target takes in a login, in bytes of UTF-8. */
export const MOST_PASSWORD_BYTES = {
  /** What the plugins take (MAX_PLAINTEXT_LENGTH). */
  mysql: 256,
  mariadb: 256,
  /** Before anything is negotiated, a frame has 4,096 bytes at most, and name and password go in one with other things. */
  rabbitmq: 2_048,
  /** From 7.0 on, a client that has not logged in may send no longer text. */
  redis: 16_384,
} as const;

const CLASSES = { lower: LOWER, upper: UPPER, digit: DIGITS, symbol: SYMBOLS } as const;

/** 32 characters of 64: 192 bits, which need no escape in a connection string. */
export const DEFAULT_POLICY: PolicyDeclaration = { length: 32, alphabet: `${LOWER}${UPPER}${DIGITS}-_`, require: [] };

/** Of so many draws one at least has every required class, on average: else a text would take seconds to find. */
const DRAWS = 10_000;

/** `integer(n)`: 0 … n - 1, each as likely. */
export type RandomInteger = (below: number) => number;

/**
 * A random text by `policy`, every such text as likely as any other: characters are drawn without bias, and a draw that
 * lacks a required class is thrown away whole. Throws `Misconfigured` for a policy that no text can meet.
 */
export function randomPassword(policy: PolicyDeclaration = DEFAULT_POLICY, integer: RandomInteger = randomInt): string {
  const alphabet = alphabetOf(policy);
  const classes = classesOf(policy, alphabet);
  assertPossible(policy, alphabet, classes);
  for (;;) {
    const drawn = Array.from({ length: policy.length }, () => alphabet[integer(alphabet.length)] ?? '');
    if (hasEvery(classes, drawn)) return drawn.join('');
  }
}

/** Whether a text is one of those that `randomPassword` may answer. */
export function meetsPolicy(text: string, policy: PolicyDeclaration = DEFAULT_POLICY): boolean {
  const alphabet = alphabetOf(policy);
  const members = new Set(alphabet);
  const characters = Array.from(text);
  if (characters.length !== policy.length || !characters.every((character) => members.has(character))) return false;
  return hasEvery(classesOf(policy, alphabet), characters);
}

/** The characters of a policy, each once; one outside the basic plane, which JavaScript has as two units, is one. */
export function alphabetOf({ alphabet, exclude = '', require }: PolicyDeclaration): readonly string[] {
  const base = alphabet ?? `${LOWER}${UPPER}${DIGITS}${require.includes('symbol') ? SYMBOLS : '-_'}`;
  const excluded = new Set(exclude);
  return [...new Set(base)].filter((character) => !excluded.has(character));
}

/**
 * That a target of `type` does not take every password by `policy`, and why; undefined where it does. Judged by the longest
 * that may be drawn: a rotation must not depend on what was drawn.
 */
export function tooLongFor(type: string | undefined, policy: PolicyDeclaration = DEFAULT_POLICY): string | undefined {
  const most = new Map<string | undefined, number>(Object.entries(MOST_PASSWORD_BYTES)).get(type);
  const widest = Math.max(...alphabetOf(policy).map((character) => Buffer.byteLength(character)));
  if (most === undefined || policy.length * widest <= most) return undefined;
  return `passwords of ${widest === 1 ? '' : 'up to '}${policy.length * widest} bytes; ${type} takes at most ${most}`;
}

/**
 * Throws `Misconfigured` where a target of `type` does not take every password by `policy`: for preflight, because the
 * parser of `secrets.yaml` does not know the type of a secret that leaves it to its value.
 */
export function assertNotTooLong(type: keyof typeof MOST_PASSWORD_BYTES, policy: PolicyDeclaration | undefined): void {
  const fault = tooLongFor(type, policy);
  if (fault !== undefined) throw new Misconfigured(`policy is for ${fault}: make its length shorter.`);
}

type Classes = ReadonlyMap<keyof typeof CLASSES, ReadonlySet<string>>;

function classesOf({ require }: PolicyDeclaration, alphabet: readonly string[]): Classes {
  return new Map(require.map((name) => [name, classIn(name, alphabet)]));
}

function classIn(name: keyof typeof CLASSES, alphabet: readonly string[]): ReadonlySet<string> {
  // A declared alphabet may have symbols of its own: whatever is neither letter nor digit.
  if (name === 'symbol')
    return new Set(alphabet.filter((character) => !`${LOWER}${UPPER}${DIGITS}`.includes(character)));
  return new Set(alphabet.filter((character) => CLASSES[name].includes(character)));
}

function hasEvery(classes: Classes, characters: readonly string[]): boolean {
  return [...classes.values()].every((members) => characters.some((character) => members.has(character)));
}

function assertPossible({ length }: PolicyDeclaration, alphabet: readonly string[], classes: Classes): void {
  const missing = [...classes].flatMap(([name, members]) => (members.size === 0 ? [name] : []));
  if (missing.length > 0) throw new Misconfigured(`policy requires ${missing.join(', ')}, which its alphabet has not.`);
  if (alphabet.length < 2) throw new Misconfigured('policy leaves fewer than two characters to choose from.');
  if (alphabet.some((character) => !character.isWellFormed())) {
    throw new Misconfigured('policy has half a character in its alphabet (a lone surrogate), which no text can hold.');
  }
  if (!Number.isSafeInteger(length) || length < 1) throw new Misconfigured('policy needs a length of at least 1.');
  if (length < classes.size) throw new Misconfigured('policy requires more classes than its length has room for.');
  const sizes = [...classes.values()].map(({ size }) => size);
  if (chanceOfEvery(sizes, { length, among: alphabet.length }) * DRAWS >= 1) return;
  throw new Misconfigured('policy is so narrow that hardly any text meets it; make length longer.');
}

/** That a draw has a member of every class: inclusion and exclusion, because no character is in two classes. */
function chanceOfEvery(
  sizes: readonly number[],
  { length, among }: { readonly length: number; readonly among: number },
): number {
  const [size, ...rest] = sizes;
  if (size === undefined || size === among) return 1;
  const without = among - size;
  // Of all draws, those that lack the first class are draws from the others only.
  return (
    chanceOfEvery(rest, { length, among }) -
    (without / among) ** length * chanceOfEvery(rest, { length, among: without })
  );
}
