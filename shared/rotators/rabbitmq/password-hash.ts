import { createHash, randomBytes } from 'node:crypto';

/** https://www.rabbitmq.com/docs/passwords: base64 of the salt and of the digest of salt and password. */
const SALT_BYTES = 4;
const SHA512 = 'rabbit_password_hashing_sha512';
const DIGESTS: Readonly<Record<string, string>> = {
  rabbit_password_hashing_md5: 'md5',
  rabbit_password_hashing_sha256: 'sha256',
  [SHA512]: 'sha512',
};

/** What the broker knows of a user's password. */
export interface PasswordHash {
  readonly passwordHash: string;
  readonly hashingAlgorithm: string;
}

/** For the broker in place of the password, with a fresh salt. */
export function hashPassword(password: string): PasswordHash {
  const salt = randomBytes(SALT_BYTES);
  return { passwordHash: joined(salt, digestOf('sha512', salt, password)), hashingAlgorithm: SHA512 };
}

/** Whether it is the hash of `password`; `undefined` for an algorithm that a plugin brings. */
export function isHashOf({ passwordHash, hashingAlgorithm }: PasswordHash, password: string): boolean | undefined {
  const algorithm = Object.hasOwn(DIGESTS, hashingAlgorithm) ? DIGESTS[hashingAlgorithm] : undefined;
  if (algorithm === undefined) return undefined;
  const salt = Buffer.from(passwordHash, 'base64').subarray(0, SALT_BYTES);
  return passwordHash === joined(salt, digestOf(algorithm, salt, password));
}

/**
 * The hash of no password, for a user whose credential has ended: it says so to whoever computes it again (`isEnded`),
 * and differs from one ended version to the next, so that nobody who saw the one can take the other for it. An empty hash
 * would end the password as well, but look the same each time.
 *
 * A SHA-3 digest stands where the broker expects one of SHA-512: no text is known that has it.
 */
export function endedHash(username: string, versionId: string): PasswordHash {
  const salt = createHash('sha256').update(versionId).digest().subarray(0, SALT_BYTES);
  return { passwordHash: joined(salt, endedDigest(username, salt)), hashingAlgorithm: SHA512 };
}

/** Whether no password opens this user: what `endedHash` made for it, or no hash at all. */
export function isEnded({ name, passwordHash }: PasswordHash & { readonly name: string }): boolean {
  if (passwordHash === '') return true;
  const salt = Buffer.from(passwordHash, 'base64').subarray(0, SALT_BYTES);
  return passwordHash === joined(salt, endedDigest(name, salt));
}

function endedDigest(username: string, salt: Buffer): Buffer {
  return createHash('sha3-512').update('ended by Rekey\0').update(salt).update(username).digest();
}

function digestOf(algorithm: string, salt: Buffer, password: string): Buffer {
  return createHash(algorithm).update(salt).update(password).digest();
}

function joined(salt: Buffer, digest: Buffer): string {
  return Buffer.concat([salt, digest]).toString('base64');
}
