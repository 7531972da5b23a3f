import { AdminRefused, IncumbentRefused, Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Login, Session } from './connect.ts';
import { adminLogin, type Credential, declaredTarget } from './credential-json.ts';
import type { Flavour } from './flavour.ts';
import { readGrants } from './grants.ts';

/** Who changes the accounts, and what it means when that login is refused. */
export interface Administrator {
  readonly login: Login;
  readonly refused: (cause: unknown) => Error;
}

/**
 * Who changes the accounts: the administrator, or, where two passwords of one user are all that changes, that user
 * (`self`). Where the secret's credentials log in is what `self` says, else what is declared.
 */
export function administratorFor(
  admin: SecretText | undefined,
  settings: RotatorSettings,
  { flavour, self }: { readonly flavour: Flavour; readonly self: Credential | undefined },
): Administrator {
  const { connection, secretId, privileges } = settings;
  if (admin === undefined) {
    if (self === undefined || flavour.type !== 'mysql' || privileges === 'read_only') throw adminMissing(secretId);
    return { login: { ...self.login, dbname: undefined }, refused: (cause) => incumbentRefused(self.username, cause) };
  }
  const login = adminLogin(admin, self?.login ?? declaredTarget(connection), connection);
  if (login.username === self?.username) {
    throw new Misconfigured(
      `The administrator's own user cannot be rotated in a second secret: leave admin_secret out, so that it changes its own password.`,
    );
  }
  return {
    login,
    refused: (cause) => new AdminRefused("The server refused the administrator's credential.", { cause }),
  };
}

export function adminMissing(secretId: string): Misconfigured {
  return new Misconfigured(
    `Two users, and a first one, need an administrator: declare admin_secret for "${secretId}", or a masterarn in its value.`,
  );
}

export function incumbentRefused(username: string, cause?: unknown): IncumbentRefused {
  return new IncumbentRefused(`User "${username}" does not open its database with the value that should work.`, {
    cause,
  });
}

/** What can be seen beforehand: the right to change accounts at all. What comes through roles is taken for given. */
export async function assertMayManage(session: Session): Promise<void> {
  const grants = await readGrants(session, 'CURRENT_USER()');
  const isEnough = grants.some(({ kind, what, on }) => {
    if (kind === 'role') return true;
    const isGlobal = on === '*.*' && ['CREATE USER', 'ALL PRIVILEGES', 'INSERT'].includes(what);
    return isGlobal || (on === '`mysql`.*' && ['ALL PRIVILEGES', 'INSERT'].includes(what));
  });
  if (isEnough) return;
  throw new Misconfigured('The administrator may not change accounts: it needs the privilege CREATE USER (ON *.*).');
}
