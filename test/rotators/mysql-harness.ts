import { createHash, randomBytes } from 'node:crypto';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import { findMysqlBinaries, HOW_TO_GET_MYSQL, type MysqlBinaries } from '../../infra/local/mysql-binaries.ts';
import { type MysqlServer, type MysqlSettings, startMysql } from '../../infra/local/mysql-server.ts';
import { poll } from '../../infra/local/poll.ts';
import { systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import type { AccountDependencies } from '../../shared/rotators/mysql/account-rotator.ts';
import { mysqlRotator } from '../../shared/rotators/mysql/mysql-rotator.ts';
import { accountText, literal } from '../../shared/rotators/mysql/sql-text.ts';
import type { ChosenRotator, ConnectionSettings, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { inRealTime } from '../fakes/manual-clock.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Accounted, Adopted, KeptConnection, TargetHarness } from './target-harness.ts';

/** Nobody listens there: it takes root to. */
const CLOSED_PORT = 1;

export interface Values {
  readonly username: string;
  readonly password: string;
  readonly [key: string]: unknown;
}

type Row = Record<string, unknown>;

/** A real server, MySQL or MariaDB, and what the tests do on it as its administrator. */
export class DatabaseHarness {
  readonly server: MysqlServer;
  readonly engine: 'mysql' | 'mariadb';
  /** How each login of the rotators ended. */
  readonly logins: string[] = [];
  readonly #rotator: (dependencies: AccountDependencies) => ChosenRotator;
  readonly #open: Connection[] = [];

  constructor(
    server: MysqlServer,
    engine: 'mysql' | 'mariadb',
    rotator: (dependencies: AccountDependencies) => ChosenRotator,
  ) {
    this.server = server;
    this.engine = engine;
    this.#rotator = rotator;
  }

  async stop(): Promise<void> {
    await this.closeSessions();
    await this.server.stop();
  }

  async closeSessions(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((connection) => connection.end().catch(() => undefined)));
  }

  rotator(more: Partial<AccountDependencies> = {}): ChosenRotator {
    return this.#rotator({ clock: systemClock, onConnect: (outcome) => this.logins.push(outcome), ...more });
  }

  rotations(
    adopted: Adopted,
    settings: Partial<RotatorSettings> = {},
    more: Partial<AccountDependencies> = {},
  ): RotationByHand {
    return new RotationByHand(this.rotator(more), adopted, settings);
  }

  get admin(): SecretText {
    return this.secret({ username: this.server.adminUser, password: this.server.adminPassword });
  }

  secret(values: Values): SecretText {
    const { host, port } = this.server;
    return new SecretText(JSON.stringify({ engine: this.engine, host, port, ...values }));
  }

  connection(more: Partial<ConnectionSettings> = {}): ConnectionSettings {
    const { host, port } = this.server;
    return { host, port, tls: 'prefer', ...more };
  }

  /** A user with a random password and a database of its own, and its secret. */
  async adopt(name: string, clauses = ''): Promise<Adopted> {
    const incumbent = await this.createUser(name, clauses);
    await this.sql(`CREATE DATABASE IF NOT EXISTS ${name}_data`);
    await this.sql(`CREATE TABLE IF NOT EXISTS ${name}_data.things (id INT, name TEXT)`);
    await this.sql(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}_data.* TO ${accountText({ user: name, host: '%' })}`,
    );
    return { name, declared: {}, incumbent, admin: this.admin };
  }

  async createUser(name: string, clauses = '', password = randomBytes(12).toString('hex')): Promise<SecretText> {
    await this.sql(
      `CREATE USER ${accountText({ user: name, host: '%' })} IDENTIFIED BY ${literal(password)} ${clauses}`,
    );
    return this.secret({ username: name, password });
  }

  /** Statements as the administrator; the rows of the last. */
  async sql<Found = Row>(...statements: readonly string[]): Promise<Found[]> {
    return this.as<Found>(this.admin, ...statements);
  }

  /** Statements with a login of their own. */
  async as<Found = Row>(who: SecretText, ...statements: readonly string[]): Promise<Found[]> {
    const connection = await connectTo(who);
    try {
      let rows: unknown = [];
      for (const statement of statements) [rows] = await connection.query(statement);
      return rows as Found[];
    } finally {
      await connection.end();
    }
  }

  /** A session that stays open until the test ends it, or the server does. */
  async open(who: SecretText): Promise<Connection> {
    const connection = await connectTo(who);
    this.#open.push(connection);
    return connection;
  }

  /** Such sessions until the server takes no more of the user, who has a limit. */
  async openAll(who: SecretText): Promise<void> {
    let fault: unknown;
    while (fault === undefined) fault = await faultOf(this.open(who));
  }

  /** Comes back once `statement` finds something, or nothing any more. */
  async until(found: 'something' | 'nothing', statement: string): Promise<void> {
    const isSo = await poll(
      async () => ((await this.sql(statement)).length === 0) === (found === 'nothing') || undefined,
      { withinMilliseconds: 10_000, everyMilliseconds: 20 },
    );
    if (isSo === undefined) throw new Error(`still not ${found}: ${statement}`);
  }

  /** Somebody waits for the turn at a secret's accounts. */
  somebodyWaits(): Promise<void> {
    return this.until('something', `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'`);
  }

  /** What the server keeps of these users; hashes only as digests. */
  async stateOf(...names: readonly string[]): Promise<string> {
    const users = await Promise.all(names.map(async (name) => ({ name, accounts: await this.#accounts(name) })));
    return JSON.stringify(users, (key, value: unknown) => (isHashKey(key) ? digest(String(value)) : value));
  }

  async grantsOf(user: string, host = '%'): Promise<readonly string[]> {
    const rows = await this.sql(`SHOW GRANTS FOR ${accountText({ user, host })}`);
    return rows.map((row) => String(Object.values(row)[0]).replace(/ IDENTIFIED .*?'[^']*'/, ''));
  }

  async #accounts(name: string): Promise<readonly unknown[]> {
    const table = this.engine === 'mysql' ? 'mysql.user' : 'mysql.global_priv';
    const rows = await this.sql(`SELECT * FROM ${table} WHERE User = ${literal(name)}`);
    return Promise.all(
      rows.map(async (row) => [
        row,
        await this.grantsOf(String(row['User']), String(row['Host'])).catch(() => 'a role'),
      ]),
    );
  }

  /** How many passwords open the user's accounts. */
  async alivePasswords(name: string): Promise<number> {
    const rows =
      this.engine === 'mysql'
        ? await this.sql<{ first: string; second: string | null }>(
            `SELECT authentication_string AS first, User_attributes->>'$.additional_password' AS second
               FROM mysql.user WHERE User = ${literal(name)} AND account_locked = 'N'`,
          )
        : await this.sql<{ first: string; second: string | null }>(
            `SELECT JSON_VALUE(Priv, '$.authentication_string') AS first, NULL AS second
               FROM mysql.global_priv WHERE User = ${literal(name)} AND COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) = 0`,
          );
    return new Set(rows.flatMap(({ first, second }) => [first, second]).filter((hash) => hash !== null)).size;
  }
}

export const mysqlBinaries = await findMysqlBinaries();
/** Title of a suite that needs MySQL: where there is none, how to get one. */
export const WITH_MYSQL = mysqlBinaries === undefined ? HOW_TO_GET_MYSQL : `MySQL ${mysqlBinaries.version}`;

export async function startMysqlHarness(
  settings: MysqlSettings = {},
  { dualPasswords = true } = {},
): Promise<DatabaseHarness> {
  if (mysqlBinaries === undefined) throw new Error(HOW_TO_GET_MYSQL);
  const server = await startMysql(mysqlBinaries satisfies MysqlBinaries, settings);
  return new DatabaseHarness(server, 'mysql', (dependencies) => mysqlRotator({ ...dependencies, dualPasswords }));
}

/** A real MySQL for the shared suites: two passwords on one user that was made by hand. */
export async function openMysql(): Promise<TargetHarness> {
  const mysql = await startMysqlHarness();
  return {
    ...targetHarness(mysql),
    // Where the candidate's password would go there is another one, that somebody retained.
    obstruct: async ({ name, incumbent }) => {
      const account = accountText({ user: name, host: '%' });
      await mysql.sql(
        `ALTER USER ${account} IDENTIFIED BY 'somebody else''s'`,
        `ALTER USER ${account} IDENTIFIED BY ${literal(parsed(incumbent).password)} RETAIN CURRENT PASSWORD`,
      );
      const before = await mysql.stateOf(name);
      return { isUntouched: async () => (await mysql.stateOf(name)) === before };
    },
  };
}

/** What the shared suites need of a server, where two users take turns or two passwords. */
export function targetHarness(database: DatabaseHarness): TargetHarness {
  const users = ({ name }: Adopted) => [name, `${name}_a`, `${name}_b`];
  return {
    type: database.engine,
    adopt: (name) => database.adopt(name),
    rotator: (clock) => database.rotator({ clock: inRealTime(clock) }),
    state: (adopted) => database.stateOf(...users(adopted)),
    unaccounted: async (adopted, accounted) => {
      const unknown: string[] = [];
      for (const user of users(adopted)) {
        const [alive, explained] = await Promise.all([database.alivePasswords(user), explainedOf(accounted, user)]);
        if (alive > explained) unknown.push(`${alive - explained} of ${alive} passwords of user ${user}`);
      }
      return unknown;
    },
    use: async (value) => {
      const connection = await connect(value);
      try {
        await connection.use();
      } finally {
        await connection.end();
      }
    },
    connect,
    obstruct: async (adopted) => {
      await database.createUser(`${adopted.name}_a`);
      const before = await database.stateOf(...users(adopted));
      return { isUntouched: async () => (await database.stateOf(...users(adopted))) === before };
    },
    unreachable: (value) => new SecretText(JSON.stringify({ ...parsed(value), port: CLOSED_PORT })),
    stop: () => database.stop(),
  };
}

/** How many different values of `user` open the server. */
async function explainedOf(accounted: readonly Accounted[], user: string): Promise<number> {
  const passwords = new Set<string>();
  for (const { value } of accounted) {
    if (value === undefined || parsed(value).username !== user) continue;
    const connection = await connect(value).catch(() => undefined);
    await connection?.end();
    if (connection !== undefined) passwords.add(parsed(value).password);
  }
  return passwords.size;
}

async function connect(value: SecretText): Promise<KeptConnection> {
  const connection = await connectTo(value);
  return {
    use: async () => void (await connection.query('SELECT 1')),
    end: () => connection.end().catch(() => undefined),
  };
}

export async function connectTo(value: SecretText, more: ConnectionOptions = {}): Promise<Connection> {
  const { username, password, host, port } = parsed(value);
  const connection = await createConnection({
    host: String(host),
    port: Number(port),
    user: username,
    password,
    charset: 'UTF8MB4_GENERAL_CI',
    ...more,
  });
  // Ended by the server: the next use says so.
  connection.on('error', () => undefined);
  return connection;
}

export function parsed(value: SecretText): Values {
  return JSON.parse(value.reveal()) as Values;
}

export function usernameOf(value: SecretText): string {
  return parsed(value).username;
}

/** What a promise was rejected with. */
export async function faultOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function isHashKey(key: string): boolean {
  return ['authentication_string', 'additional_password', 'Password'].includes(key);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
