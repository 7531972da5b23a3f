import { describe } from 'vitest';
import { mysqlBinaries, openMysql, startMysqlHarness, targetHarness, WITH_MYSQL } from './mysql-harness.ts';
import { rotatorContract } from './rotator.contract.ts';
import type { TargetHarness } from './target-harness.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  rotatorContract('mysql', openMysql, { kind: 'chosen' });

  describe('with two users, for read_only', () => {
    rotatorContract('mysql', openReadOnly, { kind: 'chosen' });
  });
});

async function openReadOnly(): Promise<TargetHarness> {
  const harness = targetHarness(await startMysqlHarness());
  return { ...harness, adopt: async (name) => ({ ...(await harness.adopt(name)), declared: { privileges: 'read_only' } }) };
}
