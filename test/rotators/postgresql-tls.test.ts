import { chmod, chown, copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPostgresBinaries } from '../../infra/local/postgres-binaries.ts';
import { TargetUnreachable } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type { ConnectionSettings } from '../../shared/rotators/rotator.ts';
import { parsed, PostgresHarness } from './postgresql-harness.ts';

const files = (name: string) => join(import.meta.dirname, 'tls', name);
let home: string;
let authority: string;
let secure: PostgresHarness;
let plain: PostgresHarness;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rekey-tls-'));
  await chmod(home, 0o755);
  const { account } = await findPostgresBinaries();
  // PostgreSQL reads a key only when nobody else can.
  const key = join(home, 'server.key');
  await copyFile(files('server.key'), key);
  await chmod(key, 0o600);
  if (account !== undefined) await chown(key, account.uid, account.gid);
  await copyFile(files('server.crt'), join(home, 'server.crt'));
  authority = await readFile(files('authority.crt'), 'utf8');
  const settings = { ssl: 'on', ssl_cert_file: join(home, 'server.crt'), ssl_key_file: key };
  [secure, plain] = await Promise.all([PostgresHarness.start(settings), PostgresHarness.start()]);
});
afterAll(async () => {
  await Promise.all([secure?.stop(), plain?.stop()]);
  await rm(home, { recursive: true, force: true });
});

const settingsOf = (postgres: PostgresHarness, more: Partial<ConnectionSettings>) => {
  const { host, port } = postgres.server;
  return postgres.settings({ connection: { host, port, dbname: 'postgres', tls: 'prefer', ...more } });
};
const probe = (postgres: PostgresHarness, more: Partial<ConnectionSettings>, value = postgres.admin) =>
  postgres.rotator().probe(value, settingsOf(postgres, more));

describe('a server with TLS', () => {
  it('is trusted with its declared authority, and the session is encrypted', async () => {
    const incumbent = await secure.createLogin('app');
    const settings = settingsOf(secure, { certificateAuthority: authority });
    const values = { settings, admin: secure.admin, incumbent, versionId: 'v1' };
    const preflight = await secure.rotator().preflight({ ...values, known: [] });
    expect(preflight.facts['tls']).toBe('verified');
    expect(await probe(secure, { certificateAuthority: authority, tls: 'require' })).toBe('accepted');
  });

  it.each(['prefer', 'require'] as const)('is never used unverified with %s', async (tls) => {
    const connections = secure.connections.length;
    await expect(probe(secure, { tls })).rejects.toThrow(/not trusted/);
    await expect(probe(secure, { tls })).rejects.toBeInstanceOf(TargetUnreachable);
    expect(secure.connections.slice(connections)).toEqual(['failed', 'failed']);
  });

  it('is refused under a name that its certificate does not have', async () => {
    const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), host: 'localhost' }));
    await expect(probe(secure, { certificateAuthority: authority }, value)).rejects.toThrow(
      /ERR_TLS_CERT_ALTNAME_INVALID/,
    );
  });

  it('is used without TLS only where that is declared', async () => {
    expect(await probe(secure, { tls: 'disable' })).toBe('accepted');
    const value = new SecretText(JSON.stringify({ ...parsed(secure.admin), ssl: false }));
    expect(await probe(secure, {}, value)).toBe('accepted');
  });
});

describe('a server without TLS', () => {
  it('is used with prefer, one login each time', async () => {
    const connections = plain.connections.length;
    expect(await probe(plain, { tls: 'prefer' })).toBe('accepted');
    expect(plain.connections.slice(connections)).toEqual(['accepted']);
  });

  it('is refused with require', async () => {
    await expect(probe(plain, { tls: 'require' })).rejects.toThrow(/offers no TLS/);
    const value = new SecretText(JSON.stringify({ ...parsed(plain.admin), ssl: true }));
    await expect(probe(plain, {}, value)).rejects.toThrow(/offers no TLS/);
  });

  it('never gets the password in plain when it asks for it', async () => {
    const received: Buffer[] = [];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        received.push(data);
        // TLS asked for: "no". Start-up packet: AuthenticationCleartextPassword.
        socket.write(data.length === 8 ? 'N' : Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const value = new SecretText(JSON.stringify({ ...parsed(plain.admin), port }));
    await expect(probe(plain, {}, value)).rejects.toThrow(/in plain/);
    expect(Buffer.concat(received).toString()).not.toContain(parsed(plain.admin).password);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});
