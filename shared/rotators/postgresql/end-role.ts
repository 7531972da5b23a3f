import { escapeIdentifier, escapeLiteral } from 'pg';
import { StillAlive } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { isInsufficientPrivilege, queryFailure } from './pg-errors.ts';
import { readAsker, readRoles, type RoleFacts, VERSION_16 } from './role-facts.ts';
import { managedComment, readManaged } from './role-names.ts';
import { turnStatement } from './turn.ts';

/** Sessions that logged in while the role was being closed are found in the next round. */
const ROUNDS = 5;
const WAIT_MILLISECONDS = 1_000;
const VERSION_14 = 140_000;

/** How the sessions of a role ended: how many, and why not all of them. */
export interface EndedSessions {
  readonly ended: number;
  readonly left?: 'not allowed' | 'in use again';
}

/**
 * No new login and no password for `role`, in the transaction that the session is in. Nothing is dropped: it may own
 * things, and its turn comes again.
 */
export async function closeRole(session: Session, settings: RotatorSettings, role: RoleFacts): Promise<void> {
  const name = escapeIdentifier(role.name);
  const owner = settings.connection?.ownerRole ?? role.setRole ?? role.name;
  await session.query('ending a role', `ALTER ROLE ${name} NOLOGIN PASSWORD NULL`);
  const { secretId } = settings;
  const installed = readManaged(role.comment, secretId)?.installed;
  // A login role that Rekey took over: from now on it is one of its two.
  const isTakenOver = role.comment === null && owner !== role.name;
  if (installed === undefined && !isTakenOver) return;
  const comment = managedComment(secretId, installed === undefined ? undefined : { ...installed, hasEnded: true });
  await session.query('commenting on a role', `COMMENT ON ROLE ${name} IS ${escapeLiteral(comment)}`);
}

/**
 * Ends the open sessions of a role while it cannot log in: in turns with whoever changes this secret's roles, so that a
 * session of a later rotation, which may have the role by then, is never among them. An administrator without the right
 * (PostgreSQL 16 and later: `ADMIN` alone does not give it) takes it for the one transaction, which is rolled back.
 */
export async function endSessions(session: Session, name: string, secretId: string): Promise<EndedSessions> {
  const { versionNumber } = await readAsker(session);
  const seen = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const role = (await readRoles(session, [name])).get(name);
    if (role === undefined || role.sessions === 0) return { ended: seen.size };
    if (role.canLogin) return { ended: seen.size, left: 'in use again' };
    for (const pid of await sessionsOf(session, name)) seen.add(pid);
    if (!(await terminate(session, { name, secretId, versionNumber }))) return { ended: 0, left: 'not allowed' };
  }
  const left = (await readRoles(session, [name])).get(name);
  if (left === undefined || left.sessions === 0) return { ended: seen.size };
  throw new StillAlive(`Role "${name}" cannot log in any more, but sessions of it do not end.`);
}

async function sessionsOf(session: Session, name: string): Promise<readonly number[]> {
  const rows = await session.query<{ pid: number }>(
    'looking for sessions',
    'SELECT pid FROM pg_catalog.pg_stat_activity WHERE usename::text = $1',
    [name],
  );
  return rows.map(({ pid }) => pid);
}

/** Whether the administrator may. */
async function terminate(
  session: Session,
  {
    name,
    secretId,
    versionNumber,
  }: { readonly name: string; readonly secretId: string; readonly versionNumber: number },
): Promise<boolean> {
  // The form that waits for the end came with PostgreSQL 14; before it, the server is given a moment instead.
  const hasWait = versionNumber >= VERSION_14;
  const call = hasWait ? `pg_terminate_backend(pid, ${WAIT_MILLISECONDS})` : 'pg_terminate_backend(pid)';
  const end = `SELECT pg_catalog.${call} FROM pg_catalog.pg_stat_activity JOIN pg_catalog.pg_roles r ON r.oid = usesysid
                WHERE r.rolname = ${escapeLiteral(name)} AND NOT r.rolcanlogin`;
  const text = hasWait ? end : `${end}; SELECT pg_catalog.pg_sleep(${WAIT_MILLISECONDS / 1000 / ROUNDS})`;
  const role = escapeIdentifier(name);
  const withRight = versionNumber >= VERSION_16 ? ' WITH INHERIT TRUE, SET FALSE' : '';
  for (const attempt of [text, `GRANT ${role} TO CURRENT_USER${withRight}; ${text}`]) {
    try {
      await session.raw(`BEGIN; SET LOCAL lock_timeout TO '3s'; ${turnStatement(secretId)}; ${attempt}; ROLLBACK`);
      return true;
    } catch (error) {
      // The connection may be gone; the server then rolls back by itself.
      await session.raw('ROLLBACK').catch(() => undefined);
      if (!isInsufficientPrivilege(error)) throw queryFailure(error, 'ending sessions');
    }
  }
  return false;
}
