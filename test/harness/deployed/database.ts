import { Client } from 'pg';
import type { CredentialValue } from './secrets.ts';
import { system } from './system.ts';

/** How the server answers a login, past any proxy: `accepted`, or the SQLSTATE of its refusal. */
export async function login({ dbname, username, password }: CredentialValue): Promise<string> {
  const { host, port } = system.postgres;
  const client = new Client({ host, port, database: dbname, user: username, password });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    return (error as { readonly code?: string }).code ?? (error as Error).name;
  }
  await client.end();
  return 'accepted';
}

/** A wrong password, no password, or a role that may not log in. */
export const REFUSED = /^28(?:P01|000)$/;

/** Statements of an admin's hand. */
export async function asAdmin<Row extends object = object>(...statements: readonly string[]): Promise<readonly Row[]> {
  const { host, port, adminUser, adminPassword } = system.postgres;
  const client = new Client({ host, port, database: 'postgres', user: adminUser, password: adminPassword });
  await client.connect();
  try {
    let rows: readonly Row[] = [];
    for (const statement of statements) rows = (await client.query<Row & Record<string, unknown>>(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

/** The roles that can log in, of those whose names begin with the first incumbent's. */
export async function loginRoles(role: string): Promise<readonly string[]> {
  const rows = await asAdmin<{ name: string }>(
    `SELECT rolname::text AS name FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND starts_with(rolname, '${role}') ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}
