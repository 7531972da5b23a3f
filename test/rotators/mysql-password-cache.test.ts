import { expect, it } from 'vitest';
import { SecretText } from '../../shared/redact.ts';
import { parseCredential } from '../../shared/rotators/mysql/credential-json.ts';
import { assertFillsCache } from '../../shared/rotators/mysql/password-cache.ts';
import { faultOf } from './mysql-harness.ts';

const CACHED = 'caching_sha2_password';

interface Found {
  readonly plugin: string;
  readonly isEncrypted?: boolean;
  readonly host?: string;
  readonly ssl?: boolean;
}

const cases: readonly (readonly [string, Found, string | undefined])[] = [
  ['lives on the cache', { plugin: CACHED }, 'TargetUnreachable'],
  ['has TLS', { plugin: CACHED, isEncrypted: true }, undefined],
  ['is where the server is', { plugin: CACHED, host: '127.0.0.1' }, undefined],
  ['is told to do without TLS', { plugin: CACHED, ssl: false }, undefined],
  ['has a password that is not cached', { plugin: 'mysql_native_password' }, undefined],
];

it.each(cases)('empties the cache only where it can fill it: Rekey that %s', async (_, found, fault) => {
  const { plugin, isEncrypted = false, host = 'db.example.com', ssl } = found;
  const value = { engine: 'mysql', host, username: 'app', password: 'pw', ssl };
  const credential = parseCredential(new SecretText(JSON.stringify(value)), 'incumbent', undefined);
  const asserting = async () => assertFillsCache({ isEncrypted }, { plugin, hash: '' }, credential);
  expect(((await faultOf(asserting())) as Error | undefined)?.name).toBe(fault);
});
