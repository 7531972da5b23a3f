import { Misconfigured, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import { userOf } from './account-names.ts';
import { administratorFor, incumbentRefused } from './administrator.ts';
import { closeUser } from './close-user.ts';
import type { Connector } from './connect.ts';
import { parseCredential } from './credential-json.ts';
import { endPassword } from './end-password.ts';
import type { Flavour } from './flavour.ts';
import { inTurn } from './turn.ts';

/**
 * Ends one credential: on the survivor's own user its password is taken away, any other user is closed. Then a login with
 * the value must be refused. Nothing is ended unless the survivor opens the target; what is found in the credential's
 * place and is not it is left alone, because a later rotation has made it, or somebody else.
 *
 * Twice is harmless: what is ended is not found again. Rolling a candidate back is the same.
 */
export async function retire(input: RetireInput, flavour: Flavour, connector: Connector): Promise<RetireReport> {
  const { settings, identity, versionId } = input;
  const { connection, secretId } = settings;
  const survivor = input.survivor === undefined ? undefined : parseCredential(input.survivor, 'survivor', connection);
  const value = input.value === undefined ? undefined : parseCredential(input.value, 'retired credential', connection);
  const named = flavour.type === 'mysql' ? userOf(identity, versionId) : identity;
  const user = value?.username ?? named;
  if (user !== named && user !== identity) {
    throw new Misconfigured(`The value to retire does not belong to user "${named}".`);
  }
  const isDual = survivor?.username === user;
  const isSame = isDual && value?.login.password.reveal() === survivor.login.password.reveal();
  if (isSame || (isDual && flavour.type !== 'mysql')) {
    throw new SameAsSurvivor(`User "${user}" is the one that must go on working: it is not retired.`);
  }
  const admin = administratorFor(input.admin, settings, { flavour, self: survivor ?? value });
  if (survivor !== undefined && (await connector.probe(survivor.login)) === 'refused') {
    throw incumbentRefused(survivor.username);
  }

  const ended = await connector.during(admin.login, admin.refused, (session) =>
    inTurn(session, secretId, () => {
      const ending = { session, flavour, input, user, value };
      return isDual ? endPassword({ ...ending, survivor, connector }) : closeUser(ending);
    }),
  );
  const { endedSessions, failedLogins, facts } = ended;
  if (value === undefined || failedLogins === 1) {
    if (ended.mayLogIn) throw new StillAlive(`User "${user}" can still log in.`);
    return { refusedLogin: false, endedSessions, facts };
  }
  if ((await connector.probe(value.login)) === 'accepted') throw new StillAlive(`User "${user}" can still log in.`);
  // It counts against the account until a login succeeds.
  if (isDual && failedLogins > 0 && (await connector.probe(survivor.login)) === 'refused') throw incumbentRefused(user);
  return { refusedLogin: true, endedSessions, facts };
}
