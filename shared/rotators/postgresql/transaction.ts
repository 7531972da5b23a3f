import type { Session } from './connect.ts';
import { queryFailure } from './pg-errors.ts';

/**
 * `SET LOCAL` needs no right and ends with the transaction. Nobody's functions but the server's own are called; what the
 * transaction holds is free a minute after its client is gone without a word.
 */
export const LIMITS =
  "SET LOCAL search_path TO pg_catalog, pg_temp; SET LOCAL statement_timeout TO '10s'; SET LOCAL lock_timeout TO '3s'; SET LOCAL idle_in_transaction_session_timeout TO '60s'";

/** All of `work` or nothing of it, within time limits; `read only` where it must not change anything. */
export async function inTransaction<Result>(
  session: Session,
  access: 'read only' | 'read write',
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    await session.raw(`BEGIN TRANSACTION ${access.toUpperCase()}; ${LIMITS}`);
  } catch (error) {
    throw queryFailure(error, 'beginning a transaction');
  }
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    // The connection may be gone; the server then rolls back by itself.
    await session.raw('ROLLBACK').catch(() => undefined);
    throw error;
  }
  await session.query('committing', 'COMMIT');
  return result;
}
