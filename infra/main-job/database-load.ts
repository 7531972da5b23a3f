import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';

/** How long a client believes the value that it has read. */
const CACHE_MILLISECONDS = 1_000;
/** Between two queries of one client: about 300 logins a second in all would starve a two-core machine. */
const PAUSE_MILLISECONDS = 15;

export interface LoadOptions {
  readonly secretId: string;
  /** Clients that log in anew for every query. */
  readonly reconnecting: number;
  /** Clients that keep their connection, and change it when their cached value has changed. */
  readonly holding: number;
}

/** Ordinary consumers: they know Secrets Manager and the database, nothing of Rekey. */
export class DatabaseLoad {
  total = 0;
  readonly failures: string[] = [];
  readonly #secrets = new SecretsManagerClient({});
  readonly #options: LoadOptions;
  readonly #clients: Promise<void>[];
  #cached: { readonly value: Promise<string>; readonly until: number } | undefined;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#clients = [
      ...Array.from({ length: options.reconnecting }, () => this.#reconnect()),
      ...Array.from({ length: options.holding }, () => this.#hold()),
    ];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #reconnect(): Promise<void> {
    while (!this.#stopped) {
      await this.#count(async () => {
        const client = await connect(await this.#value());
        try {
          await ask(client);
        } finally {
          await client.end();
        }
      });
      await pause(PAUSE_MILLISECONDS);
    }
  }

  async #hold(): Promise<void> {
    let held: { readonly client: Client; readonly value: string } | undefined;
    while (!this.#stopped) {
      await this.#count(async () => {
        const value = await this.#value();
        if (held?.value !== value) {
          const before = held;
          held = { client: await connect(value), value };
          await before?.client.end();
        }
        await ask(held.client);
      });
      await pause(PAUSE_MILLISECONDS);
    }
    await held?.client.end();
  }

  async #count(query: () => Promise<void>): Promise<void> {
    this.total += 1;
    try {
      await query();
    } catch (error) {
      // The SQLSTATE or system code: a message could quote more than a report should hold.
      this.failures.push(codeOf(error));
    }
  }

  #value(): Promise<string> {
    const now = performance.now();
    if (this.#cached === undefined || now >= this.#cached.until) {
      const value = this.#read();
      this.#cached = { value, until: now + CACHE_MILLISECONDS };
    }
    return this.#cached.value;
  }

  async #read(): Promise<string> {
    const command = new GetSecretValueCommand({ SecretId: this.#options.secretId, VersionStage: 'AWSCURRENT' });
    return (await this.#secrets.send(command)).SecretString ?? '';
  }
}

async function connect(value: string): Promise<Client> {
  const { host, port, username, password, dbname } = JSON.parse(value) as Record<string, string>;
  const client = new Client({ host, port: Number(port), user: username, password, database: dbname });
  client.on('error', () => undefined); // A connection that ends while idle fails its next query, and is counted there.
  await client.connect();
  return client;
}

async function ask(client: Client): Promise<void> {
  await client.query("SELECT count(*) FROM transactions WHERE status = 'pending'");
}

/** How the server answers a login with `value`: its SQLSTATE, or `accepted`. */
export async function login(value: string): Promise<string> {
  try {
    const client = await connect(value);
    await client.end();
    return 'accepted';
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  const { code, name } = error as { readonly code?: string; readonly name: string };
  return code ?? name;
}
