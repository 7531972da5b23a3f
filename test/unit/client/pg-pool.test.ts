import { Pool, type PoolConfig } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pgPool, type RotatingPool } from '../../../client/pg-pool.ts';
import type { Secrets } from '../../../client/secrets.ts';
import { PostgresHarness } from '../../rotators/postgresql-harness.ts';
import { ClientWorld, settled } from './client-world.ts';

let postgres: PostgresHarness;
let world: ClientWorld;
let secrets: Secrets<'db'>;
let pool: RotatingPool<Pool>;
let run = 0;
let made: Pool[];

/** Remembers every pool that is made, and how it was made. */
class WatchedPool extends Pool {
  constructor(config: PoolConfig) {
    super(config);
    made.push(this);
  }
}

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});

afterAll(() => postgres.stop());

beforeEach(async () => {
  run += 1;
  made = [];
  world = new ClientWorld();
  for (const version of ['v1', 'v2']) {
    world.reader.put('db', version, (await postgres.createLogin(`pool_${run}_${version}`)).reveal());
  }
  secrets = await world.open();
  pool = pgPool(secrets, 'db', { Pool: WatchedPool, max: 3, clock: world.clock, drainSeconds: 60 });
});

afterEach(async () => {
  await pool.end();
  await secrets.close();
});

async function reload(): Promise<void> {
  await world.post();
  await world.clock.pass(5);
  // The check logs in over the network, in real time.
  await expect.poll(() => world.table.given.at(-1)).toMatchObject({ versionId: 'v2', outcome: 'acknowledged' });
}

async function userNow(): Promise<string> {
  const { rows } = await pool.query<{ user: string }>('SELECT current_user AS "user"');
  return rows[0]?.user ?? '';
}

async function sessionsOf(version: string): Promise<number> {
  const sessions = await postgres.sql(`SELECT FROM pg_stat_activity WHERE usename = 'pool_${run}_${version}'`);
  return sessions.length;
}

describe('a pool whose login is reloaded', () => {
  it('proves the new login before it uses it, and then uses it for what comes', async () => {
    expect(await userNow()).toBe(`pool_${run}_v1`);
    await reload();
    expect(await userNow()).toBe(`pool_${run}_v2`);
    expect(made).toHaveLength(3);
  });

  it('lets a running query and a client that is checked out finish, then ends the old sessions', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const blocker = await postgres.open(postgres.admin);
    await blocker.query(`SELECT pg_advisory_lock(${run})`);
    const waiting = pool.query<{ user: string }>(
      `SELECT current_user AS "user" FROM (SELECT pg_advisory_lock(${run})) AS lock`,
    );
    await postgres.somebodyWaits();
    await reload();
    expect(await userNow()).toBe(`pool_${run}_v2`);
    await blocker.query(`SELECT pg_advisory_unlock(${run})`);
    expect((await waiting).rows).toEqual([{ user: `pool_${run}_v1` }]);
    expect((await client.query<{ user: string }>('SELECT current_user AS "user"')).rows[0]?.user).toBe(
      `pool_${run}_v1`,
    );
    await client.query('COMMIT');
    client.release();
    await expect.poll(() => sessionsOf('v1')).toBe(0);
    expect(await sessionsOf('v2')).toBeGreaterThan(0);
  });

  it('serves whoever waits for a connection of the old pool', async () => {
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    const waiting = Promise.all([userNow(), userNow()]);
    await reload();
    for (const client of clients) client.release();
    expect(await waiting).toEqual([`pool_${run}_v1`, `pool_${run}_v1`]);
    await expect.poll(() => sessionsOf('v1')).toBe(0);
  });

  it('cuts off what still runs when the time to drain is over', async () => {
    const client = await pool.connect();
    client.on('error', () => undefined);
    await reload();
    await world.clock.pass(59);
    expect(await sessionsOf('v1')).toBe(1);
    await world.clock.pass(2);
    await expect.poll(() => sessionsOf('v1')).toBe(0);
    client.release(true);
  });

  it('refuses a login that does not work, and stays with the old one', async () => {
    world.reader.put(
      'db',
      'v2',
      (await postgres.createLogin(`wrong_${run}`)).reveal().replace(/"password":"./, '"password":"!'),
    );
    await world.post();
    await world.clock.pass(5);
    await expect.poll(() => world.table.given.at(-1)).toMatchObject({ outcome: 'refused' });
    expect(world.table.given.at(-1)?.said).toMatch(/^error: password authentication failed for user "\[redacted\]"$/);
    expect(await userNow()).toBe(`pool_${run}_v1`);
    await settled();
  });

  it('looks for another login when the server refuses this one, and sends the statement once', async () => {
    await postgres.sql(`ALTER ROLE pool_${run}_v1 PASSWORD 'another'`);
    world.reader.promote('db', 'v2');
    await postgres.sql(`CREATE SEQUENCE sent_${run}; GRANT ALL ON SEQUENCE sent_${run} TO PUBLIC`);
    const { rows } = await pool.query<{ sent: string; user: string }>(
      `SELECT nextval('sent_${run}') AS sent, current_user AS "user"`,
    );
    expect(rows).toEqual([{ sent: '1', user: `pool_${run}_v2` }]);
  });

  it('does not try again what a statement itself reports as a refused login', async () => {
    await postgres.sql(`CREATE SEQUENCE tries_${run}; GRANT ALL ON SEQUENCE tries_${run} TO PUBLIC`);
    await expect(
      pool.query(`DO $$ BEGIN PERFORM nextval('tries_${run}'); RAISE EXCEPTION 'no' USING ERRCODE = '28P01'; END $$`),
    ).rejects.toMatchObject({ code: '28P01' });
    expect(await postgres.sql(`SELECT last_value FROM tries_${run}`)).toEqual([{ last_value: '1' }]);
    expect(secrets.health().db.versionId).toBe('v1');
  });

  it('throws instead of using a login beyond the bound', async () => {
    world.clock.freeze(4000);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ name: 'SecretStale' });
  });
});
