import { hash } from 'node:crypto';
import { InternalFault, TransientFailure } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { Session } from './connect.ts';

/** What a server knows of one user. */
export interface AclUser {
  readonly flags: readonly string[];
  /** SHA-256 of each password, in hexadecimal, in the order in which they were added. Never shown to anybody. */
  readonly hashes: readonly string[];
  /** Everything but the passwords: flags, commands, keys, channels, selectors, as one text to compare. */
  readonly rules: string;
}

/** What an error text or an identity calls a user. */
export function quoted(username: string): string {
  return `"${username.length <= 64 ? username : `${username.slice(0, 64)}…`}"`;
}

/** What Redis keeps of a password, and all that Rekey ever sends of one outside a login. */
export function hashOf(password: SecretText): string {
  return hash('sha256', password.reveal());
}

/** https://redis.io/docs/latest/commands/acl-getuser/ */
export async function readUser(session: Session, username: string): Promise<AclUser | undefined> {
  const reply = await session.command('reading a user (ACL GETUSER)', ['ACL', 'GETUSER', username]);
  if (reply === null) return undefined;
  if (!Array.isArray(reply)) throw unreadable(session);
  const fields = new Map<unknown, unknown>();
  for (let index = 0; index + 1 < reply.length; index += 2) fields.set(reply[index], reply[index + 1]);
  const flags = texts(fields.get('flags'));
  const hashes = texts(fields.get('passwords'));
  if (flags === undefined || hashes === undefined) throw unreadable(session);
  // Adding a password to a user without any changes no flag but this one.
  const rules = JSON.stringify([...fields].filter(([name]) => name !== 'passwords'));
  return { flags, hashes, rules };
}

/** Adds one password to what the user has. Twice is once: Redis keeps a hash once. */
export async function addPassword(session: Session, username: string, sha256: string): Promise<void> {
  await session.command('adding a password (ACL SETUSER)', ['ACL', 'SETUSER', username, `#${sha256}`]);
}

/** Takes one password from the user, all others stay. Not an error where it is gone already. */
export async function removePassword(session: Session, username: string, sha256: string): Promise<void> {
  const doing = 'taking a password away (ACL SETUSER)';
  try {
    await session.command(doing, ['ACL', 'SETUSER', username, `!${sha256}`]);
  } catch (error) {
    if (!(error instanceof InternalFault)) throw error;
    // Redis answers ERR for a password that somebody else has taken away in between.
    const user = await readUser(session, username);
    if (user?.hashes.includes(sha256) === true) throw error;
  }
}

/** Throws when anything of the user but its passwords has changed: somebody else is at work. */
export function assertSameRules(before: AclUser, after: AclUser | undefined, place: string): void {
  if (before.rules === after?.rules) return;
  throw new TransientFailure(`Somebody else has changed the user at ${place} at the same time.`);
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

function unreadable({ place }: Session): InternalFault {
  return new InternalFault(`${place} answered ACL GETUSER in a form that Rekey does not know.`);
}
