import { Misconfigured, RotationEnded } from '../../errors.ts';
import type { InstallInput, InstallReport } from '../rotator.ts';
import { addPassword, assertSameRules, hashOf, quoted, readUser } from './acl-user.ts';
import { actorFor } from './administrator.ts';
import type { Connector, Session } from './connect.ts';
import { parseCredential } from './credential-json.ts';
import { nodesOf, onEvery, together } from './nodes.ts';
import { assertNotOvertaken } from './fence.ts';
import { assertOutlastsRestart, persist, persistenceWarning } from './persist.ts';
import { assertRotatable } from './preflight.ts';

/**
 * Gives the user the candidate's password beside those that it has, on every server, by its hash, and has each write it
 * down. Twice is harmless: Redis keeps a hash once. A server that fails leaves the others changed: the next try, or the
 * candidate's removal, goes to all of them again.
 *
 * A run that comes late, when the user has other passwords than its preflight saw, changes nothing (`RotationEnded`): a
 * later rotation has added one, or has retired the incumbent. Where the server does not write its users down, and nobody is
 * declared to do it, `Misconfigured`: whoever stopped the rotation takes the password back.
 */
export async function install(input: InstallInput, connector: Connector): Promise<InstallReport> {
  const { settings, fence } = input;
  const { connection } = settings;
  const candidate = parseCredential(input.candidate, 'candidate', connection);
  const incumbent =
    input.incumbent === undefined ? undefined : parseCredential(input.incumbent, 'incumbent', connection);
  const { username, login } = candidate;
  if (incumbent !== undefined && incumbent.username !== username) {
    throw new Misconfigured(`The candidate must be a password of user ${quoted(incumbent.username)}.`);
  }
  const nodes = nodesOf(login, connection);
  const actor = actorFor({ admin: input.admin, self: incumbent, first: login, settings });
  const sha256 = hashOf(login.password);
  const replaced = incumbent === undefined ? undefined : hashOf(incumbent.login.password);

  const install = async (session: Session): Promise<string> => {
    const { place } = session;
    const user = assertRotatable(await readUser(session, username), username, place);
    if (replaced !== undefined && !user.hashes.includes(replaced)) {
      throw new RotationEnded(
        `The incumbent of this rotation is no password of user ${quoted(username)} any more at ${place}.`,
      );
    }
    assertNotOvertaken({ user, sha256, fence, username, place });
    if (!user.hashes.includes(sha256)) {
      await addPassword(session, username, sha256);
      assertSameRules(user, await readUser(session, username), place);
    }
    // Also where an earlier try has added it: it may not have come to this.
    const persisted = await persist(session);
    assertOutlastsRestart(persisted, { place, connection });
    return persisted;
  };
  const persisted = await onEvery(nodes, (node) => connector.during(actor.at(node), actor.refused, install));
  const persistence = together(nodes, persisted);
  return {
    facts: { user: username, nodes: String(nodes.length), persistence },
    ...persistenceWarning(persisted, persistence),
  };
}
