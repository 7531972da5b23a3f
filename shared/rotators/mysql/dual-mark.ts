import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import type { AccountFacts } from './account.ts';
import type { Session } from './connect.ts';
import { type AccountName, accountText, literal } from './sql-text.ts';

const markSchema = z.object({
  secret: z.string(),
  primary: z.optional(z.string()),
  retained: z.optional(z.string()),
  installed: z.object({
    versionId: z.string(),
    startedAt: z.pipe(
      z.string(),
      z.transform((text) => new Date(text)),
    ),
    server: z.string(),
    upSince: z.number(),
    connection: z.number(),
    isBefore: z.optional(z.boolean()),
  }),
});

/**
 * What Rekey writes into the account's ATTRIBUTE (MySQL: arbitrary JSON, beside what others keep there), in the statement
 * that changes its passwords: whose passwords they are, and which rotation was the last to set one.
 */
export interface Mark {
  readonly secret: string;
  /** Versions of the secret whose passwords are the first and the retained one. */
  readonly primary?: string | undefined;
  readonly retained?: string | undefined;
  readonly installed: Installed;
}

interface Installed extends Moment {
  readonly versionId: string;
  /** To the millisecond. */
  readonly startedAt: Date;
  /** The moment is the one before the password was set: whoever set it has not come to `markAfter`. */
  readonly isBefore?: boolean | undefined;
}

/** A moment in the life of a server: every connection with a smaller number is older. */
export interface Moment {
  readonly server: string;
  /** Seconds since 1970. */
  readonly upSince: number;
  readonly connection: number;
}

/** `upSince` is computed from two clocks of whole seconds. */
const UP_SINCE_SECONDS = 3;

/** The mark of an account; `undefined` where there is none. Throws `Misconfigured` for another secret's. */
export function readMark({ user, attributes }: AccountFacts, secretId: string): Mark | undefined {
  const parsed = markSchema.safeParse(attributes['rekey']);
  if (!parsed.success || Number.isNaN(parsed.data.installed.startedAt.getTime())) return undefined;
  if (parsed.data.secret === secretId) return parsed.data;
  throw new Misconfigured(
    `User "${user}" is managed by Rekey for another secret; its ATTRIBUTE says which. To hand it over: ALTER USER … ATTRIBUTE '{"rekey": null}'.`,
  );
}

/** ` ATTRIBUTE …`, which the server merges into what is there; what is `undefined` is taken away (RFC 7396: null). */
export function attributeClause({
  secret,
  primary = null,
  retained = null,
  installed,
}: Partial<Nullable<Mark>>): string {
  const rekey = {
    ...(secret === undefined ? {} : { secret }),
    primary,
    retained,
    ...(installed === undefined ? {} : { installed }),
  };
  return ` ATTRIBUTE ${literal(JSON.stringify({ rekey }))}`;
}

type Nullable<Type> = { readonly [Key in keyof Type]: Type[Key] | null };

/**
 * Now, on the server that `session` is at. Of others' connections the server shows those that are open only with the
 * privilege PROCESS; without, nobody else's sessions can be ended either.
 */
export async function readMoment(session: Session): Promise<Moment> {
  const [row] = await session.query<{ server: string; now: number }>(
    'reading which server it is',
    'SELECT @@server_uuid AS server, UNIX_TIMESTAMP() AS now',
  );
  const [status] = await session.query<{ Value: string }>(
    'reading how long it is up',
    "SHOW GLOBAL STATUS LIKE 'Uptime'",
  );
  const { server = '', now = 0 } = row ?? {};
  return { server, upSince: now - Number(status?.Value ?? 0), connection: await nextConnection(session) };
}

/**
 * Writes, right after a password was set, that all that is open now is older than it: nobody uses it yet, because the
 * candidate is handed out later. The moment in the statement that sets it is too early for who logged in meanwhile.
 */
export async function markAfter(session: Session, account: AccountName): Promise<void> {
  const installed = { connection: await nextConnection(session), isBefore: null };
  await session.run('marking the moment', [
    `ALTER USER ${accountText(account)} ATTRIBUTE ${literal(JSON.stringify({ rekey: { installed } }))}`,
  ]);
}

/** Larger than the number of every connection that is open. */
async function nextConnection(session: Session): Promise<number> {
  const rows = await session.query<{ Id: number | string }>('reading the sessions', 'SHOW PROCESSLIST');
  return Math.max(...rows.map(({ Id }) => Number(Id))) + 1;
}

/** Whether connections are still counted as they were then: the same server, not started anew. */
export function isSameRun(one: Moment, other: Moment): boolean {
  return one.server === other.server && Math.abs(one.upSince - other.upSince) <= UP_SINCE_SECONDS;
}
