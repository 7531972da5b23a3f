import type { KnownCredential } from '../rotator.ts';

/**
 * When the credential of a version ended by itself, by the ledger; `undefined` where it has not yet, or has no such end.
 * A provider that refuses it after that does what it said: nobody else has revoked it, and nothing waits for it.
 */
export function ownEnd(
  known: readonly KnownCredential[] | undefined,
  versionId: string | undefined,
  now: Date,
): Date | undefined {
  const expiresAt = known?.find((entry) => entry.versionId === versionId)?.expiresAt;
  return expiresAt !== undefined && expiresAt <= now ? expiresAt : undefined;
}
