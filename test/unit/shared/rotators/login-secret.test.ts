import { describe, expect, it } from 'vitest';
import { SecretText } from '../../../../shared/redact.ts';
import { adminLogin as mysqlAdmin } from '../../../../shared/rotators/mysql/credential-json.ts';
import {
  adminLogin as postgresqlAdmin,
  parseCredential,
} from '../../../../shared/rotators/postgresql/credential-json.ts';
import { adminLogin as redisAdmin } from '../../../../shared/rotators/redis/credential-json.ts';

const PLACE = { host: 'db.example.com', port: 7000 };
const secret = (fields: object) =>
  new SecretText(JSON.stringify({ username: 'a', password: 'b', ...PLACE, ...fields }));

/** The administrator's login, by what the rotated secret and the administrator's own say of TLS. */
const ADMINS = {
  postgresql: (tls: 'prefer' | 'require' | 'disable', own: object) =>
    postgresqlAdmin(secret(own), { ...PLACE, dbname: 'x', tls }).tls,
  mysql: (tls: 'prefer' | 'require' | 'disable', own: object) =>
    mysqlAdmin(secret(own), { ...PLACE, dbname: undefined, tls }).tls,
  redis: (tls: 'prefer' | 'require' | 'disable', own: object) => redisAdmin(secret(own), { ...PLACE, tls }).tls,
};

describe.each(Object.entries(ADMINS))("an administrator's login at %s", (_, tlsOfAdmin) => {
  it('is not taken out of TLS by what the rotated secret says', () => {
    expect(tlsOfAdmin('disable', {})).toBe('prefer');
    expect(tlsOfAdmin('disable', { ssl: true })).toBe('require');
    expect(tlsOfAdmin('prefer', { ssl: 'true' })).toBe('require');
  });

  it('goes without TLS only where both say so, and with it where one asks for it', () => {
    expect(tlsOfAdmin('disable', { ssl: false })).toBe('disable');
    expect(tlsOfAdmin('require', { ssl: false })).toBe('require');
  });

  it('goes only to the server that its own secret names', () => {
    expect(() => tlsOfAdmin('prefer', { host: 'elsewhere.example.com' })).toThrow('does not name this server');
    expect(() => tlsOfAdmin('prefer', { port: 7001 })).toThrow('does not name this server');
    expect(tlsOfAdmin('prefer', { host: 'DB.example.com', port: '7000' })).toBe('prefer');
  });
});

it.each([
  ['username', { username: 'a\ud800' }],
  ['password', { password: 'a-telling-text\udfff' }],
])('a PostgreSQL secret with half a character in its %s is refused by name', (key, broken) => {
  expect(() => parseCredential(secret(broken), 'incumbent')).toThrow(
    `The incumbent's secret is not in the AWS database convention for PostgreSQL: ${key} missing or of a wrong form.`,
  );
});
