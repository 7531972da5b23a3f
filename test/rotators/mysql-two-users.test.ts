import { describe } from 'vitest';
import { mysqlBinaries, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';
import { twoUsersSuite } from './mysql-two-users.suite.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () =>
  twoUsersSuite((settings) => startMysqlHarness(settings, { dualPasswords: false })),
);
