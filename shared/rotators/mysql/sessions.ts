import { StillAlive } from '../../errors.ts';
import type { Session } from './connect.ts';
import { readGrants } from './grants.ts';
import { isNotAllowed, numberOf } from './mysql-errors.ts';

/** A killed session goes when it notices: asked again after a moment, which the server waits. */
const ROUNDS = 40;
const WAIT_SECONDS = 0.1;
const NO_SUCH_THREAD = 1094;
const NO_SUCH_PROCEDURE = 1305;

/** How sessions ended: how many, or that the administrator may not end them. */
export interface EndedSessions {
  readonly ended: number;
  readonly isAllowed: boolean;
}

export interface OpenSession {
  readonly id: number;
  /** Where its client is, as the server shows it: an address or a name, without the port. */
  readonly client: string;
}

/** The open sessions of `user`. Without the privilege PROCESS the server shows none but one's own. */
export async function sessionsOf(session: Session, user: string): Promise<readonly OpenSession[]> {
  const rows = await session.query<{ Id: number | string; User: string; Host: string | null }>(
    'reading the sessions',
    'SHOW PROCESSLIST',
  );
  return rows
    .filter(({ User }) => User === user)
    .map(({ Id, Host }) => ({ id: Number(Id), client: (Host ?? '').replace(/:\d+$/, '') }));
}

/** Ends the open sessions of `user` that are meant, and waits until they are gone. */
export async function endSessions(
  session: Session,
  user: string,
  isMeant: (open: OpenSession) => boolean = () => true,
): Promise<EndedSessions> {
  const ended = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const open = (await sessionsOf(session, user)).filter(isMeant);
    if (open.length === 0) return { ended: ended.size, isAllowed: ended.size > 0 || (await maySee(session)) };
    for (const { id } of open) {
      if (!ended.has(id) && !(await kill(session, id))) return { ended: ended.size, isAllowed: false };
      ended.add(id);
    }
    await session.query('waiting for sessions to end', `SELECT SLEEP(${WAIT_SECONDS})`);
  }
  throw new StillAlive(`User "${user}" cannot log in any more, but sessions of it do not end.`);
}

/** Whether sessions of others are shown. What comes through roles is taken for given. */
async function maySee(session: Session): Promise<boolean> {
  const grants = await readGrants(session, 'CURRENT_USER()');
  return grants.some(
    ({ kind, what, on }) => kind === 'role' || (on === '*.*' && ['PROCESS', 'ALL PRIVILEGES'].includes(what)),
  );
}

/** Amazon RDS gives its administrators a procedure in place of the privilege. */
async function kill(session: Session, id: number): Promise<boolean> {
  for (const statement of [`KILL CONNECTION ${id}`, `CALL mysql.rds_kill(${id})`]) {
    try {
      await session.query('ending a session', statement);
      return true;
    } catch (error) {
      const number = numberOf(error);
      if (number === NO_SUCH_THREAD) return true;
      if (!isNotAllowed(error) && number !== NO_SUCH_PROCEDURE) throw error;
    }
  }
  return false;
}

/** What the audit entry says of sessions. */
export function sessionNote({ isAllowed }: EndedSessions): string {
  return isAllowed ? 'ended' : 'the administrator may not end sessions of the user (PROCESS, CONNECTION_ADMIN)';
}
