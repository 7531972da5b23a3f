import { Misconfigured } from '../../errors.ts';
import type { Session } from './connect.ts';

/** What a session's server says of itself. */
export interface ServerFacts {
  readonly version: string;
  readonly isMariadb: boolean;
  /** See `versionNumber`. */
  readonly number: number;
}

/** Roles, `caching_sha2_password`. */
export const VERSION_8 = 8_00_00;
/** `mysql.global_priv`. */
const MARIADB_OLDEST = 10_04_00;

/** Asks which server it is. Throws `Misconfigured` where it is not one of `type`. */
export async function readServer(session: Session, type: 'mysql' | 'mariadb'): Promise<ServerFacts> {
  const [row] = await session.query<{ version: string }>('reading the version', 'SELECT VERSION() AS version');
  const version = row?.version ?? '';
  const isMariadb = /mariadb/i.test(version);
  const server = { version, isMariadb, number: versionNumber(version) };
  if (isMariadb !== (type === 'mariadb')) {
    throw new Misconfigured(
      `The server is ${isMariadb ? 'MariaDB' : 'MySQL'}: declare type ${isMariadb ? 'mariadb' : 'mysql'}.`,
    );
  }
  if (isMariadb && server.number < MARIADB_OLDEST) throw new Misconfigured('MariaDB must be 10.4 or newer.');
  return server;
}

/** Major, minor and patch as one number that compares: 8.0.21 is 80021. */
export function versionNumber(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(/[^\d]+/).map(Number);
  return major * 10_000 + minor * 100 + patch;
}
