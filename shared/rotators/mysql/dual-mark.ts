import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import type { AccountFacts } from './account.ts';
import type { Session } from './connect.ts';
import { literal } from './sql-text.ts';

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

/** Now, on the server that `session` is at. */
export async function readMoment(session: Session): Promise<Moment> {
  const [row] = await session.query<{ server: string; now: number; connection: number }>(
    'reading which server it is',
    'SELECT @@server_uuid AS server, UNIX_TIMESTAMP() AS now, CONNECTION_ID() AS connection',
  );
  const [status] = await session.query<{ Value: string }>(
    'reading how long it is up',
    "SHOW GLOBAL STATUS LIKE 'Uptime'",
  );
  const { server = '', now = 0, connection = 0 } = row ?? {};
  return { server, upSince: now - Number(status?.Value ?? 0), connection };
}

/** Whether connections are still counted as they were then: the same server, not started anew. */
export function isSameRun(one: Moment, other: Moment): boolean {
  return one.server === other.server && Math.abs(one.upSince - other.upSince) <= UP_SINCE_SECONDS;
}
