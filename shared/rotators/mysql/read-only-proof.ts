import { CandidateUnproven, TransientFailure } from '../../errors.ts';
import { prepare, type Session } from './connect.ts';
import type { Flavour } from './flavour.ts';
import { readOwnGrants } from './grants.ts';
import { isNotAllowed } from './mysql-errors.ts';
import { isReading, SYSTEM_DATABASES } from './read-only.ts';
import { readServer, VERSION_8 } from './server-facts.ts';
import { identifier, literal } from './sql-text.ts';

/** A database for which the server has rights of its own is tried by itself; of so many at most. */
const TRIED_DATABASES = 20;
const NAMED = 5;

/**
 * Throws `CandidateUnproven` unless the candidate can only read: on its own session, with every role that it can take, the
 * server lists no right but SELECT and SHOW VIEW (what everybody has, by PUBLIC or mandatory_roles, is listed there and
 * nowhere else), and refuses every write that is tried: a database, and rows of a table in each database that it sees.
 * None of them changes anything where it is allowed.
 */
export async function proveReadOnly(session: Session, flavour: Flavour): Promise<void> {
  await prepare(session);
  const server = await readServer(session, flavour.type);
  if (!server.isMariadb && server.number >= VERSION_8) await session.run('taking every role', ['SET ROLE ALL']);
  // What comes through roles is listed beside them.
  const listed = (await readOwnGrants(session)).filter(({ kind }) => kind !== 'role');
  const more = listed.filter((grant) => !isReading(grant));
  if (more.length > 0) {
    const named = more
      .slice(0, NAMED)
      .map(({ what, on, canGrant }) => `${what} on ${on}${canGrant ? ' to pass on' : ''}`);
    throw unproven(`(its own right, or everybody's by PUBLIC or mandatory_roles): ${named.join(', ')}`);
  }
  // There is such a database: whoever may make one learns that.
  if (!(await isRefused(session, 'CREATE DATABASE mysql'))) throw unproven('databases');
  for (const table of await tables(session)) {
    for (const write of await writesTo(session, table)) {
      if (!(await isRefused(session, write))) throw unproven(textOf(table));
    }
  }
}

interface Table {
  readonly place: string;
  readonly name: string;
}

/** One table of each database. */
function tables(session: Session): Promise<readonly Table[]> {
  return session.query<Table>(
    'looking for tables that the candidate sees',
    `SELECT TABLE_SCHEMA AS place, MIN(TABLE_NAME) AS name FROM information_schema.TABLES
      WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN (${SYSTEM_DATABASES.map(literal).join(', ')})
      GROUP BY TABLE_SCHEMA ORDER BY TABLE_SCHEMA LIMIT ${TRIED_DATABASES}`,
  );
}

/** Writes of no row. */
async function writesTo(session: Session, table: Table): Promise<readonly string[]> {
  const [column] = await session.query<{ name: string }>(
    'looking for a column that the candidate sees',
    `SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = ${literal(table.place)} AND TABLE_NAME = ${literal(table.name)} ORDER BY ORDINAL_POSITION LIMIT 1`,
  );
  const on = textOf(table);
  if (column === undefined) return [`DELETE FROM ${on} WHERE FALSE`];
  const name = identifier(column.name);
  return [
    `INSERT INTO ${on} (${name}) SELECT NULL FROM DUAL WHERE FALSE`,
    `UPDATE ${on} SET ${name} = NULL WHERE FALSE`,
    `DELETE FROM ${on} WHERE FALSE`,
  ];
}

/** Whether it is the right that is missing. Any other error comes after that was looked at. */
async function isRefused(session: Session, write: string): Promise<boolean> {
  try {
    await session.query('trying to write', write);
    return false;
  } catch (error) {
    if (isNotAllowed(error)) return true;
    if (error instanceof TransientFailure) throw error;
    return false;
  }
}

function textOf({ place, name }: Table): string {
  return `${identifier(place)}.${identifier(name)}`;
}

function unproven(what: string): CandidateUnproven {
  return new CandidateUnproven(`The candidate should only read, but may write ${what}.`);
}
