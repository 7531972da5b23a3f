import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { assertRoom } from './disk-space.ts';
import { freePort } from './free-port.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { makeOnce, type MysqlBinaries } from './mysql-binaries.ts';
import { removeOldLogs } from './old-logs.ts';
import { poll } from './poll.ts';
import { endOf, endProcessGroup } from './process-group.ts';

export interface MysqlServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly adminUser: string;
  readonly adminPassword: string;
  /** Where logs go that the settings name without a path (`general_log_file`, `log_bin`). */
  readonly dataDirectory: string;
  /** Ends the server and removes its data. A second call does nothing. */
  stop(): Promise<void>;
}

/** Options of the server, without the dashes: `{ general_log: 'ON' }`. */
export type MysqlSettings = Readonly<Record<string, string>>;

/** One kind of server: how its empty data is made, and with what it starts. */
export interface DatabaseKind {
  readonly name: string;
  /** Program and first arguments. */
  readonly command: readonly string[];
  readonly options: readonly string[];
  readonly settings: MysqlSettings;
  /** Empty data, made once and copied for every server. */
  readonly template: string;
  readonly initialise: (directory: string) => Promise<void>;
  /** Statements that close what the empty data leaves open to everybody. */
  readonly closing: readonly string[];
}

const ADMIN_USER = 'admin';
const NEEDED_MEGABYTES = 300;
const START_MILLISECONDS = 30_000;

/** What only costs time where nothing outlives the process. Both kinds of server know these. */
const FAST: MysqlSettings = {
  innodb_buffer_pool_size: '32M',
  innodb_doublewrite: 'OFF',
  innodb_flush_log_at_trx_commit: '0',
  innodb_flush_method: 'nosync',
  sync_binlog: '0',
  performance_schema: 'OFF',
  max_connections: '200',
  skip_name_resolve: 'ON',
};

/**
 * A MySQL of its own on a free port of 127.0.0.1, without TLS unless the settings give it a certificate. It ends with the
 * process that started it, whatever ends that: it watches the other end of a pipe.
 */
export async function startMysql(binaries: MysqlBinaries, settings: MysqlSettings = {}): Promise<MysqlServer> {
  const { version, command, options } = binaries;
  const template = resolve('.local', 'mysql', `data-${version}`);
  return startDatabase(
    {
      name: 'mysql',
      command,
      options,
      template,
      settings: {
        mysqlx: 'OFF',
        secure_file_priv: 'NULL',
        innodb_redo_log_capacity: '8M',
        caching_sha2_password_digest_rounds: '5000',
        skip_log_bin: '',
        // Without a certificate of ours: no TLS at all, rather than one that nobody can verify.
        ...('ssl_cert' in settings ? {} : { tls_version: '' }),
      },
      initialise: async (directory) => {
        const initialise = ['--initialize-insecure', `--datadir=${directory}`, '--innodb-redo-log-capacity=8M'];
        await finished([...command, '--no-defaults', ...options, ...asUser(), ...initialise], directory);
        // Every copy is a server of its own.
        await rm(join(directory, 'auto.cnf'), { force: true });
      },
      closing: ["DROP USER 'root'@'localhost'"],
    },
    settings,
  );
}

/** Starts a server of `kind` on a copy of its empty data. */
export async function startDatabase(kind: DatabaseKind, settings: MysqlSettings): Promise<MysqlServer> {
  const logs = resolve('.local');
  await mkdir(logs, { recursive: true });
  await assertRoom(tmpdir(), NEEDED_MEGABYTES);
  await removeOldLogs(logs, `${kind.name}-`);
  await makeOnce(kind.template, (draft) => kind.initialise(draft));
  for (let attempt = 1; ; attempt++) {
    const home = await mkdtemp(join(tmpdir(), `rekey-${kind.name}-`));
    // Also when this process ends in the middle, on Ctrl-C for example.
    process.once('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
    const logFile = join(logs, `${kind.name}-${home.slice(-6)}.log`);
    // With a character of each class, for servers that are told to ask for them.
    const adminPassword = `${randomBytes(18).toString('base64url')}aA1-`;
    const dataDirectory = join(home, 'data');
    await cp(kind.template, dataDirectory, { recursive: true });
    // Read from a file: a command line is visible to every user of the machine.
    const first = join(home, 'first.sql');
    await writeFile(first, firstStatements(adminPassword, kind), { mode: 0o600 });
    const port = await freePort();
    const server = await launch({
      home,
      logFile,
      command: [
        ...kind.command,
        '--no-defaults',
        ...kind.options,
        ...asUser(),
        `--datadir=${dataDirectory}`,
        `--socket=${join(home, 'sock')}`,
        `--pid-file=${join(home, 'pid')}`,
        `--init-file=${first}`,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        ...asOptions({ ...FAST, ...kind.settings, ...settings }),
      ],
    });
    if (await answers({ server, port, adminPassword })) {
      await rm(first);
      return {
        host: '127.0.0.1',
        port,
        adminUser: ADMIN_USER,
        adminPassword,
        dataDirectory,
        stop: () => stop(server, home),
      };
    }
    await stop(server, home);
    // The one failure that another try can mend: somebody took the port in between.
    if (attempt === 3 || !/bind on TCP\/IP port/i.test(await readFile(logFile, 'utf8'))) {
      throw new LocalCloudFailure(`${kind.name} did not start; the reason is at the end of ${logFile}.`);
    }
  }
}

/** Runs a program to its end. */
export async function finished(command: readonly string[], cwd: string): Promise<void> {
  const [file = '', ...rest] = command;
  const temporary = await mkdtemp(join(tmpdir(), 'rekey-empty-'));
  try {
    const child = spawn(file, rest, { cwd, env: environment(temporary), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-2_000);
    });
    await new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()));
    if (endOf(child) !== 'exit code 0') {
      throw new LocalCloudFailure(`Making an empty database failed (${endOf(child)}): ${said.trim()}`);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Both kinds of server run as root only when they are told to. */
export function asUser(): readonly string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}

function asOptions(settings: MysqlSettings): readonly string[] {
  return Object.entries(settings).map(
    ([name, value]) => `--${name.replaceAll('_', '-')}${value === '' && name.startsWith('skip_') ? '' : `=${value}`}`,
  );
}

/** One account for administration; those that the empty data comes with are closed. One statement a line. */
function firstStatements(password: string, { closing }: DatabaseKind): string {
  return [
    `CREATE USER '${ADMIN_USER}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO '${ADMIN_USER}'@'127.0.0.1' WITH GRANT OPTION;`,
    ...closing.map((statement) => `${statement};`),
    '',
  ].join('\n');
}

/** Ends the server and removes its data once the parent has closed the pipe, or is gone. */
const WATCHDOG = `
home=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } 2>/dev/null &
watch=$!
trap 'kill -KILL "$server"' TERM
wait "$server"; status=$?
kill "$watch" 2>/dev/null
wait "$server" 2>/dev/null
cd / && rm -rf "$home"
exit $status
`;

async function launch(work: {
  readonly home: string;
  readonly logFile: string;
  readonly command: readonly string[];
}): Promise<ChildProcess> {
  const log = await open(work.logFile, 'a', 0o600);
  try {
    const server = spawn('/bin/sh', ['-c', WATCHDOG, 'database-watchdog', work.home, ...work.command], {
      cwd: work.home,
      env: environment(work.home),
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

/** A server that starts removes the temporary tables that it finds, those of others too: each has a place of its own. */
function environment(temporary: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', TMPDIR: temporary };
}

async function answers(work: {
  readonly server: ChildProcess;
  readonly port: number;
  readonly adminPassword: string;
}): Promise<boolean> {
  const answer = await poll(
    async () => {
      if (endOf(work.server) !== undefined) return false;
      try {
        const connection = await createConnection({
          host: '127.0.0.1',
          port: work.port,
          user: ADMIN_USER,
          password: work.adminPassword,
        });
        await connection.end();
        return true;
      } catch {
        // Not listening yet: asked again until the deadline.
        return undefined;
      }
    },
    { withinMilliseconds: START_MILLISECONDS, everyMilliseconds: 40 },
  );
  return answer === true;
}

async function stop(server: ChildProcess, home: string): Promise<void> {
  server.stdin?.end();
  if (server.pid !== undefined && endOf(server) === undefined) await endProcessGroup(server.pid);
  await rm(home, { recursive: true, force: true });
}
