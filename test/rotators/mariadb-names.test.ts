import { describe } from 'vitest';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { namesSuite, ODD_MODES } from './mysql-names.suite.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () =>
  namesSuite(() => startMariadbHarness({ sql_mode: ODD_MODES })),
);
