import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { TargetUnreachable } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { Connector } from '../../shared/rotators/redis/connect.ts';
import type { ConnectionSettings, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { hasRedis, parsed, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import { startProxy } from './redis-proxy.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  const file = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url));
  const authority = readFileSync(file('authority.crt'), 'utf8');

  const USERS = ['app on >the-first-password ~* &* +@all'];
  let secure: RedisHarness;
  let plain: RedisHarness;

  beforeAll(async () => {
    const tls = { certificate: file('server.crt'), key: file('server.key') };
    [secure, plain] = await Promise.all([
      RedisHarness.start({ tls, users: USERS }),
      RedisHarness.start({ users: USERS }),
    ]);
  });
  afterAll(() => Promise.all([secure.stop(), plain.stop()]));

  const settings = (redis: RedisHarness, connection: Partial<ConnectionSettings>): RotatorSettings => ({
    secretId: 'prod/app/redis',
    mode: 'two_roles',
    preheatSeconds: 1,
    healthyThreshold: 2,
    endSessions: true,
    connection: { host: redis.server.host, port: redis.server.port, tls: 'prefer', ...connection },
  });
  const probe = (redis: RedisHarness, connection: Partial<ConnectionSettings>, value = redis.admin) =>
    redis.rotator(systemClock).probe(value, settings(redis, connection));
  const incumbentOf = (redis: RedisHarness): SecretText =>
    redis.secret({ username: 'app', password: 'the-first-password' });

  describe('a server with TLS', () => {
    it.each(['prefer', 'require'] as const)('is used verified with %s, in every step', async (tls) => {
      const given = settings(secure, { certificateAuthority: authority, tls });
      const rotator = secure.rotator(systemClock);
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const incumbent = incumbentOf(secure);
      const values = {
        settings: given,
        admin: secure.admin,
        incumbent,
        versionId: `v-${tls}`,
        incumbentVersionId: 'v0',
      };
      const { candidate: identity, facts } = await rotator.preflight({ ...values, known: [] });
      expect(facts['tls']).toBe('verified');
      const candidate = rotator.propose({ ...values, candidate: identity });
      await rotator.install({ ...values, candidate, startedAt: new Date() });
      expect(await rotator.test({ settings: given, candidate, incumbentIdentity: 'app@v0' })).toMatchObject({
        healthy: 2,
      });
      const back = { ...values, identity, value: candidate, survivor: incumbent };
      expect(await rotator.retire(back)).toMatchObject({ refusedLogin: true });
    });

    it.each(['prefer', 'require'] as const)('is never used unverified with %s', async (tls) => {
      const logins = secure.logins.length;
      const attempt = probe(secure, { tls });
      await expect(attempt).rejects.toBeInstanceOf(TargetUnreachable);
      await expect(attempt).rejects.toThrow(/not trusted/);
      expect(secure.logins.slice(logins)).toEqual(['failed']);
    });

    it('is refused under a name that its certificate does not have', async () => {
      const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), host: 'localhost' }));
      await expect(probe(secure, { certificateAuthority: authority }, value)).rejects.toThrow(
        /ERR_TLS_CERT_ALTNAME_INVALID/,
      );
    });

    it('cannot be used without', async () => {
      const trusted = { certificateAuthority: authority };
      await expect(probe(secure, { ...trusted, tls: 'disable' })).rejects.toBeInstanceOf(TargetUnreachable);
      const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), ssl: false }));
      await expect(probe(secure, trusted, value)).rejects.toBeInstanceOf(TargetUnreachable);
    });
  });

  describe('whether a server has TLS', () => {
    const LIMITS = { connectMilliseconds: 5_000, answerMilliseconds: 10_000, pingMilliseconds: 500 };
    const PING = '*1\r\n$4\r\nPING\r\n';

    /** Stands before the plain server; the first connections get `answer`, or nothing. */
    async function gate(...answers: readonly ('silence' | 'end' | Buffer)[]) {
      const sockets: Socket[] = [];
      const left = [...answers];
      const server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined);
        const answer = left.shift();
        if (answer === 'end') socket.destroy();
        else if (answer === undefined) {
          const behind = connect(plain.server.port, plain.server.host);
          sockets.push(behind);
          behind.on('error', () => undefined);
          socket.pipe(behind).pipe(socket);
        } else if (answer !== 'silence') socket.once('data', () => socket.end(answer));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      opened.push({ server, sockets });
      return (server.address() as { readonly port: number }).port;
    }
    const opened: { readonly server: Server; readonly sockets: readonly Socket[] }[] = [];
    afterEach(async () => {
      for (const { server, sockets } of opened.splice(0)) {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      }
    });

    const login = (redis: RedisHarness, port: number) => ({
      host: redis.server.host,
      port,
      username: redis.server.adminUser,
      password: new SecretText(redis.server.adminPassword),
      tls: 'prefer' as const,
      certificateAuthority: authority,
    });

    it.each([
      ['says nothing in time', 'silence'],
      ['ends the connection', 'end'],
      ['answers as a server with TLS does', Buffer.from([0x15, 3, 1, 0, 2, 2, 10])],
    ] as const)('is asked again where it once %s', async (_, answer) => {
      // The second is the one with TLS that is tried then.
      const port = await gate(answer, 'end');
      const connector = new Connector(undefined, LIMITS);
      await expect(connector.probe(login(plain, port))).rejects.toBeInstanceOf(TargetUnreachable);
      expect(await connector.probe(login(plain, port))).toBe('accepted');
    });

    it.each([
      ['with', () => secure],
      ['without', () => plain],
    ] as const)('is asked once where it has been heard to speak %s', async (_, which) => {
      const redis = which();
      const proxy = await startProxy(redis.server.port);
      try {
        const connector = new Connector();
        const values = login(redis, proxy.port);
        for (let time = 0; time < 3; time += 1) expect(await connector.probe(values)).toBe('accepted');
        expect(await connector.probe({ ...values, password: new SecretText('wrong') })).toBe('refused');
        expect(proxy.sent().split(PING).length - 1).toBe(1);
      } finally {
        await proxy.stop();
      }
    });

    it('is known from a login that is refused, too', async () => {
      const proxy = await startProxy(secure.server.port);
      try {
        const connector = new Connector();
        const values = { ...login(secure, proxy.port), password: new SecretText('wrong') };
        for (let time = 0; time < 2; time += 1) expect(await connector.probe(values)).toBe('refused');
        expect(proxy.sent().split(PING).length - 1).toBe(1);
      } finally {
        await proxy.stop();
      }
    });
  });

  describe('a server without TLS', () => {
    it('is used with prefer and with disable, one login each time', async () => {
      const logins = plain.logins.length;
      expect(await probe(plain, { tls: 'prefer' })).toBe('accepted');
      expect(await probe(plain, { tls: 'disable' })).toBe('accepted');
      expect(plain.logins.slice(logins)).toEqual(['accepted', 'accepted']);
    });

    it('is refused with require, or where the secret says ssl, without a login', async () => {
      await expect(probe(plain, { tls: 'require' })).rejects.toThrow(/offers no TLS/);
      for (const ssl of [true, 'true']) {
        const value = new SecretText(JSON.stringify({ ...parsed(plain.admin), ssl }));
        await expect(probe(plain, {}, value)).rejects.toThrow(/offers no TLS/);
      }
    });

    it('gets no administrator whose own secret asks for TLS, whatever the rotated secret says', async () => {
      const incumbent = new SecretText(JSON.stringify({ ...parsed(incumbentOf(plain)), ssl: false }));
      const admin = new SecretText(JSON.stringify({ ...parsed(plain.admin), ssl: true }));
      const values = { settings: settings(plain, {}), incumbent, versionId: 'v1', known: [] };
      await expect(plain.rotator(systemClock).preflight({ ...values, admin })).rejects.toThrow(/offers no TLS/);
      const { facts } = await plain.rotator(systemClock).preflight({ ...values, admin: plain.admin });
      expect(facts['tls']).toBe('none');
    });
  });
});
