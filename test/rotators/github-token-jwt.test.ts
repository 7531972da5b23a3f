import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { appJwt } from '../../shared/rotators/github-token/app-jwt.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

describe("the App's JWT", () => {
  const now = new Date('2026-03-01T12:00:00.900Z');
  const { jwt, expiresAt } = appJwt({ appId: 17, key: privateKey }, now);
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown;

  it('is issued a minute ago, in whole seconds, and ends within ten minutes from now', () => {
    const seconds = Date.parse('2026-03-01T12:00:00Z') / 1000;
    expect(read(payload)).toEqual({ iss: 17, iat: seconds - 60, exp: seconds + 540 });
    expect(expiresAt).toBe('2026-03-01T12:09:00.000Z');
  });

  it('is signed with RS256', () => {
    expect(read(header)).toEqual({ alg: 'RS256', typ: 'JWT' });
    const signed = Buffer.from(`${header}.${payload}`);
    expect(verify('sha256', signed, createPublicKey(privateKey), Buffer.from(signature, 'base64url'))).toBe(true);
  });
});
