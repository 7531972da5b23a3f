import { describe, expect, it } from 'vitest';
import { endedHash, hashPassword, isEnded, isHashOf } from '../../shared/rotators/rabbitmq/password-hash.ts';
import * as fc from '../harness/properties.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const SHA256 = 'rabbit_password_hashing_sha256';

describe('the hash of a password', () => {
  // https://www.rabbitmq.com/docs/passwords, "This is the Algorithm".
  it('is the one of the broker’s documentation', () => {
    const passwordHash = 'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR';
    expect(isHashOf({ passwordHash, hashingAlgorithm: SHA256 }, 'test12')).toBe(true);
    expect(isHashOf({ passwordHash, hashingAlgorithm: SHA256 }, 'test13')).toBe(false);
  });

  it('is of that password, and of no other, and another each time', () => {
    fc.assert(
      fc.property(text, text, (password, other) => {
        const hash = hashPassword(password);
        expect(isHashOf(hash, password)).toBe(true);
        expect(isHashOf(hash, other)).toBe(other === password);
        expect(hashPassword(password).passwordHash).not.toBe(hash.passwordHash);
      }),
    );
  });

  it('is not judged where a plugin has made it', () => {
    expect(isHashOf({ passwordHash: 'AAAA', hashingAlgorithm: 'my_hashing' }, 'x')).toBeUndefined();
    expect(isHashOf({ passwordHash: 'AAAA', hashingAlgorithm: 'constructor' }, 'x')).toBeUndefined();
  });

  it.each(['', 'AAAA', 'not base64 at all', 'AAAAAAAA'])('is not %j, whatever the password', (passwordHash) => {
    expect(isHashOf({ passwordHash, hashingAlgorithm: SHA256 }, '')).toBe(false);
  });
});

describe('the hash of a credential that has ended', () => {
  it('says so, of its own user only, and is of no password', () => {
    fc.assert(
      fc.property(text, text, fc.uuid(), (name, other, versionId) => {
        const hash = endedHash(name, versionId);
        expect(isEnded({ name, ...hash })).toBe(true);
        expect(isEnded({ name: other, ...hash })).toBe(other === name);
        expect(endedHash(name, versionId)).toEqual(hash);
        for (const password of ['', name, versionId]) expect(isHashOf(hash, password)).toBe(false);
        // As long as a real one, so that no broker takes exception to it.
        expect(Buffer.from(hash.passwordHash, 'base64')).toHaveLength(4 + 64);
      }),
    );
  });

  it('is another for another version', () => {
    expect(endedHash('app', 'v1')).not.toEqual(endedHash('app', 'v2'));
  });

  it('is not the hash of a password', () => {
    fc.assert(
      fc.property(text, text, (name, password) => {
        expect(isEnded({ name, ...hashPassword(password) })).toBe(false);
      }),
    );
  });

  it('may be no hash at all', () => {
    expect(isEnded({ name: 'app', passwordHash: '', hashingAlgorithm: SHA256 })).toBe(true);
  });
});
