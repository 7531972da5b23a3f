import { incumbentRefused } from './administrator.ts';
import type { Connector, Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import { connectFailure, PlainPasswordAsked } from './mysql-errors.ts';
import type { StoredPassword } from './stored-password.ts';
import { mayAnswerUnverified } from './tls.ts';

/**
 * One login with a password that goes on working, right after a statement that has set one for its user. Such a statement
 * (IDENTIFIED; the others leave it alone) throws all of the user's passwords out of the server's cache, and clients that
 * have neither TLS nor the server's key live on that: they are refused until somebody has shown the server their password
 * itself. Twice is harmless.
 *
 * https://dev.mysql.com/doc/refman/8.4/en/caching-sha2-pluggable-authentication.html
 */
export async function fillCache(connector: Connector, stored: StoredPassword, credential: Credential): Promise<void> {
  if (!isCached(stored)) return;
  if ((await connector.probe(credential.login)) === 'refused') throw incumbentRefused(credential.username);
}

/** Throws `TargetUnreachable` where Rekey lives on that cache itself, which a rotation would empty for good. */
export function assertFillsCache(
  session: Pick<Session, 'isEncrypted'>,
  stored: StoredPassword,
  { login }: Credential,
): void {
  if (!isCached(stored) || session.isEncrypted || mayAnswerUnverified(login)) return;
  throw connectFailure(new PlainPasswordAsked(), `${login.host}:${login.port}`);
}

function isCached({ plugin }: StoredPassword): boolean {
  return plugin === 'caching_sha2_password';
}
