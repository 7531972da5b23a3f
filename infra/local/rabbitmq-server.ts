import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { assertRoom } from './disk-space.ts';
import { freePort } from './free-port.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { removeOldLogs } from './old-logs.ts';
import { poll } from './poll.ts';
import { endOf, endProcessGroup } from './process-group.ts';

/** For people whose machine has no RabbitMQ. */
export const HOW_TO_GET_RABBITMQ =
  'No RabbitMQ 3.10.7 or newer: install the package rabbitmq-server, with Erlang (Debian and Ubuntu: apt-get install rabbitmq-server).';

export interface RabbitmqServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly managementPort: number;
  /** The same with TLS, where a certificate was given. */
  readonly secure: { readonly port: number; readonly managementPort: number } | undefined;
  readonly adminUser: string;
  readonly adminPassword: string;
  /** What the broker wrote. */
  readonly logFile: string;
  /** Has the broker work out an Erlang expression, for what no API of its can do. Takes seconds. */
  evaluate(expression: string): Promise<string>;
  /** Ends the broker and removes its data. A second call does nothing. */
  stop(): Promise<void>;
}

export interface RabbitmqOptions {
  /** Where the log goes; the data is in the system's temporary directory. Default `.local`. */
  readonly directory?: string;
  readonly onProgress?: (line: string) => void;
  /** Erlang terms of the application `rabbit`, for example `{ channel_max: '100' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Files of PEM text. */
  readonly tls?: { readonly authority: string; readonly certificate: string; readonly key: string };
}

interface Ports {
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
  readonly epmd: number;
  readonly secureAmqp: number;
  readonly secureManagement: number;
}

const ADMIN_USER = 'rekey_admin';
const NEEDED_MEGABYTES = 100;
const LEAST_VERSION = [3, 10, 7] as const;
/** Erlang loads 1,700 modules at the start: 6 s on two idle cores. For all attempts together: tests give a hook 60 s. */
const START_SECONDS = 50;
const EVALUATION_MILLISECONDS = 30_000;
/** Debian's package, then what the generic archive is unpacked to. */
const PLACES = ['/usr/lib/rabbitmq/lib', '/opt/rabbitmq', '/usr/local/lib/rabbitmq', '/usr/local/sbin/..'];
/** Every other `rabbitmq_…` plugin is left out: the fewer directories Erlang looks through for a module, the faster it starts. */
const PLUGINS = /^rabbitmq_(?:prelaunch|management|management_agent|web_dispatch)-/;

/**
 * A RabbitMQ of its own on free ports of 127.0.0.1, with the management API, an administrator with a random password and
 * nothing else. It ends with the process that started it, whatever ends that: it watches the other end of a pipe.
 */
export async function startRabbitmq(options: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  const directory = resolve(options.directory ?? '.local');
  await mkdir(directory, { recursive: true });
  await assertRoom(tmpdir(), NEEDED_MEGABYTES);
  await removeOldLogs(directory, 'rabbitmq-');
  const installed = findRabbitmq();
  if (installed === undefined) {
    throw new LocalCloudFailure(`${HOW_TO_GET_RABBITMQ} Looked in ${PLACES.join(', ')}.`);
  }
  const adminPassword = randomBytes(48).toString('base64url');
  const deadline = performance.now() + START_SECONDS * 1_000;
  for (let attempt = 1; ; attempt++) {
    const home = await mkdtemp(join(tmpdir(), 'rekey-rabbitmq-'));
    // Also when this process ends in the middle, on Ctrl-C for example.
    process.once('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
    const logFile = join(directory, `rabbitmq-${home.slice(-6)}.log`);
    const ports = await freePorts();
    let server: ChildProcess | undefined;
    try {
      await configure({ home, installed: installed.home, ports, adminPassword, options });
      options.onProgress?.('RabbitMQ: starting');
      server = await launch({ home, ports, logFile });
      const withinMilliseconds = Math.max(0, deadline - performance.now());
      if (await answers({ server, port: ports.management, adminPassword, withinMilliseconds })) {
        options.onProgress?.(`RabbitMQ: ready on 127.0.0.1:${ports.amqp}`);
        const running = server;
        return {
          host: '127.0.0.1',
          port: ports.amqp,
          managementPort: ports.management,
          secure: options.tls && { port: ports.secureAmqp, managementPort: ports.secureManagement },
          adminUser: ADMIN_USER,
          adminPassword,
          logFile,
          evaluate: async (expression) => {
            const command = join(home, 'program', 'sbin', 'rabbitmqctl');
            const options = { cwd: home, env: serverEnvironment(home, ports), timeout: EVALUATION_MILLISECONDS };
            return (await promisify(execFile)(command, ['eval', expression], options)).stdout.trim();
          },
          stop: () => stop(running, home),
        };
      }
      await stop(server, home);
    } catch (error) {
      if (server !== undefined) await stop(server, home);
      await rm(home, { recursive: true, force: true });
      throw error;
    }
    // The one failure that another try can mend: somebody took a port in between.
    if (attempt === 3 || !/eaddrinuse|already in use/.test(await readFile(logFile, 'utf8'))) {
      throw new LocalCloudFailure(`RabbitMQ did not start; the reason is at the end of ${logFile}.`);
    }
  }
}

/** A RabbitMQ of this machine: the directory with `sbin` and `plugins`. */
export interface RabbitmqInstallation {
  readonly version: string;
  readonly home: string;
}

/** `undefined` where there is none that is new enough. Debian's own commands in PATH would change to the account `rabbitmq`. */
export function findRabbitmq(): RabbitmqInstallation | undefined {
  for (const place of PLACES) {
    const names = existsSync(place) ? readdirSync(place) : [];
    for (const name of ['.', ...names.filter((found) => found.startsWith('rabbitmq_server-'))]) {
      const home = join(place, name);
      const plugins = join(home, 'plugins');
      if (!existsSync(join(home, 'sbin', 'rabbitmq-server')) || !existsSync(plugins)) continue;
      // The broker itself is one of the plugins there.
      const version = readdirSync(plugins).flatMap((plugin) => /^rabbit-(\d+\.\d+\.\d+)/.exec(plugin)?.[1] ?? [])[0];
      if (version !== undefined && isNewEnough(version)) return { version, home };
    }
  }
  return undefined;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor, leastPatch] = LEAST_VERSION;
  if (major !== leastMajor) return major > leastMajor;
  return minor === leastMinor ? patch >= leastPatch : minor > leastMinor;
}

async function freePorts(): Promise<Ports> {
  const found = new Set<number>();
  while (found.size < 6) found.add(await freePort());
  const [amqp = 0, management = 0, distribution = 0, epmd = 0, secureAmqp = 0, secureManagement = 0] = found;
  return { amqp, management, distribution, epmd, secureAmqp, secureManagement };
}

/** Erlang terms: what the newer `rabbitmq.conf` says would be translated by schemas that take a second to load. */
async function configure(work: {
  readonly home: string;
  readonly installed: string;
  readonly ports: Ports;
  readonly adminPassword: string;
  readonly options: RabbitmqOptions;
}): Promise<void> {
  const { home, ports } = work;
  const { tls, settings = {} } = work.options;
  const local = '{ip, "127.0.0.1"}';
  const files =
    tls &&
    `{cacertfile, ${text(tls.authority)}}, {certfile, ${text(tls.certificate)}}, {keyfile, ${text(tls.key)}}, {verify, verify_none}`;
  const secureListener = files && `{ssl_listeners, [{"127.0.0.1", ${ports.secureAmqp}}]}, {ssl_options, [${files}]},`;
  const secureManagement = files && `, {ssl_config, [${local}, {port, ${ports.secureManagement}}, ${files}]}`;
  const terms = `[
  {kernel, [{inet_dist_use_interface, {127, 0, 0, 1}}]},
  {rabbit, [
    {tcp_listeners, [{"127.0.0.1", ${ports.amqp}}]}, ${secureListener ?? ''}
    {default_user, <<"${ADMIN_USER}">>}, {default_pass, <<"${work.adminPassword}">>},
    {default_user_tags, [administrator]}${Object.entries(settings)
      .map(([key, term]) => `, {${key}, ${term}}`)
      .join('')}
  ]},
  {rabbitmq_management, [{tcp_config, [${local}, {port, ${ports.management}}]}${secureManagement ?? ''}]}
].
`;
  // Holds the administrator's password: nobody else reads this directory.
  await writeFile(join(home, 'rabbitmq.config'), terms, { mode: 0o600 });
  await writeFile(join(home, 'enabled_plugins'), '[rabbitmq_management].\n');
  const program = join(home, 'program');
  await mkdir(join(program, 'plugins'), { recursive: true });
  for (const name of ['sbin', 'escript']) await symlink(join(work.installed, name), join(program, name));
  for (const name of await readdir(join(work.installed, 'plugins'))) {
    if (name.startsWith('rabbitmq_') && !PLUGINS.test(name)) continue;
    await symlink(join(work.installed, 'plugins', name), join(program, 'plugins', name));
  }
}

const text = (value: string): string => JSON.stringify(value);

/**
 * Ends broker and name server, and removes the data, once the parent has closed the pipe, or is gone. Killed outright:
 * a broker that says good-bye takes seconds, and nothing here outlives it.
 */
const WATCHDOG = `
exec 3<&0
epmd -port "$1" -address 127.0.0.1 </dev/null 3<&- &
epmd=$!
"$2/program/sbin/rabbitmq-server" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } 2>/dev/null &
watch=$!
wait "$server"; status=$?
kill "$watch" "$epmd" 2>/dev/null
wait "$epmd" 2>/dev/null
cd / && rm -rf "$2"
exit $status
`;

async function launch({
  home,
  ports,
  logFile,
}: {
  home: string;
  ports: Ports;
  logFile: string;
}): Promise<ChildProcess> {
  const log = await open(logFile, 'a', 0o600);
  try {
    const server = spawn('/bin/sh', ['-c', WATCHDOG, 'rabbitmq-watchdog', String(ports.epmd), home], {
      cwd: home,
      env: serverEnvironment(home, ports),
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

function serverEnvironment(home: string, ports: Ports): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    // Erlang keeps its cookie there.
    HOME: home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_NODENAME: `rekey${ports.amqp}@localhost`,
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    // Not the system's own /etc/rabbitmq/rabbitmq-env.conf.
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Makes the script become the broker instead of waiting for it: the process that is killed is the broker.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}

async function answers({
  server,
  port,
  adminPassword,
  withinMilliseconds,
}: {
  server: ChildProcess;
  port: number;
  adminPassword: string;
  withinMilliseconds: number;
}): Promise<boolean> {
  const authorization = `Basic ${Buffer.from(`${ADMIN_USER}:${adminPassword}`).toString('base64')}`;
  const answer = await poll(
    async () => {
      if (endOf(server) !== undefined) return false;
      // Says when the AMQP listener, the last to start, is there.
      const url = `http://127.0.0.1:${port}/api/health/checks/protocol-listener/amqp091`;
      // Refused until it listens: asked again until the deadline.
      const health = await fetch(url, { headers: { authorization } }).catch(() => undefined);
      return health?.ok === true ? true : undefined;
    },
    { withinMilliseconds },
  );
  return answer === true;
}

async function stop(server: ChildProcess, home: string): Promise<void> {
  server.stdin?.end();
  const ended = await poll(() => endOf(server), { withinMilliseconds: 3_000, everyMilliseconds: 10 });
  if (ended === undefined && server.pid !== undefined) await endProcessGroup(server.pid);
  await rm(home, { recursive: true, force: true, maxRetries: 3 });
}
