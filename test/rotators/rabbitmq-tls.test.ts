import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TargetUnreachable } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type { ConnectionSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { hasRabbitmq, parsed, RabbitmqHarness, WITH_RABBITMQ } from './rabbitmq-harness.ts';
import { RabbitmqProxy } from './rabbitmq-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';

describe.skipIf(!hasRabbitmq)(WITH_RABBITMQ, () => {
  const files = (name: string) => join(import.meta.dirname, 'tls', name);
  /** Linux takes it for this machine; to the rotator it is any other. */
  const ELSEWHERE = '0.0.0.0';

  let rabbitmq: RabbitmqHarness;
  let certificateAuthority: string;
  let incumbent: SecretText;
  let secure: { readonly port: number; readonly managementPort: number };
  let made = 0;
  const proxies: RabbitmqProxy[] = [];

  beforeAll(async () => {
    const [authority, certificate, key] = [files('authority.crt'), files('server.crt'), files('server.key')];
    rabbitmq = await RabbitmqHarness.start({ tls: { authority, certificate, key } });
    certificateAuthority = await readFile(authority, 'utf8');
    if (rabbitmq.server.secure === undefined) throw new Error('no TLS');
    secure = rabbitmq.server.secure;
  });
  afterAll(() => rabbitmq?.stop());
  beforeEach(async () => {
    made += 1;
    incumbent = await rabbitmq.createUser(`app${made}`);
  });
  afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.stop())));

  async function proxyTo(port: number): Promise<RabbitmqProxy> {
    const proxy = await RabbitmqProxy.to(port);
    proxies.push(proxy);
    return proxy;
  }

  /** With a secret that names no place of its own. */
  function rotations(connection: Partial<ConnectionSettings>, own: object = {}): RotationByHand {
    const { username, password } = parsed(incumbent);
    const declared = { connection: { host: '127.0.0.1', tls: 'prefer' as const, ...connection } };
    const value = new SecretText(JSON.stringify({ username, password, ...own }));
    const adopted = { name: username, declared, incumbent: value, admin: rabbitmq.admin };
    return new RotationByHand(rabbitmq.rotator(new ManualClock()), adopted);
  }

  const preflight = (connection: Partial<ConnectionSettings>, own: object = {}) =>
    rotations(connection, own).preflight('v1');
  const probe = (connection: Partial<ConnectionSettings>, own: object = {}) => {
    const by = rotations(connection, own);
    return by.probe(by.current.value);
  };

  /** Neither the application's password nor the administrator's, in any form in which RabbitMQ takes one. */
  function expectNoPassword(...passed: readonly RabbitmqProxy[]): void {
    const { adminUser, adminPassword } = rabbitmq.server;
    const sent = Buffer.concat(passed.map((proxy) => proxy.sent)).toString('latin1');
    expect(sent).not.toBe('');
    expect(sent).not.toContain(parsed(incumbent).password);
    expect(sent).not.toContain(Buffer.from(`${adminUser}:${adminPassword}`).toString('base64'));
  }

  describe('a broker with TLS', () => {
    it.each(['prefer', 'require'] as const)('is trusted with its declared authority, with %s', async (tls) => {
      const [amqp, management] = [await proxyTo(secure.port), await proxyTo(secure.managementPort)];
      const by = rotations({ port: amqp.port, managementPort: management.port, tls, certificateAuthority });
      const { preflight } = await by.rotate();
      expect(preflight.facts['management_tls']).toBe('verified');
      expect(await by.probe(by.current.value)).toBe('accepted');
      expectNoPassword(amqp, management);
    });

    it('is asked by TLS, too, why it opens no virtual host', async () => {
      const amqp = await proxyTo(secure.port);
      await rabbitmq.open(incumbent);
      await rabbitmq.api('PUT', ['user-limits', parsed(incumbent).username, 'max-connections'], { value: 1 });
      expect(await probe({ port: amqp.port, tls: 'require', certificateAuthority })).toBe('accepted');
      expectNoPassword(amqp);
    });

    it.each(['prefer', 'require'] as const)('is never used unverified, with %s', async (tls) => {
      const [amqp, management] = [await proxyTo(secure.port), await proxyTo(secure.managementPort)];
      await expect(probe({ port: amqp.port, tls })).rejects.toThrow(/not trusted/);
      await expect(probe({ port: amqp.port, tls })).rejects.toBeInstanceOf(TargetUnreachable);
      const untrusted = preflight({ port: rabbitmq.server.port, managementPort: management.port, tls });
      await expect(untrusted).rejects.toThrow(new RegExp(`127.0.0.1:${management.port} is not trusted`));
      expectNoPassword(amqp, management);
    });

    it('is refused under a name that its certificate does not have', async () => {
      const other = { ...secure, host: 'localhost', certificateAuthority };
      await expect(probe(other)).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
      await expect(preflight(other)).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
    });

    it('is not spoken to in plain on such a port', async () => {
      await expect(probe({ port: secure.port, tls: 'disable' })).rejects.toBeInstanceOf(TargetUnreachable);
    });
  });

  describe('a broker without TLS', () => {
    it('is used with prefer on this machine', async () => {
      const { port, managementPort } = rabbitmq.server;
      const before = rabbitmq.logins.length;
      expect((await preflight({ port, managementPort })).facts['management_tls']).toBe('none');
      expect(rabbitmq.logins.slice(before)).toEqual(['accepted']);
    });

    it('is refused with require', async () => {
      const { port, managementPort } = rabbitmq.server;
      await expect(probe({ port, tls: 'require' })).rejects.toThrow(/offers no TLS, and the configuration requires it/);
      await expect(probe({ port }, { ssl: true })).rejects.toThrow(/offers no TLS, and the configuration requires it/);
      const management = preflight({ port: secure.port, managementPort, tls: 'require', certificateAuthority });
      await expect(management).rejects.toThrow(`127.0.0.1:${managementPort} offers no TLS`);
    });

    it('gets no password over a network, unless that is said', async () => {
      const { server } = rabbitmq;
      const [amqp, management] = [await proxyTo(server.port), await proxyTo(server.managementPort)];
      const elsewhere = { host: ELSEWHERE, port: amqp.port, managementPort: management.port };
      await expect(probe(elsewhere)).rejects.toThrow(/passwords go there in plain only with tls: disable/);
      await expect(preflight(elsewhere)).rejects.toBeInstanceOf(TargetUnreachable);
      // What the rotated secret says of itself is not said of the administrator.
      await expect(preflight(elsewhere, { ssl: false })).rejects.toThrow(
        `${ELSEWHERE}:${management.port} offers no TLS`,
      );
      expectNoPassword(management);
      expect((await preflight({ ...elsewhere, tls: 'disable' })).facts['management_tls']).toBe('none');
    });
  });
});
