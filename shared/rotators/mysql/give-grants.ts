import { Misconfigured } from '../../errors.ts';
import type { Session } from './connect.ts';
import { type Grant, missing } from './grants.ts';
import { isGone, isNotAllowed } from './mysql-errors.ts';
import { accountText, type AccountName } from './sql-text.ts';

/**
 * Makes what `account` was given what it should have been: takes first, gives then, and leaves alone what is right. What
 * is on tables and routines that are gone is left out. Throws `Misconfigured` for what the administrator may not give.
 *
 * Twice is harmless: `have` is read before, and giving what is there changes nothing.
 */
export async function giveGrants(
  session: Session,
  account: AccountName,
  { have, want }: { readonly have: readonly Grant[]; readonly want: readonly Grant[] },
): Promise<void> {
  const surplus = missing(have, want);
  for (const grant of surplus) await session.run('taking privileges away', taking(grant, account));
  // `ALL PRIVILEGES` takes its parts along: all that is on the same object is given again.
  const touched = new Set(surplus.map(({ on }) => on));
  const lacking = [...missing(want, have), ...want.filter(({ on }) => on !== '' && touched.has(on))];
  // Partial revokes take from what has been given.
  const ordered = [...new Set(lacking)].sort(
    (one, other) => Number(one.kind === 'revoke') - Number(other.kind === 'revoke'),
  );
  for (const group of together(ordered)) await give(session, account, group);
}

async function give(session: Session, account: AccountName, group: readonly Grant[]): Promise<void> {
  try {
    await session.query('giving privileges', giving(group, account));
  } catch (error) {
    if (isGone(error)) return;
    if (!isNotAllowed(error)) throw error;
    const what = group.map((grant) => grant.what).join(', ');
    const on = group[0]?.on ?? '';
    throw new Misconfigured(
      `The administrator may not give to "${account.user}" what the incumbent has (${what}${on === '' ? '' : ` on ${on}`}): it needs the same, with GRANT OPTION (of roles: with ADMIN OPTION).`,
      { cause: error },
    );
  }
}

/** Whole privileges on one object in one statement; those on columns each by itself, because a column may be gone. */
function together(grants: readonly Grant[]): readonly (readonly Grant[])[] {
  const groups = new Map<string, Grant[]>();
  for (const grant of grants) {
    const isAlone = grant.kind !== 'privilege' || grant.what.includes('(');
    const key = JSON.stringify([grant.kind, grant.on, grant.canGrant, isAlone ? grant.what : '']);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [grant]);
    else group.push(grant);
  }
  return [...groups.values()];
}

/** One statement for grants that differ in nothing but what they give. */
function giving(group: readonly Grant[], account: AccountName): string {
  const { kind, on, canGrant } = group[0] as Grant;
  const what = group.map((grant) => grant.what).join(', ');
  const to = accountText(account);
  const option = canGrant ? ` WITH ${kind === 'role' ? 'ADMIN' : 'GRANT'} OPTION` : '';
  if (kind === 'role') return `GRANT ${what} TO ${to}${option}`;
  return kind === 'revoke' ? `REVOKE ${what} ON ${on} FROM ${to}` : `GRANT ${what} ON ${on} TO ${to}${option}`;
}

function taking({ kind, what, on, canGrant }: Grant, account: AccountName): readonly string[] {
  const from = accountText(account);
  if (kind === 'role') return [`REVOKE ${what} FROM ${from}`];
  // Giving is what ends a partial revoke.
  if (kind === 'revoke') return [`GRANT ${what} ON ${on} TO ${from}`];
  const option = canGrant && kind === 'privilege' ? [`REVOKE GRANT OPTION ON ${on} FROM ${from}`] : [];
  return what === 'USAGE' ? option : [...option, `REVOKE ${what} ON ${on} FROM ${from}`];
}
