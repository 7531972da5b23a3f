import { describe } from 'vitest';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { tlsSuite } from './mysql-tls.suite.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => tlsSuite(startMariadbHarness));
