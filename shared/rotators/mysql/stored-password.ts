import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { sha256Crypt } from './sha256-crypt.ts';

/** A password as the server keeps it: the plugin that checks it, and what that compares with. */
export interface StoredPassword {
  readonly plugin: string;
  readonly hash: string;
}

const SALT_CHARACTERS = 20;
const NATIVE_BYTES = 20;
/** `caching_sha2_password` writes thousands of rounds in hexadecimal; 5 is its default and least. */
const CACHING_ROUNDS = 5;
const CACHING = /^\$A\$([0-9A-F]{3})\$([\s\S]{20})([./0-9A-Za-z]{43})$/i;
const SHA256 = /^\$5\$([\s\S]{20})\$([./0-9A-Za-z]{43})$/;
const SHA256_ROUNDS = 5_000;

/** Plugins of MySQL and MariaDB whose hashes Rekey computes itself, so that no statement carries a password. */
export function makesHash(plugin: string): boolean {
  return ['caching_sha2_password', 'sha256_password', 'mysql_native_password'].includes(plugin);
}

/** What the server would store for `password`. The salt follows from `context` alone: the same again on a retry. */
export function storedFor(plugin: string, password: string, context: string): StoredPassword {
  return { plugin, hash: hashWith(plugin, Buffer.from(password), saltFor(context)) };
}

/** Whether `password` is the one that the server keeps. */
export function isPasswordOf({ plugin, hash }: StoredPassword, password: string): boolean {
  const plain = Buffer.from(password);
  if (plugin === 'mysql_native_password') return isSame(hash.toUpperCase(), nativeHash(plain));
  const [, rounds = '0', salt, digest] = CACHING.exec(hash) ?? [];
  if (plugin === 'caching_sha2_password' && salt !== undefined && digest !== undefined) {
    return isSame(digest, sha256Crypt(plain, Buffer.from(salt, 'latin1'), Number.parseInt(rounds, 16) * 1_000));
  }
  const [, oldSalt, oldDigest] = SHA256.exec(hash) ?? [];
  if (plugin === 'sha256_password' && oldSalt !== undefined && oldDigest !== undefined) {
    return isSame(oldDigest, sha256Crypt(plain, Buffer.from(oldSalt, 'latin1'), SHA256_ROUNDS));
  }
  return false;
}

/** Which credential had its place where nobody can log in any more. */
export interface Closing {
  readonly secretId: string;
  readonly versionId: string;
}

/**
 * A password that nobody has ever known, in a form that only Rekey gives it: the salt (without one, the hash) begins with
 * what says for which secret and version it was set. Everything else of it is random.
 */
export function unusablePassword(plugin: string, closing: Closing): StoredPassword {
  const mark = Buffer.concat([tagOf(closing.secretId), tagOf(closing.versionId)]);
  if (plugin === 'mysql_native_password') {
    return { plugin, hash: nativeText(Buffer.concat([mark, randomBytes(NATIVE_BYTES - mark.length)])) };
  }
  const salt = Buffer.concat([mark, randomBytes(SALT_CHARACTERS)])
    .toString('base64url')
    .slice(0, SALT_CHARACTERS);
  return { plugin, hash: hashWith(plugin, randomBytes(24), salt) };
}

/** Whether `unusablePassword` made it, for this secret and, where that is asked, this version. */
export function isUnusable({ hash }: StoredPassword, { secretId, versionId }: Of): boolean {
  const mark = Buffer.concat([tagOf(secretId), ...(versionId === undefined ? [] : [tagOf(versionId)])]);
  const [, , salt = SHA256.exec(hash)?.[1]] = CACHING.exec(hash) ?? [];
  return salt === undefined
    ? hash.toUpperCase().startsWith(nativeText(mark))
    : salt.startsWith(mark.toString('base64url'));
}

type Of = Pick<Closing, 'secretId'> & Partial<Closing>;

/** Six bytes: whole characters in hexadecimal and in base64. */
function tagOf(text: string): Buffer {
  return createHash('sha256').update(`closed by rekey\0${text}`).digest().subarray(0, 6);
}

function hashWith(plugin: string, password: Buffer, salt: string): string {
  if (plugin === 'mysql_native_password') return nativeHash(password);
  if (plugin === 'sha256_password') return `$5$${salt}$${sha256Crypt(password, Buffer.from(salt), SHA256_ROUNDS)}`;
  const rounds = CACHING_ROUNDS.toString(16).padStart(3, '0');
  return `$A$${rounds}$${salt}${sha256Crypt(password, Buffer.from(salt), CACHING_ROUNDS * 1_000)}`;
}

function nativeHash(password: Buffer): string {
  const once = createHash('sha1').update(password).digest();
  return nativeText(createHash('sha1').update(once).digest());
}

function nativeText(digest: Buffer): string {
  return `*${digest.toString('hex').toUpperCase()}`;
}

/** Letters, digits, `-` and `_`: none that the format gives a meaning. Says nothing of the password. */
function saltFor(context: string): string {
  return createHash('sha256').update(context).digest('base64url').slice(0, SALT_CHARACTERS);
}

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
