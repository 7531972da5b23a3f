import { Misconfigured } from '../../errors.ts';
import type { Preflight, PreflightInput, RotatorSettings } from '../rotator.ts';
import { assertPasswordOnce } from '../login-secret.ts';
import { assertNotTooLong } from '../password.ts';
import { adminMissing, administratorFor, assertMayManage, incumbentRefused } from './administrator.ts';
import type { Connector } from './connect.ts';
import { parseCredential } from './credential-json.ts';
import { preflightDualPassword } from './dual-password.ts';
import type { Flavour } from './flavour.ts';
import { assertNotLeftReadOnly } from './left-read-only.ts';
import { assertAlwaysMet, assertTakesHashes, readServerPolicy } from './password-policy.ts';
import { readServer } from './server-facts.ts';
import { preflightTwoUsers } from './two-users.ts';

/** Two connections, side by side: the administrator's, kept for `install`, and the incumbent's login. */
export async function preflight(input: PreflightInput, flavour: Flavour, connector: Connector): Promise<Preflight> {
  const { settings } = input;
  assertMode(settings);
  assertNotTooLong(flavour.type, settings.policy);
  const incumbent =
    input.incumbent === undefined ? undefined : parseCredential(input.incumbent, 'incumbent', settings.connection);
  if (incumbent !== undefined) assertPasswordOnce(incumbent);
  const admin = administratorFor(input.admin, settings, { flavour, self: incumbent });

  const opening = incumbent === undefined ? 'accepted' : connector.enter(incumbent.login);
  const managing = connector.duringAndKeep(admin.login, admin.refused, async (session) => {
    const server = await readServer(session, flavour.type);
    await assertMayManage(session);
    await assertTakesHashes(session);
    assertAlwaysMet(await readServerPolicy(session), settings.policy);
    const isDual = flavour.hasDualPasswords(server) && settings.privileges !== 'read_only';
    if (!isDual && input.admin === undefined) throw adminMissing(settings.secretId);
    const work = { session, flavour, server, settings, incumbent, input };
    const place = await (isDual ? preflightDualPassword(work) : preflightTwoUsers(work));
    await assertNotLeftReadOnly(work);
    const facts = {
      server_version: server.version,
      tls: session.isEncrypted ? 'verified' : 'none',
      mode: isDual ? 'dual_password' : 'two_users',
    };
    return { ...place, facts };
  });
  // Both have ended before either's fault goes on; the administrator's goes first.
  await Promise.allSettled([managing, opening]);
  const preflight = await managing;
  if (incumbent !== undefined && (await opening) === 'refused') throw incumbentRefused(incumbent.username);
  return preflight;
}

function assertMode({ mode, secretId }: RotatorSettings): void {
  if (mode === 'two_roles') return;
  throw new Misconfigured(`Mode single_role is not for MySQL and MariaDB: leave mode out for "${secretId}".`);
}
