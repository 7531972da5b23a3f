import { describe } from 'vitest';
import { mysqlBinaries, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';
import { tlsSuite } from './mysql-tls.suite.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => tlsSuite(startMysqlHarness));
