import type { IssueInput, IssueReport } from '../rotator.ts';
import { attemptOf, nameOfAttempt } from './key-names.ts';
import type { KeyAdministration } from './key-provider.ts';
import { parseKeySecret, withKey } from './key-secret.ts';

/**
 * Has the provider make a key under the name of this attempt. Keys of that name, or of an earlier attempt's, are removed
 * first: their answers were lost, so nobody has their values. Only exactly equal names of the same owner.
 *
 * Twice is harmless: the second call removes what the first one made.
 */
export async function issueKey(input: IssueInput, keys: KeyAdministration): Promise<IssueReport> {
  const { versionId, issuance } = input;
  const incumbent = input.incumbent === undefined ? undefined : parseKeySecret(input.incumbent, 'incumbent');
  const removed = await removeAttempts(keys, versionId, issuance.attempts);
  const made = await keys.create(nameOfAttempt(versionId, issuance.attempts));
  const { id, expiresAt } = made;
  return {
    identity: id,
    value: withKey(incumbent, made),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    facts: {
      ...(removed.length === 0 ? {} : { removed_from_lost_attempts: removed.join(', ') }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt.toISOString() }),
    },
  };
}

/** Removes the keys of a version's attempts up to `last`, but for `kept`; answers their ids. */
export async function removeAttempts(
  keys: KeyAdministration,
  versionId: string,
  last: number,
  kept?: string,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const { id, name } of await keys.keys()) {
    const attempt = attemptOf(name, versionId);
    if (attempt === undefined || attempt > last || id === kept) continue;
    await keys.remove(id);
    removed.push(id);
  }
  return removed;
}
