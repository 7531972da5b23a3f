import { setTimeout as pause } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { openSecrets, pgPool, type SecretValue, type Secrets } from '../../../client/index.ts';
import type { FleetOptions } from './fleet.ts';

/** More logins at once than this, over all fleets, and the server has no connections left. */
const LOGINS_AT_ONCE = 3;
const PAUSE_MILLISECONDS = 20;

const options = JSON.parse(process.argv[2] ?? '') as FleetOptions;
const taken: Record<string, number> = {};
const failures: string[] = [];
let queries = 0;
const over = new AbortController();
let free = LOGINS_AT_ONCE;
const waiting: (() => void)[] = [];

const consumers: Secrets[] = [];
for (let index = 0; index < options.consumers; index += 1) consumers.push(await open());
const [first] = consumers;
if (first === undefined) throw new Error('A fleet has consumers.');
const pool = pgPool(first, options.secret, { Pool, max: 4 });

const loops = [
  ...Array.from({ length: options.reconnecting }, (_, index) => always(() => once(index))),
  ...Array.from({ length: options.pooled }, () => always(async () => void (await pool.query('SELECT 1')))),
];

process.on('message', (message: { readonly kind: string }) => {
  if (message.kind === 'report') {
    const versions = consumers.map((consumer) => consumer.current(options.secret).versionId);
    process.send?.({ kind: 'report', versions, taken, queries, failures });
  }
  if (message.kind === 'close') void close();
});
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });

async function open(): Promise<Secrets> {
  const secrets = await openSecrets([options.secret], {
    agent: options.agent,
    followSeconds: 1,
    heartbeatSeconds: 5,
    boundSeconds: 30,
    proveSeconds: 300,
  });
  secrets.onReload(options.secret, prove, (value: SecretValue) => {
    taken[value.versionId] = Date.now();
  });
  return secrets;
}

async function prove(candidate: SecretValue): Promise<void> {
  process.send?.({ kind: 'proving' });
  if (options.manner === 'refuses') throw new Error('the reporting job cannot use this login');
  if (options.manner === 'hangs') await new Promise(() => undefined);
  if (free === 0) await new Promise<void>((go) => waiting.push(go));
  else free -= 1;
  try {
    await login(candidate);
  } finally {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  }
}

async function once(index: number): Promise<void> {
  const consumer = consumers[(queries * 7 + index) % consumers.length] ?? consumers[0];
  if (consumer !== undefined) await login(consumer.current(options.secret));
}

async function login(value: SecretValue): Promise<void> {
  const { host, port, username, password, dbname } = value.json<Record<string, string>>();
  const client = new Client({ host, port: Number(port), user: username, password, database: dbname });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
}

async function always(query: () => Promise<void>): Promise<void> {
  while (!over.signal.aborted) {
    queries += 1;
    try {
      await query();
    } catch (error) {
      // The SQLSTATE or system code: a message could quote more than a report should hold.
      failures.push((error as { readonly code?: string }).code ?? (error as Error).name);
    }
    await pause(PAUSE_MILLISECONDS);
  }
}

async function close(): Promise<void> {
  over.abort();
  await Promise.all(loops);
  await pool.end();
  for (const consumer of consumers) await consumer.close();
  process.exit(0);
}
