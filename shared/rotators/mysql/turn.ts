import { createHash } from 'node:crypto';
import { TransientFailure } from '../../errors.ts';
import type { Session } from './connect.ts';
import { literal } from './sql-text.ts';

const WAIT_SECONDS = 3;

/**
 * `work`, while nobody else of Rekey changes this secret's accounts. The server gives the turn back when the session
 * ends, whatever ends it. It is the turn of this one server: where several take writes (Galera), let Rekey use one address
 * that leads to one of them. Throws `TransientFailure` when the turn does not come in time.
 */
export async function inTurn<Result>(session: Session, secretId: string, work: () => Promise<Result>): Promise<Result> {
  const lock = literal(lockName(secretId));
  const [row] = await session.query<{ taken: number | null }>(
    'waiting for another run',
    `SELECT GET_LOCK(${lock}, ${WAIT_SECONDS}) AS taken`,
  );
  if (row?.taken !== 1) throw new TransientFailure(`Another run changes the accounts of "${secretId}".`);
  try {
    return await work();
  } finally {
    // A session that is gone has given it back already.
    await session.query('giving the turn back', `SELECT RELEASE_LOCK(${lock})`).catch(() => undefined);
  }
}

/** At most 64 characters, and the server does not tell upper from lower case: a hash of the name. */
export function lockName(secretId: string): string {
  return `rekey ${createHash('sha256').update(secretId).digest('hex').slice(0, 40)}`;
}
