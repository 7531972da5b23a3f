import { escapeLiteral } from 'pg';
import type { Session } from './connect.ts';
import { managedComment } from './role-names.ts';

/**
 * Waits until nobody else of Rekey changes this secret's roles; the turn ends with the transaction, whose first
 * query this is. What is read after it is what the one before has left, also on a server whose transactions see by
 * default what was there when they began. Throws `TransientFailure` after the transaction's `lock_timeout`.
 */
export async function takeTurn(session: Session, secretId: string): Promise<void> {
  await session.query('waiting for another run', turnStatement(secretId));
}

/** The same as SQL. */
export function turnStatement(secretId: string): string {
  const key = escapeLiteral(managedComment(secretId));
  return `SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext(${key}))`;
}
