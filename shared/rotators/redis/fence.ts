import { hash } from 'node:crypto';
import { RotationEnded } from '../../errors.ts';
import { type AclUser, quoted } from './acl-user.ts';
import { type Node, placeOf } from './connect.ts';

/**
 * What `install` finds again where nothing has happened since preflight: by server, a digest of the passwords that the user
 * has there. A user has several, so no place is taken by another rotation's: only this tells that there was one.
 */
export function fenceOf(nodes: readonly Node[], users: readonly AclUser[]): string {
  return JSON.stringify(
    Object.fromEntries(nodes.map((node, index) => [placeOf(node), digestOf(users[index]?.hashes ?? [])])),
  );
}

/**
 * Throws `RotationEnded` unless the user has at `place` what preflight saw there, with or without the candidate (`sha256`)
 * of this very rotation.
 */
export function assertNotOvertaken(found: {
  readonly user: AclUser;
  readonly sha256: string;
  readonly fence: string | undefined;
  readonly username: string;
  readonly place: string;
}): void {
  const { user, sha256, fence, username, place } = found;
  if (fence === undefined) return;
  const seen = (JSON.parse(fence) as Readonly<Record<string, string>>)[place];
  const others = user.hashes.filter((other) => other !== sha256);
  if (seen === digestOf(user.hashes) || seen === digestOf(others)) return;
  throw new RotationEnded(
    `User ${quoted(username)} has other passwords at ${place} than when this rotation began: another is at work.`,
  );
}

/** Redis tells them in the order in which they were added. */
function digestOf(hashes: readonly string[]): string {
  return hash('sha256', hashes.toSorted().join(' ')).slice(0, 32);
}
