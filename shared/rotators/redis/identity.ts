import type { Credential } from './credential-json.ts';
import type { Login, Node } from './connect.ts';

/** A credential's public name: the user, and the version of the secret that holds the password. */
export function identityOf(username: string, versionId: string | undefined): string {
  return `${username}@${versionId ?? 'unknown'}`;
}

/** The user of an identity: its name may hold what looks like another identity. */
export function userOf(identity: string): string {
  return identity.slice(0, Math.max(0, identity.lastIndexOf('@')));
}

/** The same login at another server of the same users. */
export function loginAt({ login: { username, password } }: Credential, node: Node): Login {
  return { ...node, username, password };
}
