import { ErrorReply } from '@redis/client';
import { Misconfigured, TransientFailure } from '../../errors.ts';
import type { ConnectionSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { commandFailure, isNotAllowed } from './redis-errors.ts';
import type { ServerFacts } from './server-facts.ts';

const NO_ACL_FILE = /not configured to use an ACL file/;
const NOT_PERSISTED = 'not persisted: ';
const IN_MEMORY = `${NOT_PERSISTED}users are kept in memory only, a restart brings back what the server starts with`;
const BY_SOMEBODY = `${NOT_PERSISTED}users are kept by whoever runs the server, Rekey may not save them`;
const UNWRITABLE = `${NOT_PERSISTED}users are kept in the configuration file, which the server cannot rewrite`;
const UNQUOTABLE = `${NOT_PERSISTED}a user has a quote in its name or rules, with which Redis could not read its configuration file again`;
const UNKNOWN = 'unknown: Rekey may not read';

/** How `persist` may have a server save its users: every command that it needs. */
export const SAVING: Readonly<Record<'ACL SAVE' | 'CONFIG REWRITE', readonly (readonly string[])[]>> = {
  'ACL SAVE': [['ACL', 'SAVE']],
  'CONFIG REWRITE': [
    ['CONFIG', 'REWRITE'],
    ['ACL', 'LIST'],
  ],
};

/**
 * Has the server write its users down, so that a restart keeps them: in its ACL file, else in its configuration file
 * (with whatever else has been changed there at run time). Answers how. Where a server has neither, or somebody else
 * keeps its users, that is the answer; an ACL file that cannot be written throws `TransientFailure`.
 */
export async function persist(session: Session): Promise<string> {
  const doing = 'saving the ACL file (ACL SAVE)';
  try {
    await session.raw(['ACL', 'SAVE']);
    return 'ACL SAVE';
  } catch (error) {
    if (isNotAllowed(error)) return BY_SOMEBODY;
    if (!isPlainError(error)) throw commandFailure(error, doing, session.place);
    if (!NO_ACL_FILE.test(error.message)) {
      throw new TransientFailure(
        `${session.place} cannot write its ACL file (ACL SAVE); its log says why. A restart would bring the old users back.`,
        { cause: error },
      );
    }
  }
  return rewriteConfiguration(session);
}

/** What `persist` will do, for all that can be known without doing it; `server` is asked for at the same time. */
export async function foreseePersistence(session: Session, server: Promise<ServerFacts | undefined>): Promise<string> {
  const asking = session.attempt('reading the configuration (CONFIG GET)', ['CONFIG', 'GET', 'aclfile']);
  const [file, facts] = await Promise.all([asking, server]);
  if (!file.allowed || !Array.isArray(file.reply)) return `${UNKNOWN} the configuration (CONFIG GET)`;
  const [, path] = file.reply as readonly unknown[];
  if (typeof path === 'string' && path !== '') return 'ACL SAVE';
  if (facts === undefined) return `${UNKNOWN} about the server (INFO)`;
  return facts.configurationFile === undefined ? IN_MEMORY : 'CONFIG REWRITE';
}

/** Whether what `foreseePersistence` answered leaves it to the saving itself. */
export function isUnknown(persisted: string): boolean {
  return persisted.startsWith(UNKNOWN);
}

/**
 * Throws `Misconfigured` where the server does not write its users down, unless it is declared that somebody else does: a
 * restart would bring the retired password back and refuse the current one.
 */
export function assertOutlastsRestart(
  persisted: string,
  { place, connection }: { readonly place: string; readonly connection: ConnectionSettings | undefined },
): void {
  if (!isNotPersisted(persisted) || connection?.usersKeptBy !== undefined) return;
  throw new Misconfigured(
    `A restart of ${place} would bring the old password back and refuse the new one (${persisted}). Let the server save its users, or declare users_kept_by: provider in the connection where whoever runs it keeps them.`,
  );
}

/** For people, where nobody but whoever runs the servers makes a rotation last; `persisted`: of each of them. */
export function persistenceWarning(persisted: readonly string[], all: string): { readonly warning?: string } {
  if (!persisted.some(isNotPersisted)) return {};
  return {
    warning: `${all}. After a restart it depends on whoever runs the server whether the new value opens it and the old one does not.`,
  };
}

function isNotPersisted(persisted: string): boolean {
  return persisted.startsWith(NOT_PERSISTED);
}

async function rewriteConfiguration(session: Session): Promise<string> {
  // Redis writes names and rules without quoting them, and reads them with quotes: one of them, and it does not start.
  const users = await session.attempt('reading the users', ['ACL', 'LIST']);
  if (!users.allowed || !Array.isArray(users.reply)) return BY_SOMEBODY;
  if (users.reply.some((line) => /["']/.test(String(line)))) return UNQUOTABLE;
  try {
    await session.raw(['CONFIG', 'REWRITE']);
    return 'CONFIG REWRITE';
  } catch (error) {
    if (isNotAllowed(error)) return BY_SOMEBODY;
    if (!isPlainError(error)) throw commandFailure(error, 'saving the configuration', session.place);
    return /without a config file/.test(error.message) ? IN_MEMORY : UNWRITABLE;
  }
}

/** The command itself failed; not the connection, nor a server that is busy with something else. */
function isPlainError(error: unknown): error is ErrorReply {
  return error instanceof ErrorReply && error.message.startsWith('ERR ');
}
