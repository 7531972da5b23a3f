import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TargetUnreachable } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type { ConnectionSettings } from '../../shared/rotators/rotator.ts';
import { type DatabaseHarness, faultOf, parsed } from './mysql-harness.ts';

const file = (name: string) => join(import.meta.dirname, 'tls', name);

/** TLS is verified, whatever kind of server it is. */
export function tlsSuite(start: (settings?: Readonly<Record<string, string>>) => Promise<DatabaseHarness>): void {
  let authority: string;
  let secure: DatabaseHarness;
  let plain: DatabaseHarness;

  beforeAll(async () => {
    authority = await readFile(file('authority.crt'), 'utf8');
    const settings = { ssl_ca: file('authority.crt'), ssl_cert: file('server.crt'), ssl_key: file('server.key') };
    [secure, plain] = await Promise.all([start(settings), start()]);
  });
  afterAll(() => Promise.all([secure?.stop(), plain?.stop()]));

  const probe = (database: DatabaseHarness, more: Partial<ConnectionSettings>, value = database.admin) => {
    const adopted = { name: 'app', declared: {}, incumbent: value, admin: undefined };
    return database.rotations(adopted, { connection: database.connection(more) }).probe(value);
  };

  describe('a server with TLS', () => {
    it('is trusted with its declared authority, and the session is encrypted', async () => {
      const adopted = await secure.adopt('app', 'REQUIRE SSL');
      const connection = secure.connection({ certificateAuthority: authority });
      const rotations = secure.rotations(adopted, { connection });
      const brought = await rotations.rotate();
      expect(brought.preflight.facts['tls']).toBe('verified');
      expect(await probe(secure, { certificateAuthority: authority, tls: 'require' })).toBe('accepted');
    });

    it.each(['prefer', 'require'] as const)('is never used unverified with %s', async (tls) => {
      const before = secure.logins.length;
      await expect(probe(secure, { tls })).rejects.toBeInstanceOf(TargetUnreachable);
      await expect(probe(secure, { tls })).rejects.toThrow(/not trusted/);
      expect(secure.logins.slice(before)).toEqual(['failed', 'failed']);
    });

    it('is refused under a name that its certificate does not have', async () => {
      const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), host: 'localhost' }));
      const fault = await faultOf(probe(secure, { certificateAuthority: authority }, value));
      expect(fault).toMatchObject({ name: 'TargetUnreachable', cause: { message: expect.stringMatching(/altnames/) } });
    });

    it('is used without TLS only where that is declared', async () => {
      expect(await probe(secure, { tls: 'disable' })).toBe('accepted');
      const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), ssl: false }));
      expect(await probe(secure, {}, value)).toBe('accepted');
    });
  });

  describe('a server without TLS', () => {
    it('is used with prefer, one login each time', async () => {
      const before = plain.logins.length;
      expect(await probe(plain, { tls: 'prefer' })).toBe('accepted');
      expect(plain.logins.slice(before)).toEqual(['accepted']);
    });

    it('is refused with require', async () => {
      await expect(probe(plain, { tls: 'require' })).rejects.toThrow(/offers no TLS/);
      const value = new SecretText(JSON.stringify({ ...parsed(plain.admin), ssl: true }));
      await expect(probe(plain, {}, value)).rejects.toThrow(/offers no TLS/);
    });
  });

  describe('somebody else on the port, without TLS', () => {
    // A greeting of protocol 10 that offers PROTOCOL_41, SECURE_CONNECTION and PLUGIN_AUTH, with 20 bytes to sign.
    const greeting = Buffer.concat([
      Buffer.from('\n9.0.0\0\x01\0\0\x0012345678\0', 'latin1'),
      Buffer.from([0x00, 0x82, 45, 2, 0, 0x08, 0x00, 21]),
      Buffer.from(`${'\0'.repeat(10)}123456789012\0caching_sha2_password\0`),
    ]);
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = Buffer.from(`\x01${publicKey.export({ type: 'spki', format: 'pem' }).toString()}`);
    const goOn = Buffer.from([1, 4]);
    const switchTo = (plugin: string) => Buffer.from(`\xfe${plugin}\x0012345678901234567890\0`, 'latin1');

    const asked: readonly (readonly [string, readonly Buffer[]])[] = [
      ['for the password itself', [switchTo('mysql_clear_password')]],
      ['for the password, encrypted with a key of his', [switchTo('sha256_password'), key]],
      ['the same as the newer plugin does', [switchTo('caching_sha2_password'), goOn, key]],
      ['for what nobody knows', [switchTo('toString')]],
    ];

    it.each(asked)('gets nothing when he asks %s', async (_, questions) => {
      // An address that leads here, and that does not look like it.
      const { fault, received } = await loginTo('0.0.0.0', questions);
      expect(fault).toMatchObject({ name: expect.stringMatching(/^(TargetUnreachable|Misconfigured)$/) });
      expect(Buffer.concat(received).toString('latin1')).not.toContain(parsed(plain.admin).password);
      expect(received.filter((data) => data.length > 256)).toEqual([]);
    });

    it('gets the password encrypted with his key only on this machine, or where TLS is declared away', async () => {
      const [, questions] = asked[2] as (typeof asked)[number];
      const here = await loginTo('127.0.0.1', questions);
      const declared = await loginTo('0.0.0.0', questions, 'disable');
      for (const { received } of [here, declared]) expect(received.at(-1)).toHaveLength(4 + 256);
    });

    async function loginTo(host: string, questions: readonly Buffer[], tls: ConnectionSettings['tls'] = 'prefer') {
      const received: Buffer[] = [];
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        sockets.push(socket);
        let said = 0;
        const say = (body: Buffer) => {
          socket.write(Buffer.concat([Buffer.from([body.length & 255, body.length >> 8, 0, 2 * said]), body]));
          said += 1;
        };
        socket.on('error', () => undefined);
        socket.on('data', (data) => {
          received.push(data);
          const question = questions[said - 1];
          if (question === undefined) socket.end();
          else say(question);
        });
        say(greeting);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const value = new SecretText(JSON.stringify({ ...parsed(plain.admin), host, port }));
      const fault = await faultOf(probe(plain, { tls }, value));
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      return { fault, received };
    }
  });
}
