import { Misconfigured } from '../../errors.ts';
import { quoted } from './acl-user.ts';
import type { Client } from './sessions.ts';

/** What Redis Sentinel calls its connections. */
const SENTINEL = /^sentinel-[0-9a-f]+-(?:cmd|pubsub)$/;

/**
 * Throws `Misconfigured` when replicas or Sentinels are among the connections of `username`: they read its password from
 * their own configuration (`masterauth`, `auth-pass`), which Rekey does not change, so they would be cut off at
 * retirement.
 */
export function assertNoInfrastructure(clients: readonly Client[], username: string, place: string): void {
  const links = clients.filter(({ isReplica, name }) => isReplica || SENTINEL.test(name));
  if (links.length === 0) return;
  const isReplica = links.some((link) => link.isReplica);
  const kind = isReplica ? 'replicas (masteruser, masterauth)' : 'Sentinels (auth-user, auth-pass)';
  throw new Misconfigured(
    `User ${quoted(username)} is what ${kind} log in as at ${place}: give them a user of their own, their configuration cannot follow a rotation.`,
  );
}
