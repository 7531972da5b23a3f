import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { appendFile, chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { assertRoom } from './disk-space.ts';
import { freePort } from './free-port.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { removeOldLogs } from './old-logs.ts';
import { poll } from './poll.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { endOf, endProcessGroup } from './process-group.ts';

export interface PostgresServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly adminUser: string;
  readonly adminPassword: string;
  /** What the server wrote, including every statement with `settings: { log_statement: 'all' }`. */
  readonly logFile: string;
  /** Ends the server and removes its data. A second call does nothing. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Where the log goes; the data is in the system's temporary directory. Default `.local`. */
  readonly directory?: string;
  readonly onProgress?: (line: string) => void;
  /** Lines of postgresql.conf, for example `{ log_statement: 'all' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

const ADMIN_USER = 'postgres';
/** An empty cluster takes 40 MB, its write-ahead log grows by 16 MB at a time. */
const NEEDED_MEGABYTES = 200;

/**
 * A PostgreSQL 18 of its own on a free port of 127.0.0.1, where every connection proves a password by SCRAM-SHA-256.
 * It ends with the process that started it, whatever ends that: it watches the other end of a pipe.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const directory = resolve(options.directory ?? '.local');
  await mkdir(directory, { recursive: true });
  await assertRoom(tmpdir(), NEEDED_MEGABYTES);
  await removeOldLogs(directory, 'postgres-');
  const binaries = await findPostgresBinaries();
  const adminPassword = randomBytes(18).toString('base64url');
  for (let attempt = 1; ; attempt++) {
    const home = await mkdtemp(join(tmpdir(), 'rekey-postgres-'));
    // Also when this process ends in the middle, on Ctrl-C for example.
    process.once('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
    const logFile = join(directory, `postgres-${home.slice(-6)}.log`);
    try {
      if (binaries.account !== undefined) await chown(home, binaries.account.uid, binaries.account.gid);
      options.onProgress?.('PostgreSQL: creating an empty cluster');
      await initialise({ binaries, home, adminPassword, logFile });
      const port = await freePort();
      await configure(home, { ...options.settings, port: String(port) });
      const server = await launch({ binaries, home, logFile });
      if (await answers({ server, port, adminPassword })) {
        options.onProgress?.(`PostgreSQL: ready on 127.0.0.1:${port}`);
        return {
          host: '127.0.0.1',
          port,
          adminUser: ADMIN_USER,
          adminPassword,
          logFile,
          stop: () => stop(server, home),
        };
      }
      await stop(server, home);
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
    // The one failure that another try can mend: somebody took the port in between.
    if (attempt === 3 || !(await readFile(logFile, 'utf8')).includes('could not bind')) {
      throw new LocalCloudFailure(`PostgreSQL did not start; the reason is at the end of ${logFile}.`);
    }
  }
}

async function initialise({
  binaries,
  home,
  adminPassword,
  logFile,
}: {
  binaries: PostgresBinaries;
  home: string;
  adminPassword: string;
  logFile: string;
}): Promise<void> {
  // initdb takes the password from a file: a command line is visible to every user of the machine.
  const passwordFile = join(home, 'password');
  await writeFile(passwordFile, `${adminPassword}\n`, { mode: 0o600 });
  if (binaries.account !== undefined) await chown(passwordFile, binaries.account.uid, binaries.account.gid);
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(
      binaries.initdb,
      [
        `--pgdata=${join(home, 'data')}`,
        `--username=${ADMIN_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ],
      { ...binaries.account, cwd: home, env: serverEnvironment(), stdio: ['ignore', log.fd, log.fd] },
    );
    const end = await ended(child);
    if (end !== 'exit code 0') {
      throw new LocalCloudFailure(`PostgreSQL's initdb failed (${end}); the reason is at the end of ${logFile}.`);
    }
  } finally {
    await log.close();
    await rm(passwordFile, { force: true });
  }
}

async function configure(home: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const defaults = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Nothing here outlives the process: durability would only cost time.
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
  const lines = Object.entries({ ...defaults, ...settings }).map(
    ([key, value]) => `${key} = '${value.replaceAll("'", "''")}'`,
  );
  // The last line for a setting wins: https://www.postgresql.org/docs/18/config-setting.html
  await appendFile(join(home, 'data', 'postgresql.conf'), `\n${lines.join('\n')}\n`);
}

/** Ends the server (SIGINT: without waiting for its clients) and removes its data once the parent has closed the pipe, or is gone. */
const WATCHDOG = `
exec 3<&0
"$1" -D "$2/data" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -INT "$server"; } 2>/dev/null &
watch=$!
trap 'kill -INT "$server"' TERM
wait "$server"; status=$?
kill "$watch" 2>/dev/null
wait "$server" 2>/dev/null
cd / && rm -rf "$2"
exit $status
`;

async function launch({
  binaries,
  home,
  logFile,
}: {
  binaries: PostgresBinaries;
  home: string;
  logFile: string;
}): Promise<ChildProcess> {
  const log = await open(logFile, 'a', 0o600);
  try {
    const server = spawn('/bin/sh', ['-c', WATCHDOG, 'postgres-watchdog', binaries.postgres, home], {
      ...binaries.account,
      cwd: home,
      env: serverEnvironment(),
      // Its own group, so that Ctrl-C in a terminal reaches only the parent and `endProcessGroup` reaches all of it.
      detached: true,
      stdio: ['pipe', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => server.once('spawn', resolve).once('error', reject));
    // The parent may finish while the server runs: the closing pipe ends the server.
    server.unref();
    (server.stdin as unknown as { unref(): void }).unref();
    server.stdin?.on('error', () => undefined);
    return server;
  } finally {
    await log.close();
  }
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
}

async function answers({
  server,
  port,
  adminPassword,
}: {
  server: ChildProcess;
  port: number;
  adminPassword: string;
}): Promise<boolean> {
  const answer = await poll(
    async () => {
      if (endOf(server) !== undefined) return false;
      const client = new Client({
        host: '127.0.0.1',
        port,
        user: ADMIN_USER,
        password: adminPassword,
        database: 'postgres',
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return true;
      } catch {
        // Not listening yet, or "the database system is starting up": asked again until the deadline.
        return undefined;
      }
    },
    { withinMilliseconds: 20_000, everyMilliseconds: 40 },
  );
  return answer === true;
}

async function stop(server: ChildProcess, home: string): Promise<void> {
  server.stdin?.end();
  if (server.pid !== undefined && endOf(server) === undefined) await endProcessGroup(server.pid);
  await rm(home, { recursive: true, force: true });
}

async function ended(child: ChildProcess): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve(endOf(child) ?? 'ended'));
  });
}
