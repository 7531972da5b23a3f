import type { Clock } from '../../clock.ts';
import { StillAlive } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import { quoted } from './acl-user.ts';
import type { Session } from './connect.ts';

const ROUNDS = 5;
/** Redis counts whole seconds from a whole second: an age may be up to one too high. */
const ROUNDING_SECONDS = 1;

/** What became of the connections of one user at one server. */
export interface EndedSessions {
  readonly ended: number;
  /** Opened when more than one credential was alive. */
  readonly left: number;
  /** `false`: Rekey's user may not list or end connections. */
  readonly isAllowed: boolean;
}

/**
 * Until when a connection of the user must have been opened to be certainly none of a living credential's: all
 * credentials of one user look alike to Redis, but none can have been used before it was made. `undefined` where a living
 * one is older than Rekey, or nobody knows: then none is certain.
 */
export function openedBefore(
  known: readonly KnownCredential[],
  { retired, survivor }: { readonly retired: string; readonly survivor: string | undefined },
): Date | undefined {
  const living = known.filter(({ versionId, state }) => versionId !== retired && state !== 'retired');
  if (!living.some(({ versionId }) => versionId === survivor)) return undefined;
  const starts = living.map(({ since }) => since?.getTime() ?? Number.NaN);
  const first = Math.min(...starts);
  return Number.isNaN(first) ? undefined : new Date(first);
}

/**
 * Ends the connections of `username` that were opened before `until`; with `undefined`, none. Rekey's own and those of
 * replicas stay. A connection that was opened before and logged in anew with the living credential is ended too: Redis
 * does not say when a connection has logged in.
 */
export async function endSessions(
  session: Session,
  work: { readonly username: string; readonly until: Date | undefined; readonly clock: Clock },
): Promise<EndedSessions> {
  const { username, until, clock } = work;
  let ended = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const clients = await listClients(session, username);
    if (clients === undefined) return { ended, left: 0, isAllowed: false };
    const seconds = until === undefined ? Infinity : (clock.now().getTime() - until.getTime()) / 1000;
    const old = clients.filter(({ age }) => age > seconds + ROUNDING_SECONDS);
    if (old.length === 0) return { ended, left: clients.length, isAllowed: true };
    for (const { id } of old) {
      const killed = await session.attempt('ending a connection (CLIENT KILL)', ['CLIENT', 'KILL', 'ID', id]);
      if (!killed.allowed) return { ended, left: clients.length, isAllowed: false };
      ended += killed.reply === 1 ? 1 : 0;
    }
  }
  throw new StillAlive(`Connections of user ${quoted(username)} at ${session.place} do not end.`);
}

export interface Client {
  readonly id: string;
  readonly name: string;
  readonly age: number;
  readonly isReplica: boolean;
}

/** The connections of a user but this one; `undefined` where Rekey's user may not ask. Fields never hold a blank. */
export async function clientsOf(session: Session, username: string): Promise<readonly Client[] | undefined> {
  const [list, own] = await Promise.all([
    session.attempt('listing connections (CLIENT LIST)', ['CLIENT', 'LIST']),
    session.attempt('asking for the own connection (CLIENT ID)', ['CLIENT', 'ID']),
  ]);
  if (!list.allowed || !own.allowed || typeof list.reply !== 'string') return undefined;
  return list.reply.split('\n').flatMap((line) => {
    const fields = new Map(
      line.split(' ').map((field) => [field.split('=', 1)[0], field.slice(field.indexOf('=') + 1)]),
    );
    const id = fields.get('id');
    if (id === undefined || id === String(own.reply) || fields.get('user') !== username) return [];
    const isReplica = fields.get('flags')?.includes('S') ?? false;
    return [{ id, name: fields.get('name') ?? '', age: Number(fields.get('age')), isReplica }];
  });
}

async function listClients(session: Session, username: string): Promise<readonly Client[] | undefined> {
  return (await clientsOf(session, username))?.filter(({ isReplica }) => !isReplica);
}
