import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isPortTaken } from '../../../../infra/local/free-port.ts';
import { poll } from '../../../../infra/local/poll.ts';
import { type PostgresServer, startPostgres } from '../../../../infra/local/postgres-server.ts';

describe('the local PostgreSQL', () => {
  let directory: string;
  let server: PostgresServer;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
    server = await startPostgres({ directory, settings: { log_statement: 'all' } });
  });
  afterAll(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function query(text: string, password = server.adminPassword): Promise<unknown[]> {
    const client = new Client({
      host: server.host,
      port: server.port,
      user: server.adminUser,
      password,
      database: 'postgres',
    });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  test('is version 18, listens on 127.0.0.1 only, and takes nothing but SCRAM', async () => {
    expect(await query('SHOW server_version')).toEqual([{ server_version: expect.stringMatching(/^18\./) }]);
    expect(await query('SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await query('SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual([
      { auth_method: 'scram-sha-256' },
    ]);
    await expect(query('SELECT 1', 'wrong')).rejects.toMatchObject({ code: '28P01' });
  });

  test('logs statements when asked to, and its password nowhere', async () => {
    await query('SELECT 4711 AS found');
    const log = await readFile(server.logFile, 'utf8');
    expect(log).toContain('SELECT 4711');
    expect(log.includes(server.adminPassword)).toBe(false);
    const commandLines = execFileSync('ps', ['-eo', 'args']).toString();
    expect(commandLines.includes(server.adminPassword)).toBe(false);
  });

  test('ends with its parent, even when that was killed, and leaves no data', async () => {
    const program = `
      import { startPostgres } from ${JSON.stringify(new URL('../../../../infra/local/postgres-server.ts', import.meta.url).href)};
      const { port, logFile } = await startPostgres({ directory: ${JSON.stringify(directory)} });
      process.stdout.write(JSON.stringify({ port, logFile }));
      setInterval(() => {}, 1000);`;
    const parent: ChildProcess = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [text] = (await once(parent.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const { port, logFile } = JSON.parse(text.toString()) as { port: number; logFile: string };
    expect(await isPortTaken(port)).toBe(true);
    parent.kill('SIGKILL');
    expect(await poll(async () => ((await isPortTaken(port)) ? undefined : true), { withinMilliseconds: 8_000 })).toBe(
      true,
    );
    const home = join(tmpdir(), `rekey-postgres-${/postgres-(\w+)\.log$/.exec(logFile)?.[1]}`);
    const gone = async () =>
      await access(home).then(
        () => undefined,
        () => true,
      );
    expect(await poll(gone, { withinMilliseconds: 8_000 })).toBe(true);
  });

  test('stops with clients connected, and again without complaint', async () => {
    const second = await startPostgres({ directory });
    const client = new Client({
      host: second.host,
      port: second.port,
      user: second.adminUser,
      password: second.adminPassword,
      database: 'postgres',
    });
    client.on('error', () => undefined);
    await client.connect();
    await second.stop();
    await second.stop();
    expect(await isPortTaken(second.port)).toBe(false);
  });
});
