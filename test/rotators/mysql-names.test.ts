import { describe } from 'vitest';
import { mysqlBinaries, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';
import { namesSuite, ODD_MODES } from './mysql-names.suite.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  describe('two passwords of one user', () => namesSuite(() => startMysqlHarness({ sql_mode: ODD_MODES })));
  describe('two users', () => namesSuite(() => startMysqlHarness({ sql_mode: ODD_MODES }, { dualPasswords: false })));
});
