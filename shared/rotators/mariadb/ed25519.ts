import { createHash } from 'node:crypto';

// Ed25519 (RFC 8032, section 5.1) where the secret is a text of any length: MariaDB hashes the password itself, where
// node:crypto takes a seed of 32 bytes. https://mariadb.com/kb/en/authentication-plugin-ed25519/
const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const BASE_Y = mod(4n * inverse(5n));
const BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202n;

/** Extended homogeneous coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

const BASE: Point = [BASE_X, BASE_Y, 1n, mod(BASE_X * BASE_Y)];
const NEUTRAL: Point = [0n, 1n, 1n, 0n];

/** What MariaDB stores for a password with its plugin `ed25519`: the public key, 43 characters. */
export function ed25519PublicKey(password: string): string {
  return encode(multiply(BASE, secretScalar(digest(Buffer.from(password)))))
    .toString('base64')
    .replace(/=+$/, '');
}

/** The answer to MariaDB's challenge (plugin `client_ed25519`): a signature of it, 64 bytes. */
export function ed25519Signature(password: string, challenge: Buffer): Buffer {
  const expanded = digest(Buffer.from(password));
  const scalar = secretScalar(expanded);
  const publicKey = encode(multiply(BASE, scalar));
  const nonce = little(digest(expanded.subarray(32), challenge)) % ORDER;
  const commitment = encode(multiply(BASE, nonce));
  const hash = little(digest(commitment, publicKey, challenge)) % ORDER;
  return Buffer.concat([commitment, littleBytes((nonce + hash * scalar) % ORDER)]);
}

function digest(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function secretScalar(expanded: Buffer): bigint {
  const bytes = Buffer.from(expanded.subarray(0, 32));
  bytes[0] = (bytes[0] ?? 0) & 248;
  bytes[31] = ((bytes[31] ?? 0) & 63) | 64;
  return little(bytes);
}

function multiply(point: Point, scalar: bigint): Point {
  let result = NEUTRAL;
  let doubled = point;
  for (let left = scalar; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = add(result, doubled);
    doubled = add(doubled, doubled);
  }
  return result;
}

/** RFC 8032, section 5.1.4; complete: it adds a point to itself too. */
function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function encode([x, y, z]: Point): Buffer {
  const scale = inverse(z);
  const bytes = littleBytes(mod(y * scale));
  if ((mod(x * scale) & 1n) === 1n) bytes[31] = (bytes[31] ?? 0) | 128;
  return bytes;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

/** By Fermat's little theorem: value^(P - 2). */
function inverse(value: bigint): bigint {
  let result = 1n;
  let power = mod(value);
  for (let left = P - 2n; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = mod(result * power);
    power = mod(power * power);
  }
  return result;
}

function little(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function littleBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}
