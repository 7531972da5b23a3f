import { userInfo } from 'node:os';

/** Who asks, for the audit trail: the name of this machine's user. */
export function requestedBy(): string {
  return `cli:${userInfo().username}`;
}
