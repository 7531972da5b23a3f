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

const DATABASE = 'shop';
const ROLE = 'shop_app';

export async function createExampleDatabase(
  server: PostgresServer,
  names: { readonly secret: string; readonly adminSecret: string },
): Promise<ExampleDatabase> {
  const password = randomBytes(24).toString('base64url');
  await asAdmin(server, 'postgres', async (client) => {
    await client.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    await client.query(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`);
  });
  await asAdmin(server, DATABASE, async (client) => {
    await client.query(`SET ROLE ${ROLE}`);
    await client.query('CREATE TABLE transactions (id int PRIMARY KEY, status text NOT NULL)');
    await client.query("INSERT INTO transactions SELECT n, 'pending' FROM generate_series(1, 100) n");
  });
  const place = { engine: 'postgres', host: server.host, port: server.port };
  const secrets = new SecretsManagerClient({});
  const admin = { ...place, username: server.adminUser, password: server.adminPassword, dbname: 'postgres' };
  const { ARN } = await secrets.send(
    new CreateSecretCommand({ Name: names.adminSecret, SecretString: JSON.stringify(admin) }),
  );
  const value = { ...place, username: ROLE, password, dbname: DATABASE, masterarn: ARN };
  await secrets.send(new CreateSecretCommand({ Name: names.secret, SecretString: JSON.stringify(value) }));
  return { ...names, role: ROLE };
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
