import { describe } from 'vitest';
import { mysqlBinaries, openMysql, WITH_MYSQL } from './mysql-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  rotatorContract('mysql', openMysql, { kind: 'chosen' });
});
