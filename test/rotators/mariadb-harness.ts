import { findMariadbBinaries, HOW_TO_GET_MARIADB, startMariadb } from '../../infra/local/mariadb-server.ts';
import type { MysqlSettings } from '../../infra/local/mysql-server.ts';
import { mariadbRotator } from '../../shared/rotators/mariadb/mariadb-rotator.ts';
import { DatabaseHarness, targetHarness } from './mysql-harness.ts';
import type { TargetHarness } from './target-harness.ts';

export const mariadbBinaries = await findMariadbBinaries();
/** Title of a suite that needs MariaDB: where there is none, how to get one. */
export const WITH_MARIADB = mariadbBinaries === undefined ? HOW_TO_GET_MARIADB : `MariaDB ${mariadbBinaries.version}`;

export async function startMariadbHarness(settings: MysqlSettings = {}): Promise<DatabaseHarness> {
  if (mariadbBinaries === undefined) throw new Error(HOW_TO_GET_MARIADB);
  const server = await startMariadb(mariadbBinaries, settings);
  return new DatabaseHarness(server, 'mariadb', mariadbRotator);
}

/** A real MariaDB for the shared suites: two users after one that was made by hand. */
export async function openMariadb(): Promise<TargetHarness> {
  return targetHarness(await startMariadbHarness());
}
