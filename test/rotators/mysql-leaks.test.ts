import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mysqlBinaries, parsed, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';

/** Everything that a server can be told to write about statements. */
const LOGGING = {
  general_log: 'ON',
  general_log_file: 'general.log',
  slow_query_log: 'ON',
  slow_query_log_file: 'slow.log',
  long_query_time: '0',
  log_raw: 'ON',
  log_bin: 'binlog',
  skip_log_bin: 'OFF',
} as const;

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  it.each([[true], [false]])('no file of the server holds a password, two of one user: %s', async (dualPasswords) => {
    const mysql = await startMysqlHarness(LOGGING, { dualPasswords });
    try {
      const rotations = mysql.rotations(await mysql.adopt('app'));
      const values = [await rotations.rotate(), await rotations.rotate(), await rotations.bringIn()];
      await rotations.retire(values[2]?.versionId ?? '');
      await mysql.sql('FLUSH LOGS');
      const directory = mysql.server.dataDirectory;
      const names = (await readdir(directory)).filter((name) =>
        /\.log$|binlog\.\d+$|^mysql\.ibd$|^#ib_redo|^undo/.test(name),
      );
      expect(names).toEqual(expect.arrayContaining(['general.log', 'slow.log', 'binlog.000001']));
      const written = await Promise.all(
        names.map(async (name) => [name, await readFile(join(directory, name), 'latin1')] as const),
      );
      expect(Object.fromEntries(written)['binlog.000001']).toContain(
        dualPasswords ? 'RETAIN CURRENT PASSWORD' : 'app_b',
      );
      for (const { value } of values) {
        const { password } = parsed(value);
        expect(written.filter(([, text]) => text.includes(password)).map(([name]) => name)).toEqual([]);
      }
    } finally {
      await mysql.stop();
    }
  });
});
