import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { Management } from './management.ts';
import type { PasswordHash } from './password-hash.ts';

const userSchema = z.looseObject({
  name: z.string(),
  password_hash: z.string(),
  hashing_algorithm: z.string(),
  tags: z.array(z.string()),
  // Where user limits are turned off (a feature flag), there are none.
  limits: z._default(z.record(z.string(), z.number()), {}),
});
const permissionsSchema = z.array(
  z.looseObject({ vhost: z.string(), configure: z.string(), write: z.string(), read: z.string() }),
);
const topicPermissionsSchema = z.array(
  z.looseObject({ vhost: z.string(), exchange: z.string(), write: z.string(), read: z.string() }),
);
const connectionsSchema = z.array(z.looseObject({ name: z.string() }));
// Without statistics the broker says no more than the name.
const connectionSchema = z.looseObject({ user: z.optional(z.string()) });

/** A user of the broker's own database. */
export interface BrokerUser extends PasswordHash {
  readonly name: string;
  readonly tags: readonly string[];
  /** `max-connections`, `max-channels`, as set. */
  readonly limits: ReadonlyMap<string, number>;
}

export interface Permission {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}
export type TopicPermission = Omit<Permission, 'configure'>;

/** What a user may do, in every virtual host. */
export interface Rights {
  readonly tags: ReadonlySet<string>;
  /** Without those that mean "no limit". */
  readonly limits: ReadonlyMap<string, number>;
  /** By virtual host. */
  readonly permissions: ReadonlyMap<string, Permission>;
  /** By virtual host, then by exchange. */
  readonly topics: ReadonlyMap<string, ReadonlyMap<string, TopicPermission>>;
}

export async function readUser(management: Management, name: string): Promise<BrokerUser | undefined> {
  const found = await management.read('reading a user', ['users', name], userSchema);
  if (found === undefined) return undefined;
  return {
    name: found.name,
    passwordHash: found.password_hash,
    hashingAlgorithm: found.hashing_algorithm,
    tags: found.tags,
    limits: new Map(Object.entries(found.limits)),
  };
}

/** The rights of a user that exists. */
export async function readRights(management: Management, user: BrokerUser): Promise<Rights> {
  const [permissions = [], topicPermissions = []] = await Promise.all([
    management.read('reading permissions', ['users', user.name, 'permissions'], permissionsSchema),
    management.read('reading topic permissions', ['users', user.name, 'topic-permissions'], topicPermissionsSchema),
  ]);
  const topics = new Map<string, Map<string, TopicPermission>>();
  for (const { vhost, exchange, write, read } of topicPermissions) {
    const there = topics.get(vhost) ?? new Map<string, TopicPermission>();
    topics.set(vhost, there.set(exchange, { write, read }));
  }
  return {
    tags: new Set(user.tags),
    limits: new Map([...user.limits].filter(([, value]) => value >= 0)),
    permissions: new Map(
      permissions.map(({ vhost, configure, write, read }) => [vhost, { configure, write, read }] as const),
    ),
    topics,
  };
}

/**
 * Names of a user's connections, of every protocol, as the broker tracks them; `undefined` where it cannot list them so.
 * Not from the statistics, which are seconds old, but from what limits are counted by: in it milliseconds after a
 * connection is open. Some may be of the past (`stale-connections.ts`).
 */
export async function readConnections(management: Management, name: string): Promise<readonly string[] | undefined> {
  const found = await management.read('listing connections', ['connections', 'username', name], connectionsSchema);
  return found?.map((connection) => connection.name);
}

/**
 * Whether the broker's statistics know of this connection of the user `name`. They do from at most one interval after it
 * has been opened (the shortest of `sample_retention_policies`, 5 s by default) until it is closed; a broker without
 * statistics answers from what `readConnections` reads.
 */
export async function isInStatistics(management: Management, name: string, connection: string): Promise<boolean> {
  const found = await management.read('looking for a connection', ['connections', connection], connectionSchema);
  // The same port of a client may be another user's connection by now.
  return found !== undefined && (found.user === undefined || found.user === name);
}

/** Writes a user's hash, tags and limits, all in one. Limits that are not given stay. */
export async function writeUser(management: Management, user: BrokerUser): Promise<void> {
  await management.write('writing a user', ['users', user.name], {
    password_hash: user.passwordHash,
    hashing_algorithm: user.hashingAlgorithm,
    tags: user.tags,
    limits: Object.fromEntries(user.limits),
  });
}

/** Text that differs when two users' hashes differ, and from which no password can be tried. */
export function hashDigest({ passwordHash, hashingAlgorithm }: PasswordHash): string {
  return createHash('sha256').update(`${hashingAlgorithm} ${passwordHash}`).digest('hex').slice(0, 32);
}
