import { hash } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** In which order the digest's bytes are written, three at a time. */
const ORDER = [
  [0, 10, 20],
  [21, 1, 11],
  [12, 22, 2],
  [3, 13, 23],
  [24, 4, 14],
  [15, 25, 5],
  [6, 16, 26],
  [27, 7, 17],
  [18, 28, 8],
  [9, 19, 29],
] as const;

/**
 * The 43 characters of SHA-crypt with SHA-256 (https://www.akkadia.org/drepper/SHA-crypt.txt), which MySQL stores for
 * `caching_sha2_password` and `sha256_password`; unlike crypt(3) it takes the whole salt of 20 bytes.
 */
export function sha256Crypt(password: Buffer, salt: Buffer, rounds: number): string {
  const alternate = sha256(password, salt, password);
  const start = [password, salt, repeated(alternate, password.length)];
  for (let bits = password.length; bits > 0; bits >>= 1) start.push((bits & 1) === 1 ? alternate : password);
  let digest = sha256(...start);
  const spreadPassword = repeated(sha256(...times(password, password.length)), password.length);
  const spreadSalt = repeated(sha256(...times(salt, 16 + (digest[0] ?? 0))), salt.length);
  for (let round = 0; round < rounds; round += 1) {
    const isOdd = (round & 1) === 1;
    const parts = [isOdd ? spreadPassword : digest];
    if (round % 3 !== 0) parts.push(spreadSalt);
    if (round % 7 !== 0) parts.push(spreadPassword);
    parts.push(isOdd ? digest : spreadPassword);
    digest = sha256(...parts);
  }
  const at = (index: number): number => digest[index] ?? 0;
  return [
    ...ORDER.map(([a, b, c]) => written((at(a) << 16) | (at(b) << 8) | at(c), 4)),
    written((at(31) << 8) | at(30), 3),
  ].join('');
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer');
}

function times(part: Buffer, count: number): readonly Buffer[] {
  return Array.from({ length: count }, () => part);
}

function repeated(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

/** Six bits a character, the lowest first. */
function written(bits: number, characters: number): string {
  return Array.from({ length: characters }, (_, index) => ALPHABET[(bits >> (6 * index)) & 63]).join('');
}
