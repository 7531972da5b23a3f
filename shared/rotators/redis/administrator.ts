import { AdminRefused, IncumbentRefused, Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import { quoted } from './acl-user.ts';
import type { Login, Node } from './connect.ts';
import { adminLogin, type Credential } from './credential-json.ts';

/** Who changes users: the administrator, or a user itself. */
export interface Actor {
  readonly username: string;
  readonly at: (node: Node) => Login;
  readonly refused: (cause: unknown) => Error;
}

/** The administrator where there is one, who may log in at the first of the nodes; else `self`. */
export function actorFor(work: {
  readonly admin: SecretText | undefined;
  readonly self: Credential | undefined;
  readonly first: Node;
  readonly settings: RotatorSettings;
}): Actor {
  const { admin, self, first, settings } = work;
  if (admin === undefined) {
    if (self !== undefined) return actingItself(self);
    throw new Misconfigured(
      `Nobody is there to change users for "${settings.secretId}": declare admin_secret for it, or a masterarn in its value.`,
    );
  }
  const { username, password, tls } = adminLogin(admin, first, settings.connection);
  return {
    username,
    // Further nodes are declared ones.
    at: (node) => ({ ...node, username, password, tls }),
    refused: (cause) => new AdminRefused("The server refused the administrator's credential.", { cause }),
  };
}

function actingItself({ username, login: { password } }: Credential): Actor {
  return {
    username,
    at: (node) => ({ ...node, username, password }),
    refused: (cause) =>
      new IncumbentRefused(`User ${quoted(username)} is refused with the value that should work.`, { cause }),
  };
}
