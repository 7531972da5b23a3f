import { escapeIdentifier, escapeLiteral } from 'pg';
import { StillAlive } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { isInsufficientPrivilege, queryFailure } from './pg-errors.ts';
import { readAsker, readRoles, type RoleFacts, VERSION_16 } from './role-facts.ts';
import { managedComment } from './role-names.ts';

/** Sessions that logged in while the role was being closed are found in the next round. */
const ROUNDS = 5;
const WAIT_MILLISECONDS = 1_000;

/** How the sessions of a role ended: how many, or that the administrator may not end them. */
export interface EndedSessions {
  readonly ended: number;
  readonly isAllowed: boolean;
}

/**
 * No new login and no password for `role`, in the transaction that the session is in. Nothing is dropped: it may own
 * things, and its turn comes again.
 */
export async function closeRole(session: Session, settings: RotatorSettings, role: RoleFacts): Promise<void> {
  const name = escapeIdentifier(role.name);
  const owner = settings.connection?.ownerRole ?? role.setRole ?? role.name;
  await session.query('ending a role', `ALTER ROLE ${name} NOLOGIN PASSWORD NULL`);
  if (role.comment === null && owner !== role.name) {
    // A login role that Rekey took over: from now on it is one of its two.
    const comment = escapeLiteral(managedComment(settings.secretId));
    await session.query('commenting on a role', `COMMENT ON ROLE ${name} IS ${comment}`);
  }
}

/**
 * Ends the open sessions of a role that can no longer log in. An administrator without the right (PostgreSQL 16 and
 * later: `ADMIN` alone does not give it) takes it for the one transaction, which is rolled back.
 */
export async function endSessions(session: Session, name: string): Promise<EndedSessions> {
  const { versionNumber } = await readAsker(session);
  let ended = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = await terminate(session, name, versionNumber);
    if (found === 'not allowed') return { ended, isAllowed: false };
    ended += found;
    const role = (await readRoles(session, [name])).get(name);
    if (role === undefined || role.sessions === 0) return { ended, isAllowed: true };
  }
  throw new StillAlive(`Role "${name}" cannot log in any more, but sessions of it do not end.`);
}

async function terminate(session: Session, name: string, versionNumber: number): Promise<number | 'not allowed'> {
  // The form that waits for the end came with PostgreSQL 14.
  const call =
    versionNumber >= 140_000 ? `pg_terminate_backend(pid, ${WAIT_MILLISECONDS})` : 'pg_terminate_backend(pid)';
  const text = `SELECT pg_catalog.${call} FROM pg_catalog.pg_stat_activity WHERE usename = ${escapeLiteral(name)}`;
  const before = (await readRoles(session, [name])).get(name)?.sessions ?? 0;
  if (before === 0) return 0;
  const role = escapeIdentifier(name);
  const withRight = versionNumber >= VERSION_16 ? ' WITH INHERIT TRUE, SET FALSE' : '';
  const attempts = [text, `GRANT ${role} TO CURRENT_USER${withRight}; ${text}`];
  for (const attempt of attempts) {
    try {
      await session.raw(`BEGIN; ${attempt}; ROLLBACK`);
      return before;
    } catch (error) {
      await session.raw('ROLLBACK');
      if (!isInsufficientPrivilege(error)) throw queryFailure(error, 'ending sessions');
    }
  }
  return 'not allowed';
}
