import { CandidateUnproven } from '../../errors.ts';
import type { Session } from './connect.ts';
import { type Grant, missing } from './grants.ts';
import { isGone } from './mysql-errors.ts';
import { literal } from './sql-text.ts';
import { tokensOf } from './sql-tokens.ts';

/** What is compared between two users. */
export const COMPARED = ['privileges', 'roles', 'default roles', 'limits'] as const;
export const COMPARED_READ_ONLY = ['readable objects', 'limits', 'a refused write'] as const;

const NAMED_DIFFERENCES = 10;
const ROUTINE = /^(PROCEDURE|FUNCTION|PACKAGE(?: BODY)?) /;

/** What an account has. */
interface Compared {
  readonly limits: string;
  readonly defaultRoles: readonly string[];
  readonly grants: readonly Grant[];
}

/**
 * Throws `CandidateUnproven` that names what differs between what the candidate has and what it should have. What is on
 * tables and routines that are gone is not missed: the server keeps such grants and gives them to nobody anew.
 */
export async function assertSame(session: Session, found: Compared, expected: Compared): Promise<void> {
  const lacking: Grant[] = [];
  for (const grant of missing(expected.grants, found.grants)) {
    if (!(await isOnNothing(session, grant))) lacking.push(grant);
  }
  const differences = [
    ...[...lacking, ...missing(found.grants, expected.grants)].map(describe),
    ...(found.limits === expected.limits ? [] : ['the limits and requirements of the account']),
    ...(isSameList(found.defaultRoles, expected.defaultRoles) ? [] : ['the default roles']),
  ];
  if (differences.length === 0) return;
  const named = [...new Set(differences)].slice(0, NAMED_DIFFERENCES);
  const rest = differences.length > NAMED_DIFFERENCES ? ' and more' : '';
  throw new CandidateUnproven(`The candidate and the incumbent differ in: ${named.join(', ')}${rest}.`);
}

function describe({ kind, what, on, canGrant }: Grant): string {
  const option = canGrant ? ' (to be passed on)' : '';
  return kind === 'role' ? `role ${what}${option}` : `${what} on ${on}${option}`;
}

async function isOnNothing(session: Session, { kind, what, on }: Grant): Promise<boolean> {
  if (kind !== 'privilege' || on.endsWith('.*')) return false;
  const column = tokensOf(what).at(-2)?.text;
  const [, routine] = ROUTINE.exec(on) ?? [];
  try {
    if (routine !== undefined) {
      await session.query('looking for a routine', `SHOW CREATE ${on}`);
      return false;
    }
    const where = what.endsWith(')') && column !== undefined ? ` WHERE Field = ${literal(unquoted(column))}` : '';
    const rows = await session.query('looking for a table', `SHOW COLUMNS FROM ${on}${where}`);
    return rows.length === 0;
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

function unquoted(name: string): string {
  return name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name;
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}
