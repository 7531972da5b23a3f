import { describe } from 'vitest';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { twoUsersSuite } from './mysql-two-users.suite.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => twoUsersSuite(startMariadbHarness));
