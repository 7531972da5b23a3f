import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresHarness } from './postgresql-harness.ts';

let postgres: PostgresHarness;
beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres?.stop());

/** Making 2,000 tables takes a busy machine longer than everything that follows. */
const MILLISECONDS = 120_000;

it('a read-only candidate reads 2,000 tables, granted and proved within the limits of a step', {
  timeout: MILLISECONDS,
}, async () => {
  const incumbent = await postgres.createLogin('app');
  await postgres.sql(
    `CREATE SCHEMA many AUTHORIZATION app; DO $$ BEGIN FOR i IN 1..2000 LOOP
       EXECUTE format('CREATE TABLE many.t%s (id int)', i);
       EXECUTE format('ALTER TABLE many.t%s OWNER TO app', i); END LOOP; END $$`,
  );
  const settings = postgres.settings({ privileges: 'read_only', healthyThreshold: 1 });
  const started = performance.now();
  const candidate = await postgres.bringIn({ incumbent, versionId: 'v1', settings });
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(await postgres.as(candidate, 'SELECT FROM many.t2000')).toEqual([]);
  await expect(postgres.as(candidate, 'INSERT INTO many.t2000 VALUES (1)')).rejects.toMatchObject({ code: '42501' });
});
