import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { assertRoom } from './disk-space.ts';
import { freePort } from './free-port.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { removeOldLogs } from './old-logs.ts';
import { poll } from './poll.ts';
import { endOf, endProcessGroup } from './process-group.ts';

/** For people whose machine has no Redis. */
export const HOW_TO_GET_REDIS =
  'No Redis 6 or newer: install the package redis-server (Debian and Ubuntu: apt-get install redis-server).';

/** The version of the `redis-server` on the PATH; `undefined` where there is none that is new enough. */
export async function findRedis(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('redis-server', ['--version'], { timeout: 20_000 });
    const [, version, major = '0'] = /v=((\d+)\.\d+\.\d+)/.exec(stdout) ?? [];
    return Number(major) >= 6 ? version : undefined;
  } catch {
    return undefined;
  }
}

export interface RedisServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** May do everything; `default` is off unless `users` says otherwise. */
  readonly adminUser: string;
  readonly adminPassword: string;
  readonly logFile: string;
  /** What the server reads when it starts, and writes with ACL SAVE or CONFIG REWRITE. Gone after `stop`. */
  readonly home: string;
  /** Ends the server, and starts it again after `work`, at the same port, with what it has saved. */
  restart(work?: () => Promise<void>): Promise<void>;
  /** Ends the server and removes its data. A second call does nothing. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Where the log goes; the rest is in the system's temporary directory. Default `.local`. */
  readonly directory?: string;
  /** Where the server keeps its users. Default `acl_file`; with `memory` it has not even a configuration file. */
  readonly usersIn?: 'acl_file' | 'configuration' | 'memory';
  /** Further users, as lines of an ACL file without the word `user`. */
  readonly users?: readonly string[];
  /** Lines of redis.conf, for example `{ replicaof: '127.0.0.1 6379' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Paths of PEM files: the port then speaks TLS only. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

const ADMIN_USER = 'admin';
const NEEDED_MEGABYTES = 50;
const START_MILLISECONDS = 10_000;

/**
 * A Redis of its own (the machine's `redis-server`) on a free port of 127.0.0.1, with an administrator who has a random
 * password. It ends with the process that started it, whatever ends that: it watches the other end of a pipe.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const directory = resolve(options.directory ?? '.local');
  await mkdir(directory, { recursive: true });
  await assertRoom(tmpdir(), NEEDED_MEGABYTES);
  await removeOldLogs(directory, 'redis-');
  const adminPassword = randomBytes(18).toString('base64url');
  for (let attempt = 1; ; attempt++) {
    const home = await mkdtemp(join(tmpdir(), 'rekey-redis-'));
    // Also when this process ends in the middle, on Ctrl-C for example.
    process.once('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
    const logFile = join(directory, `redis-${home.slice(-6)}.log`);
    const port = await freePort();
    await configure({ home, port, adminPassword, options });
    const isFileless = options.usersIn === 'memory';
    const running = new RunningRedis({ home, logFile, isFileless });
    if (await running.start()) {
      return {
        host: '127.0.0.1',
        port,
        adminUser: ADMIN_USER,
        adminPassword,
        logFile,
        home,
        restart: (work) => running.restart(work),
        stop: () => running.stop(),
      };
    }
    const words = await readFile(logFile, 'utf8');
    await running.stop();
    // The one failure that another try can mend: somebody took the port in between.
    if (attempt === 3 || !words.includes('Address already in use')) throw notStarted(logFile);
  }
}

async function configure(work: {
  readonly home: string;
  readonly port: number;
  readonly adminPassword: string;
  readonly options: RedisOptions;
}): Promise<void> {
  const { home, port, options } = work;
  const isDefaultGiven =
    options.settings?.['requirepass'] !== undefined || options.users?.some((line) => line.startsWith('default '));
  const lines = [
    ...(isDefaultGiven === true ? [] : ['default off']),
    // The hash, so that the password itself is in no file.
    `${ADMIN_USER} on #${hash('sha256', work.adminPassword)} ~* &* +@all`,
    ...(options.users ?? []),
  ].map((line) => `user ${line}`);
  const hasAclFile = (options.usersIn ?? 'acl_file') === 'acl_file';
  if (hasAclFile) await writeFile(join(home, 'users.acl'), `${lines.join('\n')}\n`, { mode: 0o600 });
  const { tls } = options;
  const settings: Readonly<Record<string, string>> = {
    bind: '127.0.0.1',
    dir: home,
    // Nothing here outlives the process.
    save: '""',
    ...(tls === undefined
      ? { port: String(port) }
      : {
          port: '0',
          'tls-port': String(port),
          'tls-cert-file': tls.certificate,
          'tls-key-file': tls.key,
          'tls-auth-clients': 'no',
        }),
    ...(hasAclFile ? { aclfile: join(home, 'users.acl') } : {}),
    ...options.settings,
  };
  const text = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  await writeFile(join(home, 'redis.conf'), `${[...text, ...(hasAclFile ? [] : lines)].join('\n')}\n`, { mode: 0o600 });
}

/** Ends the server once the parent has closed the pipe, or is gone; then removes its data, unless it starts again. */
const WATCHDOG = `
exec 3<&0
if [ "$2" = fileless ]; then redis-server - <"$1/redis.conf" 3<&- &
else redis-server "$1/redis.conf" </dev/null 3<&- & fi
server=$!
{ read -r _ <&3; kill -TERM "$server"; } 2>/dev/null &
watch=$!
trap 'kill -TERM "$server"' TERM
wait "$server"; status=$?
kill "$watch" 2>/dev/null
wait "$server" 2>/dev/null
[ -e "$1/restarts" ] || { cd / && rm -rf "$1"; }
exit $status
`;

class RunningRedis {
  readonly #home: string;
  readonly #logFile: string;
  readonly #isFileless: boolean;
  #server: ChildProcess | undefined;

  constructor(place: { readonly home: string; readonly logFile: string; readonly isFileless: boolean }) {
    this.#home = place.home;
    this.#logFile = place.logFile;
    this.#isFileless = place.isFileless;
  }

  /** Whether it answers. */
  async start(): Promise<boolean> {
    const log = await open(this.#logFile, 'a', 0o600);
    const { size } = await log.stat();
    try {
      const kind = this.#isFileless ? 'fileless' : 'file';
      const server = spawn('/bin/sh', ['-c', WATCHDOG, 'redis-watchdog', this.#home, kind], {
        cwd: this.#home,
        env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
        // Its own group, so that Ctrl-C in a terminal reaches only the parent and `endProcessGroup` reaches all of it.
        detached: true,
        stdio: ['pipe', log.fd, log.fd],
      });
      this.#server = server;
      await new Promise<void>((started, reject) => server.once('spawn', started).once('error', reject));
      server.unref();
      (server.stdin as unknown as { unref(): void }).unref();
      server.stdin?.on('error', () => undefined);
      const isReady = await poll(
        async () => {
          if (endOf(server) !== undefined) return false;
          const words = await readFile(this.#logFile, 'utf8');
          return words.slice(size).includes('Ready to accept connections') ? true : undefined;
        },
        { withinMilliseconds: START_MILLISECONDS, everyMilliseconds: 20 },
      );
      return isReady === true;
    } finally {
      await log.close();
    }
  }

  async restart(work: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const mark = join(this.#home, 'restarts');
    await writeFile(mark, '');
    await this.#end();
    await rm(mark);
    // Up again whatever `work` throws: the next test is not to suffer for it.
    const [worked] = await Promise.allSettled([work()]);
    if (!(await this.start())) throw notStarted(this.#logFile);
    if (worked?.status === 'rejected') throw worked.reason;
  }

  async stop(): Promise<void> {
    await this.#end();
    await rm(this.#home, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    const server = this.#server;
    server?.stdin?.end();
    if (server?.pid !== undefined && endOf(server) === undefined) await endProcessGroup(server.pid);
  }
}

function notStarted(logFile: string): LocalCloudFailure {
  return new LocalCloudFailure(
    `Redis did not start; the reason is at the end of ${logFile}. Where it is that there is none: ${HOW_TO_GET_REDIS}`,
  );
}
