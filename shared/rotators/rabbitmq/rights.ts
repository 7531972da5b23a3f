import { isDeepStrictEqual } from 'node:util';
import type { Rights } from './broker-user.ts';
import type { Management } from './management.ts';

/**
 * Gives the user `name`, who has `own`, the permissions, topic permissions and limits of `from`, and takes away what
 * `from` has not. Twice is harmless: what is equal already is not written.
 */
export async function copyRights(
  management: Management,
  { name, own, from }: { readonly name: string; readonly own: Rights; readonly from: Rights },
): Promise<void> {
  for (const limit of own.limits.keys()) {
    if (!from.limits.has(limit)) await management.remove('taking a limit away', ['user-limits', name, limit]);
  }
  for (const vhost of keysOf(own.permissions, from.permissions)) {
    const permission = from.permissions.get(vhost);
    if (isDeepStrictEqual(permission, own.permissions.get(vhost))) continue;
    const path = ['permissions', vhost, name];
    if (permission === undefined) await management.remove('taking a permission away', path);
    else await management.write('giving a permission', path, permission);
  }
  for (const vhost of keysOf(own.topics, from.topics)) {
    const topics = from.topics.get(vhost) ?? new Map();
    if (isDeepStrictEqual(topics, own.topics.get(vhost) ?? new Map())) continue;
    const path = ['topic-permissions', vhost, name];
    // All of this virtual host: an exchange's name would have to stand in the path, where not every one can.
    await management.remove('taking topic permissions away', path);
    for (const [exchange, topic] of topics) {
      await management.write('giving a topic permission', path, { exchange, ...topic });
    }
  }
}

/** What parity covers. */
export const COMPARED = ['tags', 'user limits', 'permissions', 'topic permissions'] as const;

/** In what two users differ, as names for people. */
export function rightsDifferences(one: Rights, other: Rights): readonly string[] {
  const differing = <Value>(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>) =>
    keysOf(a, b).filter((key) => !isDeepStrictEqual(a.get(key), b.get(key)));
  return [
    ...(isDeepStrictEqual(one.tags, other.tags) ? [] : ['tags']),
    ...differing(one.limits, other.limits).map((limit) => `limit ${limit}`),
    ...differing(one.permissions, other.permissions).map((vhost) => `permissions in ${JSON.stringify(vhost)}`),
    ...differing(one.topics, other.topics).map((vhost) => `topic permissions in ${JSON.stringify(vhost)}`),
  ];
}

function keysOf(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): readonly string[] {
  return [...new Set([...one.keys(), ...other.keys()])];
}
