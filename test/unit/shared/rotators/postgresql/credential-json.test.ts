import { describe, expect, it } from 'vitest';
import { Misconfigured } from '../../../../../shared/errors.ts';
import { SecretText } from '../../../../../shared/redact.ts';
import {
  adminLogin,
  candidateJson,
  parseCredential,
} from '../../../../../shared/rotators/postgresql/credential-json.ts';
import * as fc from '../../../../harness/properties.ts';

const base = { engine: 'postgres', host: 'db.test', username: 'app', password: 'S3cret-value' };
const secret = (value: unknown) => new SecretText(JSON.stringify(value));

describe('a secret in the AWS database convention', () => {
  it('completes port and database, and takes both forms of a port', () => {
    expect(parseCredential(secret(base), 'incumbent').login).toMatchObject({
      port: 5432,
      dbname: 'postgres',
      tls: 'prefer',
    });
    expect(parseCredential(secret({ ...base, port: '6432', ssl: 'true' }), 'incumbent').login).toMatchObject({
      port: 6432,
      tls: 'require',
    });
  });

  it.each([
    ['another engine', { ...base, engine: 'mysql' }, /engine/],
    ['no username', { ...base, username: undefined }, /username/],
    ['a username that PostgreSQL would cut', { ...base, username: 'x'.repeat(64) }, /username/],
    ['a NUL in the password', { ...base, password: 'a\0b' }, /password/],
    ['a socket as host', { ...base, host: '/tmp' }, /host/],
    ['a port out of range', { ...base, port: 70_000 }, /port/],
    ['no host anywhere', { ...base, host: undefined }, /host/],
    ['no object', 'S3cret-value', /JSON object/],
  ])('is Misconfigured with %s, naming the key only', (_, value, message) => {
    const parse = () => parseCredential(secret(value), 'incumbent');
    expect(parse).toThrow(Misconfigured);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/S3cret-value/);
  });

  it('keeps no cause that quotes a text that is not JSON', () => {
    try {
      parseCredential(new SecretText('S3cret-value{'), 'incumbent');
      expect.unreachable();
    } catch (error) {
      expect((error as Error).cause).toBeUndefined();
    }
  });

  it('carries over every other key of any JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (extra) => {
        const json = { ...extra, ...base };
        for (const key of ['port', 'dbname', 'ssl']) delete (json as Record<string, unknown>)[key];
        const incumbent = parseCredential(secret(json), 'incumbent');
        const made = candidateJson({ incumbent, connection: undefined, username: 'app_a', password: 'new' });
        expect(JSON.parse(made.reveal())).toEqual(
          JSON.parse(JSON.stringify({ ...json, username: 'app_a', password: 'new' })),
        );
      }),
    );
  });
});

it('takes the administrator only to the server that its own secret names, or that is declared', () => {
  const target = parseCredential(secret(base), 'incumbent').login;
  const nameless = secret({ username: 'root', password: 'x' });
  expect(() => adminLogin(nameless, target)).toThrow(Misconfigured);
  const declared = { host: target.host, port: target.port, dbname: 'app', tls: 'prefer' } as const;
  expect(adminLogin(nameless, target, declared).host).toBe('db.test');
  expect(() => adminLogin(nameless, target, { ...declared, host: 'other.test' })).toThrow(Misconfigured);
  expect(adminLogin(secret({ ...base, host: 'DB.test' }), target).username).toBe('app');
  expect(() => adminLogin(secret({ ...base, host: 'evil.test' }), target)).toThrow(Misconfigured);
  expect(() => adminLogin(secret({ ...base, port: 1 }), target)).toThrow(Misconfigured);
});
