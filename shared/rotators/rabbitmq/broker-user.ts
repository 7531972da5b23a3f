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
 * Names of a user's open connections, of every protocol; `undefined` where this broker cannot list them so. Not from the
 * statistics, which are seconds old, but from what limits are counted by: in it as soon as a connection is open.
 */
export async function readConnections(management: Management, name: string): Promise<readonly string[] | undefined> {
  const found = await management.read('listing connections', ['connections', 'username', name], connectionsSchema);
  return found?.map((connection) => connection.name);
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
