import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { PostgresServer } from '../local/postgres-server.ts';

/** What an admin would have before Rekey: a database, a login role that owns its tables, and both secrets by hand. */
export interface ExampleDatabase {
  readonly secret: string;
  readonly adminSecret: string;
  readonly role: string;
}

export interface ExampleNames {
  readonly secret: string;
  readonly adminSecret: string;
  readonly database?: string;
  readonly role?: string;
}

/** Makes all of it. The first password goes to the server as an admin's hand would send it, but into no log of it. */
export async function createExampleDatabase(
  server: PostgresServer,
  { secret, adminSecret, database = 'shop', role = 'shop_app' }: ExampleNames,
): Promise<ExampleDatabase> {
  const password = randomBytes(24).toString('base64url');
  await asAdmin(server, 'postgres', async (client) => {
    const name = client.escapeIdentifier(role);
    await client.query("SET log_statement = 'none'");
    await client.query(`CREATE ROLE ${name} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)} OWNER ${name}`);
  });
  await asAdmin(server, database, async (client) => {
    await client.query(`SET ROLE ${client.escapeIdentifier(role)}`);
    await client.query('CREATE TABLE transactions (id int PRIMARY KEY, status text NOT NULL)');
    await client.query("INSERT INTO transactions SELECT n, 'pending' FROM generate_series(1, 100) n");
  });
  const place = { engine: 'postgres', host: server.host, port: server.port };
  const secrets = new SecretsManagerClient({});
  const admin = { ...place, username: server.adminUser, password: server.adminPassword, dbname: 'postgres' };
  const { ARN } = await secrets.send(
    new CreateSecretCommand({ Name: adminSecret, SecretString: JSON.stringify(admin) }),
  );
  const value = { ...place, username: role, password, dbname: database, masterarn: ARN };
  await secrets.send(new CreateSecretCommand({ Name: secret, SecretString: JSON.stringify(value) }));
  return { secret, adminSecret, role };
}

async function asAdmin(
  server: PostgresServer,
  database: string,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const { host, port, adminUser: user, adminPassword: password } = server;
  const client = new Client({ host, port, user, password, database });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
