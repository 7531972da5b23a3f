import { InternalFault } from '../../errors.ts';
import type { Session } from './connect.ts';
import { accountText, type AccountName } from './sql-text.ts';
import { listOf, type Token, tokensOf } from './sql-tokens.ts';

/** One thing that an account was given (or, by MySQL's partial revokes, had taken from what it was given). */
export interface Grant {
  readonly kind: 'privilege' | 'revoke' | 'role' | 'proxy';
  /** `SELECT`, `SELECT (`c`)`; of a role the role. */
  readonly what: string;
  /** As SHOW prints it (`*.*`, `` `d`.`t` ``, ``PROCEDURE `d`.`p` ``); of a role nothing. */
  readonly on: string;
  /** WITH GRANT OPTION, WITH ADMIN OPTION. */
  readonly canGrant: boolean;
}

/** What an account or a role was given itself; what comes through its roles is theirs. */
export function readGrants(session: Session, account: AccountName | string): Promise<readonly Grant[]> {
  return readShown(session, `SHOW GRANTS FOR ${typeof account === 'string' ? account : accountText(account)}`);
}

/** What the session may, also by its roles, those that everybody has, and (MariaDB) PUBLIC. */
export function readOwnGrants(session: Session): Promise<readonly Grant[]> {
  return readShown(session, 'SHOW GRANTS');
}

async function readShown(session: Session, statement: string): Promise<readonly Grant[]> {
  const rows = await session.query<Record<string, string>>('reading the privileges', statement);
  return rows.flatMap((row) => grantsIn(Object.values(row)[0] ?? ''));
}

/** The grants that one line of SHOW GRANTS prints. Throws where it is of no known form: nothing is passed over. */
export function grantsIn(line: string): readonly Grant[] {
  const tokens = tokensOf(line);
  const [verb] = tokens;
  if (verb?.text === 'SET') return []; // SET DEFAULT ROLE: read from the account's row.
  const kind = verb?.text === 'REVOKE' ? 'revoke' : 'privilege';
  const words = tokens.map(({ text }) => text);
  const to = words.findIndex((word) => word === (kind === 'revoke' ? 'FROM' : 'TO'));
  if (to === -1 || (verb?.text !== 'GRANT' && kind !== 'revoke')) {
    throw new InternalFault('SHOW GRANTS printed a line of a form that Rekey does not know.');
  }
  const on = words.slice(0, to).indexOf('ON');
  // MariaDB writes limits after it: `WITH GRANT OPTION MAX_USER_CONNECTIONS 5`.
  const canGrant = words.some((word, at) => at > to && /^(?:GRANT|ADMIN)$/.test(word) && words[at + 1] === 'OPTION');
  const span = (part: readonly Token[]): string => line.slice(part[0]?.start, part.at(-1)?.end);
  if (on === -1) return listOf(line, tokens.slice(1, to)).map((what) => ({ kind: 'role', what, on: '', canGrant }));
  const object = span(tokens.slice(on + 1, to));
  if (words[1] === 'PROXY') return [{ kind: 'proxy', what: 'PROXY', on: object, canGrant }];
  return listOf(line, tokens.slice(1, on))
    .flatMap(eachColumn)
    .filter((what) => what !== 'USAGE' || canGrant)
    .map((what) => ({ kind, what, on: object, canGrant }));
}

/** `SELECT (`a`, `b`)` as two: the order of columns means nothing. */
function eachColumn(privilege: string): readonly string[] {
  const tokens = tokensOf(privilege);
  const open = tokens.findIndex(({ text }) => text === '(');
  if (open === -1) return [privilege];
  const name = privilege.slice(0, tokens[open]?.start).trim();
  return listOf(privilege, tokens.slice(open + 1, -1)).map((column) => `${name} (${column})`);
}

export function keyOf({ kind, what, on, canGrant }: Grant): string {
  return JSON.stringify([kind, what, on, canGrant]);
}

/** The grants of `one` that `other` has not. */
export function missing(one: readonly Grant[], other: readonly Grant[]): readonly Grant[] {
  const keys = new Set(other.map(keyOf));
  return one.filter((grant) => !keys.has(keyOf(grant)));
}
