import { createHash, randomBytes } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { poll } from '../../infra/local/poll.ts';
import {
  findRabbitmq,
  HOW_TO_GET_RABBITMQ,
  type RabbitmqOptions,
  type RabbitmqServer,
  startRabbitmq,
} from '../../infra/local/rabbitmq-server.ts';
import type { Clock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import type { LoginOutcome } from '../../shared/rotators/rabbitmq/amqp-login.ts';
import { isEnded, isHashOf } from '../../shared/rotators/rabbitmq/password-hash.ts';
import { rabbitmqRotator } from '../../shared/rotators/rabbitmq/rabbitmq-rotator.ts';
import type { ChosenRotator, ConnectionSettings } from '../../shared/rotators/rotator.ts';
import { inRealTime } from '../fakes/manual-clock.ts';
import type { Accounted, Adopted, KeptConnection, TargetHarness } from './target-harness.ts';

const installed = findRabbitmq();
export const hasRabbitmq = installed !== undefined;
/** Title of a suite that needs RabbitMQ: where there is none, how to get one. */
export const WITH_RABBITMQ = installed === undefined ? HOW_TO_GET_RABBITMQ : `RabbitMQ ${installed.version}`;

/** Nobody listens there: it takes root to. */
const CLOSED_PORT = 1;
/** A second virtual host, whose name needs encoding. */
export const OTHER_VHOST = 'rekey/ö%2F';

export interface Values {
  readonly username: string;
  readonly password: string;
  readonly [key: string]: unknown;
}

/** What the management API says of a user. */
export interface UserOnBroker {
  readonly name: string;
  readonly password_hash: string;
  readonly hashing_algorithm: string;
  readonly tags: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** A real broker, and what the tests do on it as its administrator. */
export class RabbitmqHarness {
  readonly server: RabbitmqServer;
  /** How each AMQP login of the rotators ended. */
  readonly logins: LoginOutcome[] = [];
  readonly #open: ChannelModel[] = [];

  private constructor(server: RabbitmqServer) {
    this.server = server;
  }

  static async start(options: RabbitmqOptions = {}): Promise<RabbitmqHarness> {
    const harness = new RabbitmqHarness(await startRabbitmq(options));
    await harness.api('PUT', ['vhosts', OTHER_VHOST]);
    return harness;
  }

  async stop(): Promise<void> {
    await this.closeConnections();
    await this.server.stop();
  }

  async closeConnections(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((connection) => connection.close().catch(() => undefined)));
  }

  rotator(clock: Clock): ChosenRotator {
    return rabbitmqRotator({ clock: inRealTime(clock), onLogin: (outcome) => this.logins.push(outcome) });
  }

  get admin(): SecretText {
    const { adminUser, adminPassword } = this.server;
    return new SecretText(JSON.stringify({ username: adminUser, password: adminPassword }));
  }

  connection(more: Partial<ConnectionSettings> = {}): ConnectionSettings {
    const { host, port, managementPort } = this.server;
    return { host, port, managementPort, tls: 'disable', ...more };
  }

  secret(values: Values): SecretText {
    const { host, port } = this.server;
    return new SecretText(JSON.stringify({ engine: 'rabbitmq', host, port, ...values }));
  }

  /** A user with rights of every kind, and its secret. */
  async createUser(name: string, password = randomBytes(32).toString('hex')): Promise<SecretText> {
    await this.api('PUT', ['users', name], { password, tags: 'monitoring', limits: { 'max-channels': 500 } });
    await this.api('PUT', ['permissions', '/', name], { configure: '.*', write: '.*', read: '.*' });
    await this.api('PUT', ['permissions', OTHER_VHOST, name], { configure: '', write: '^a"\\\\', read: '.*' });
    await this.api('PUT', ['topic-permissions', '/', name], { exchange: 'amq.topic', write: '.*', read: '^b' });
    return this.secret({ username: name, password });
  }

  async adopt(name: string): Promise<Adopted> {
    const incumbent = await this.createUser(name);
    return { name, declared: { connection: this.connection() }, incumbent, admin: this.admin };
  }

  /** Everything the broker knows of these users. Hashes only as digests. */
  async stateOf(...names: readonly string[]): Promise<string> {
    const users = await Promise.all(
      names.map(async (name) => {
        const user = await this.user(name);
        if (user === undefined) return { name };
        const rights = await Promise.all(
          ['permissions', 'topic-permissions'].map((kind) => this.api('GET', ['users', name, kind])),
        );
        return { ...user, password_hash: createHash('sha256').update(user.password_hash).digest('hex'), rights };
      }),
    );
    return JSON.stringify(users);
  }

  async user(name: string): Promise<UserOnBroker | undefined> {
    return (await this.api('GET', ['users', name])) as UserOnBroker | undefined;
  }

  /** Imports definitions: also names that cannot stand in a path. */
  async define(definitions: object): Promise<void> {
    await this.api('POST', ['definitions'], definitions);
  }

  async usernames(): Promise<readonly string[]> {
    return ((await this.api('GET', ['users'])) as readonly UserOnBroker[]).map(({ name }) => name);
  }

  /** A connection that stays open until the test ends it, or the broker does. */
  async open(value: SecretText, port = Number(parsed(value)['port'])): Promise<ChannelModel> {
    const { username, password, host, vhost = '/' } = parsed(value);
    const connection = await connect({
      protocol: 'amqp',
      hostname: String(host),
      port,
      username,
      password,
      vhost: encodeURIComponent(String(vhost)),
    });
    connection.on('error', () => undefined);
    this.#open.push(connection);
    return connection;
  }

  /**
   * Has the broker list a connection of `name` that is none, as it does when one closes right after it opens and the two
   * events cross.
   */
  async listOneOfThePast(name: string, clientPort: number): Promise<void> {
    const connection = `<<"127.0.0.1:${clientPort} -> 127.0.0.1:${this.server.port}">>`;
    await this.server.evaluate(
      `rabbit_connection_tracking:handle_cast({connection_created, [{name, ${connection}}, {node, node()}, {vhost, <<"/">>}, {user, <<"${name}">>}, {pid, spawn(fun() -> ok end)}, {protocol, {0, 9, 1}}, {type, network}, {peer_host, {127, 0, 0, 1}}, {peer_port, ${clientPort}}, {connected_at, 0}]}).`,
    );
  }

  /** Comes back once the broker's statistics, which are seconds late, have a connection of `name`. */
  async untilInStatistics(name: string): Promise<void> {
    const isThere = async () => {
      const all = (await this.api('GET', ['connections'])) as readonly { readonly user: string }[];
      return all.some(({ user }) => user === name) ? true : undefined;
    };
    if ((await poll(isThere, { withinMilliseconds: 20_000 })) === undefined) throw new Error('no such connection');
  }

  /** What the management API answers to its administrator; `undefined` where nothing is there. */
  async api(method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: readonly string[], body?: unknown): Promise<unknown> {
    const { adminUser, adminPassword, managementPort } = this.server;
    const url = `http://127.0.0.1:${managementPort}/api/${path.map(encodeURIComponent).join('/')}`;
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${adminUser}:${adminPassword}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`HTTP ${response.status} for ${method} ${url}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}

/** A real RabbitMQ for the shared suites: two users after one that was made by hand. */
export async function openRabbitmq(): Promise<TargetHarness> {
  return targetHarness(await RabbitmqHarness.start());
}

export function targetHarness(rabbitmq: RabbitmqHarness): TargetHarness {
  const stateOf = ({ name }: Adopted) => rabbitmq.stateOf(name, slotOf(name, 'a'), slotOf(name, 'b'));
  return {
    type: 'rabbitmq',
    endsConnections: true,
    adopt: (name) => rabbitmq.adopt(name),
    rotator: (clock) => rabbitmq.rotator(clock),
    state: stateOf,
    unaccounted: async ({ name }, accounted) => {
      const users = (await rabbitmq.api('GET', ['users'])) as readonly UserOnBroker[];
      return users
        .filter((user) => user.name === name || user.name.startsWith(`${name}_`))
        .filter((user) => !isEnded(hashOf(user)) && !explains(accounted, user))
        .map((user) => `user ${user.name}`);
    },
    use: async (value) => {
      const connection = await connectTo(rabbitmq, value);
      try {
        await connection.use();
      } finally {
        await connection.end();
      }
    },
    connect: (value) => connectTo(rabbitmq, value),
    obstruct: async (adopted) => {
      await rabbitmq.createUser(slotOf(adopted.name, 'a'));
      const before = await stateOf(adopted);
      return { isUntouched: async () => (await stateOf(adopted)) === before };
    },
    unreachable: (value) => new SecretText(JSON.stringify({ ...parsed(value), port: CLOSED_PORT })),
    stop: () => rabbitmq.stop(),
  };
}

/** Publishes with confirmation: that needs permissions, too. */
async function connectTo(rabbitmq: RabbitmqHarness, value: SecretText): Promise<KeptConnection> {
  const connection = await rabbitmq.open(value);
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  return {
    use: async () => {
      channel.publish('amq.topic', 'rekey.test', Buffer.from('hello'));
      await channel.waitForConfirms();
    },
    end: () => connection.close().catch(() => undefined),
  };
}

export function parsed(value: SecretText): Values {
  return JSON.parse(value.reveal()) as Values;
}

export function slotOf(name: string, turn: 'a' | 'b'): string {
  return `${name}_${turn}`;
}

export function hashOf({ name, password_hash: passwordHash, hashing_algorithm: hashingAlgorithm }: UserOnBroker) {
  return { name, passwordHash, hashingAlgorithm };
}

/** A user has one password: whose value has it, whose it is. */
function explains(accounted: readonly Accounted[], user: UserOnBroker): boolean {
  return accounted.some(({ value }) => {
    if (value === undefined || parsed(value).username !== user.name) return false;
    return isHashOf(hashOf(user), parsed(value).password) === true;
  });
}
