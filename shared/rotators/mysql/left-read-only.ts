import { Misconfigured } from '../../errors.ts';
import type { PreflightInput } from '../rotator.ts';
import { slotsOf, userOf } from './account-names.ts';
import type { AccountFacts } from './account.ts';
import type { Session } from './connect.ts';
import { readGrants } from './grants.ts';
import { isNotAllowed } from './mysql-errors.ts';
import { isReading } from './read-only.ts';
import { isClosed } from './slot.ts';
import type { Work } from './work.ts';

/**
 * Throws `Misconfigured` where the secret is declared to be the `same` again and `read_only` has left its user with no
 * more than reading: by itself that would never change. Seen by a user that it has replaced and that can do more. Which of
 * those rights are meant, a person says: they may have been taken away on purpose from the user that is used now.
 */
export async function assertNotLeftReadOnly(work: Work & { readonly input: PreflightInput }): Promise<void> {
  const { session, flavour, settings, incumbent } = work;
  if (settings.privileges === 'read_only' || incumbent === undefined) return;
  const replaced = replacedBy(work, incumbent.username);
  if (replaced.size === 0) return;
  if (await mayDoMore(session, await flavour.readAccounts(session, incumbent.username))) return;
  for (const [other, isInGrace] of replaced) {
    const accounts = await flavour.readAccounts(session, other);
    const isReplaced = (account: AccountFacts): boolean => isInGrace || isClosed(account, settings);
    if (!(await mayDoMore(session, accounts.filter(isReplaced)))) continue;
    const user = incumbent.username;
    throw new Misconfigured(
      `User "${user}" only reads, where "${other}", which it replaced, can do more. So privileges: read_only leaves it, and same would keep it: GRANT "${user}" what it is to do, or declare privileges: read_only.`,
    );
  }
}

/** Users that may have had this one's place, and whether they are in their grace period: by the ledger, or by their names. */
function replacedBy(
  { flavour, input }: Work & { readonly input: PreflightInput },
  user: string,
): ReadonlyMap<string, boolean> {
  const found = new Map<string, boolean>();
  const [base, first, second] = [user.slice(0, -2), ...slotsOf(user.slice(0, -2), flavour.nameCharacters)];
  if (user === first || user === second) for (const name of [base, first, second]) found.set(name, false);
  for (const { identity, versionId, state } of input.known) {
    const other = userOf(identity, versionId);
    found.set(other, state === 'grace' || found.get(other) === true);
  }
  found.delete(user);
  return found;
}

/** Whether one of the accounts has any right but to read. Where the administrator may not see it: not that one knows. */
async function mayDoMore(session: Session, accounts: readonly AccountFacts[]): Promise<boolean> {
  for (const account of accounts) {
    try {
      const grants = await readGrants(session, account);
      if (!grants.every(isReading)) return true;
    } catch (error) {
      if (!isNotAllowed(error)) throw error;
    }
  }
  return false;
}
