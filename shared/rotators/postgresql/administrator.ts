import { AdminRefused, Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Login } from './connect.ts';
import { adminLogin, type Credential, declaredTarget, type Target } from './credential-json.ts';

/** Where the secret's credentials log in: what a value says, else what is declared. */
export function targetOf({ connection }: RotatorSettings, credential: Credential | undefined): Target {
  return credential?.login ?? declaredTarget(connection);
}

/** The administrator's login at `target`, who must be somebody else than `username`. */
export function requireAdmin(
  admin: SecretText | undefined,
  { connection, secretId }: RotatorSettings,
  target: Target,
  username: string | undefined,
): Login {
  if (admin === undefined) {
    throw new Misconfigured(
      `Two roles need an administrator: declare admin_secret for "${secretId}", or a masterarn in its value.`,
    );
  }
  const login = adminLogin(admin, target, connection);
  if (login.username === username) {
    throw new Misconfigured(`The administrator's own role cannot be rotated with two roles: use single_role for it.`);
  }
  return login;
}

export function adminRefused(cause: unknown): AdminRefused {
  return new AdminRefused("The server refused the administrator's credential.", { cause });
}
