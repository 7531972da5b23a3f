import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Client, type ClientConfig, escapeIdentifier, escapeLiteral } from 'pg';
import { poll } from '../../infra/local/poll.ts';
import { type PostgresServer, startPostgres } from '../../infra/local/postgres-server.ts';
import { SecretText } from '../../shared/redact.ts';
import type { Limits } from '../../shared/rotators/postgresql/connect.ts';
import { postgresqlRotator } from '../../shared/rotators/postgresql/postgresql-rotator.ts';
import type { ChosenRotator, KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';

export const SECRET_ID = 'prod/app/db';

export interface Values {
  readonly username: string;
  readonly password: string;
  readonly [key: string]: unknown;
}

/** A real server and what the tests do on it as its administrator. */
export class PostgresHarness {
  readonly server: PostgresServer;
  /** How each login of the rotators ended. */
  readonly connections: string[] = [];
  readonly #open: Client[] = [];
  #clock = Date.parse('2026-01-01T00:00:00Z');
  readonly waits: number[] = [];
  /** Called at each wait of the rotator, in place of time. */
  onWait: () => Promise<void> = async () => undefined;

  private constructor(server: PostgresServer) {
    this.server = server;
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresHarness> {
    return new PostgresHarness(await startPostgres({ settings: { log_statement: 'all', ...settings } }));
  }

  async stop(): Promise<void> {
    await this.closeSessions();
    await this.server.stop();
  }

  async closeSessions(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((client) => client.end().catch(() => undefined)));
  }

  /** When the next rotation starts: later than any before it. */
  nextStart(): Date {
    this.#clock += 1000;
    return new Date(this.#clock);
  }

  rotator(mode: RotatorSettings['mode'] = 'two_roles', limits: Partial<Limits> = {}): ChosenRotator {
    return postgresqlRotator({
      mode,
      limits,
      clock: {
        now: () => new Date(this.#clock),
        sleep: async (milliseconds) => {
          this.#clock += milliseconds;
          this.waits.push(milliseconds);
          await this.onWait();
        },
      },
      onConnect: (outcome) => this.connections.push(outcome),
    });
  }

  get admin(): SecretText {
    return this.secret({ username: this.server.adminUser, password: this.server.adminPassword });
  }

  secret(values: Values & { readonly dbname?: string }): SecretText {
    const { host, port } = this.server;
    return new SecretText(JSON.stringify({ engine: 'postgres', host, port, dbname: 'postgres', ...values }));
  }

  settings(more: Partial<RotatorSettings> = {}): RotatorSettings {
    return {
      secretId: SECRET_ID,
      mode: 'two_roles',
      preheatSeconds: 2,
      healthyThreshold: 3,
      endSessions: true,
      ...more,
    };
  }

  /** A login role with a random password, and its secret. */
  async createLogin(name: string, clauses = ''): Promise<SecretText> {
    const password = randomBytes(12).toString('hex');
    await this.sql(`CREATE ROLE ${escapeIdentifier(name)} LOGIN PASSWORD ${escapeLiteral(password)} ${clauses}`);
    await this.sql(`GRANT CREATE, USAGE ON SCHEMA public TO ${escapeIdentifier(name)}`);
    return this.secret({ username: name, password });
  }

  /** What the server has logged since `from`; every statement is in it. */
  async log(from = 0): Promise<string> {
    return (await readFile(this.server.logFile, 'utf8')).slice(from);
  }

  async sql<Row extends object = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.as<Row>(this.admin, text, values);
  }

  /** One statement with a login of its own. */
  async as<Row extends object = Record<string, unknown>>(
    who: SecretText,
    text: string,
    values: unknown[] = [],
  ): Promise<Row[]> {
    const client = await this.open(who);
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A session that stays open until the test ends it, or the server does. */
  async open(who: SecretText): Promise<Client> {
    const { username, password, host, port, dbname } = parsed(who);
    const config: ClientConfig = {
      host: String(host),
      port: Number(port),
      database: String(dbname),
      user: username,
      password,
    };
    const client = new Client(config);
    client.on('error', () => undefined);
    await client.connect();
    this.#open.push(client);
    return client;
  }

  /** Has the turn at the secret's roles, as an install in the middle has; the answer gives it back. */
  async holdLock(secretId: string): Promise<() => Promise<void>> {
    const holder = await this.open(this.admin);
    const key = escapeLiteral(`managed by Rekey for ${secretId}`);
    await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtext(${key}))`);
    return async () => void (await holder.query('COMMIT'));
  }

  /** Comes back once somebody waits for the turn that `holdLock` has. */
  async somebodyWaits(): Promise<void> {
    const waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    const found = await poll(async () => (await this.sql(waiting)).length > 0 || undefined, {
      withinMilliseconds: 10_000,
      everyMilliseconds: 20,
    });
    if (found === undefined) throw new Error('nobody waits for the turn');
  }

  /** Preflight, propose, install, test: as the workflow does. */
  async bringIn(rotation: {
    readonly incumbent: SecretText | undefined;
    readonly versionId: string;
    readonly known?: readonly KnownCredential[];
    readonly settings?: RotatorSettings;
    readonly admin?: SecretText;
    readonly startedAt?: Date;
  }): Promise<SecretText> {
    const { incumbent, versionId, known = [], settings = this.settings(), admin = this.admin } = rotation;
    const rotator = this.rotator();
    const values = { settings, admin, incumbent, versionId, startedAt: rotation.startedAt ?? this.nextStart() };
    const preflight = await rotator.preflight({ ...values, known });
    const candidate = rotator.propose({ ...values, candidate: preflight.candidate });
    await rotator.install({ ...values, candidate });
    await rotator.test({ settings, candidate, incumbentIdentity: preflight.incumbent });
    await rotator.release();
    return candidate;
  }
}

export function parsed(value: SecretText): Values {
  return JSON.parse(value.reveal()) as Values;
}

export function usernameOf(value: SecretText): string {
  return parsed(value).username;
}
