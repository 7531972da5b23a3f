import { hash, randomBytes } from 'node:crypto';
import { createClient } from '@redis/client';
import {
  findRedis,
  HOW_TO_GET_REDIS,
  type RedisOptions,
  type RedisServer,
  startRedis,
} from '../../infra/local/redis-server.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import { redisRotator } from '../../shared/rotators/redis/redis-rotator.ts';
import type { ChosenRotator } from '../../shared/rotators/rotator.ts';
import { inRealTime } from '../fakes/manual-clock.ts';
import type { Accounted, Adopted, KeptConnection, TargetHarness } from './target-harness.ts';

const version = await findRedis();
export const hasRedis = version !== undefined;
/** Title of a suite that needs Redis: where there is none, how to get one. */
export const WITH_REDIS = version === undefined ? HOW_TO_GET_REDIS : `Redis ${version}`;

/** Nobody listens there: it takes root to. */
const CLOSED_PORT = 1;

export interface RedisValue {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password: string;
  readonly [key: string]: unknown;
}

type Client = ReturnType<typeof newClient>;

/** One real server or several, and what the tests do there as administrator. */
export class RedisHarness implements TargetHarness {
  readonly type = 'redis';
  readonly endsConnections = true;
  readonly servers: readonly RedisServer[];
  /** How each login of the rotators ended. */
  readonly logins: string[] = [];
  readonly #admins = new Map<RedisServer, Promise<Client>>();
  readonly #open = new Set<Client>();

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  /** `count` servers that know nothing of each other. */
  static async start(options: RedisOptions = {}, count = 1): Promise<RedisHarness> {
    return new RedisHarness(await Promise.all(Array.from({ length: count }, () => startRedis(options))));
  }

  static of(...servers: readonly RedisServer[]): RedisHarness {
    return new RedisHarness(servers);
  }

  get server(): RedisServer {
    const [server] = this.servers;
    if (server === undefined) throw new Error('a harness without a server');
    return server;
  }

  async stop(): Promise<void> {
    for (const client of this.#open) client.destroy();
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** A user with a random password on every server; all have the same administrator's password in the value of `admin`. */
  async adopt(name: string, rules = '+@all -@admin -@dangerous ~* &*'): Promise<Adopted> {
    const password = randomBytes(12).toString('hex');
    const username = name.replaceAll(/\s/g, '-');
    for (const server of this.servers) {
      await this.command(server, [
        'ACL',
        'SETUSER',
        username,
        'on',
        `#${hash('sha256', password)}`,
        ...rules.split(' '),
      ]);
    }
    const incumbent = this.secret({ username, password });
    return { name, declared: this.declared, incumbent, admin: this.admin };
  }

  /** `connection` only where there is more than one server to name. */
  get declared(): Adopted['declared'] {
    const [{ host, port } = this.server, ...others] = this.servers;
    if (others.length === 0) return {};
    const nodes = others.map((other) => `${other.host}:${other.port}`);
    return { connection: { host, port, tls: 'prefer', nodes } };
  }

  get admin(): SecretText {
    return this.secret({ username: this.server.adminUser, password: this.server.adminPassword });
  }

  secret(values: {
    readonly username?: string;
    readonly password: string;
    readonly [key: string]: unknown;
  }): SecretText {
    const { host, port } = this.server;
    return new SecretText(JSON.stringify({ engine: 'redis', host, port, ...values }));
  }

  rotator(clock: Clock): ChosenRotator {
    return redisRotator({ clock: atServers(clock), onConnect: (outcome) => this.logins.push(outcome) });
  }

  async state(adopted: Adopted): Promise<string> {
    const users = await Promise.all(this.servers.map((server) => this.user(server, usernameOf(adopted.incumbent))));
    // Hashes of hashes: a difference shows, a value does not.
    return users.map((user) => hash('sha256', JSON.stringify(user))).join();
  }

  async unaccounted(adopted: Adopted, accounted: readonly Accounted[]): Promise<readonly string[]> {
    const username = usernameOf(adopted.incumbent);
    const explained = new Set(accounted.flatMap(({ value }) => (value === undefined ? [] : [hashOf(value)])));
    const found: string[] = [];
    for (const server of this.servers) {
      const hashes = await this.hashes(server, username);
      for (const [index, sha256] of hashes.entries()) {
        if (!explained.has(sha256)) found.push(`password ${index + 1} of ${username} at port ${server.port}`);
      }
    }
    return found;
  }

  async use(value: SecretText): Promise<void> {
    const connection = await this.connect(value);
    try {
      await connection.use();
    } finally {
      await connection.end();
    }
  }

  readonly connect = async (value: SecretText): Promise<KeptConnection> => {
    const client = await this.login(value);
    return {
      use: async () => {
        await client.sendCommand(['SET', 'used', 'yes']);
      },
      end: async () => {
        this.#open.delete(client);
        client.destroy();
      },
    };
  };

  readonly unreachable = (value: SecretText): SecretText =>
    new SecretText(JSON.stringify({ ...parsed(value), port: CLOSED_PORT }));

  /** A connection that stays until the test, the harness or the server ends it. */
  async login(value: SecretText, port?: number): Promise<Client> {
    const { host, username = 'default', password, port: own } = parsed(value);
    const client = await newClient(host, port ?? own).connect();
    this.#open.add(client);
    client.once('error', () => this.#open.delete(client));
    try {
      await client.sendCommand(['AUTH', username, password]);
    } catch (error) {
      client.destroy();
      throw error;
    }
    return client;
  }

  /** As administrator. */
  async command(server: RedisServer, words: readonly string[]): Promise<unknown> {
    const known = this.#admins.get(server);
    const client = known === undefined ? undefined : await known;
    if (client?.isReady === true) return client.sendCommand(words);
    const { host, port, adminUser, adminPassword } = server;
    const opened = this.login(this.secret({ host, port, username: adminUser, password: adminPassword }));
    this.#admins.set(server, opened);
    return (await opened).sendCommand(words);
  }

  /** `ACL GETUSER`, as pairs. */
  async user(server: RedisServer, username: string): Promise<ReadonlyMap<string, unknown> | undefined> {
    const reply = (await this.command(server, ['ACL', 'GETUSER', username])) as unknown[] | null;
    if (reply === null) return undefined;
    return new Map(
      reply.flatMap((name, index) => (index % 2 === 0 ? [[String(name), reply[index + 1]] as const] : [])),
    );
  }

  async hashes(server: RedisServer, username: string): Promise<readonly string[]> {
    return ((await this.user(server, username))?.get('passwords') ?? []) as string[];
  }

  /** Every user but `username` as `ACL LIST` has it, and of that one all but its passwords. */
  async everythingBut(server: RedisServer, username: string): Promise<string> {
    const users = (await this.command(server, ['ACL', 'LIST'])) as string[];
    const own = `user ${username} `;
    return users
      .map((line) => (line.startsWith(own) ? line.replaceAll(/ #[0-9a-f]{64}/g, '') : line))
      .sort()
      .join('\n');
  }
}

export const openRedis = (): Promise<TargetHarness> => RedisHarness.start();

export function parsed(value: SecretText): RedisValue {
  return JSON.parse(value.reveal()) as RedisValue;
}

export function usernameOf(value: SecretText): string {
  return parsed(value).username ?? 'default';
}

/** Longer than any test moves its clock by hand. */
const YEAR_MILLISECONDS = 365 * 86_400_000;

/**
 * `clock` as it goes with the ages of connections, which servers tell in real seconds. Where a test has moved it over a
 * grace period, every connection is younger by that than it would be, and none would ever be old enough to be ended. Put
 * back, it makes them all older than any candidate.
 */
function atServers(clock: Clock): Clock {
  if (clock === systemClock) return clock;
  return { ...inRealTime(clock), now: () => new Date(clock.now().getTime() - YEAR_MILLISECONDS) };
}

/** As Redis keeps it. */
export function hashOf(value: SecretText): string {
  return hash('sha256', parsed(value).password);
}

/** For each set of options the driver makes a class of its own, with 400 commands. */
const template = createClient({ RESP: 2, disableClientInfo: true, maintNotifications: 'disabled' });

function newClient(host: string, port: number) {
  const client = template.duplicate({ socket: { host, port, reconnectStrategy: false } });
  // Ended by the server: the next command says so.
  client.on('error', () => undefined);
  return client;
}
