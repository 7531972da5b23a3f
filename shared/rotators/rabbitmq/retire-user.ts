import {
  IncumbentRefused,
  Misconfigured,
  OrphanInDoubt,
  SameAsSurvivor,
  StillAlive,
  TransientFailure,
} from '../../errors.ts';
import type { RetireInput, RetireReport, RotatorSettings } from '../rotator.ts';
import { managementLogin, type Target } from './administrator.ts';
import type { LoginResult } from './amqp-login.ts';
import { type Broker, managing } from './broker.ts';
import { type BrokerUser, readConnections, readRights, readUser, writeUser } from './broker-user.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { endConnections } from './end-connections.ts';
import type { Management } from './management.ts';
import { endedHash, isEnded, isHashOf } from './password-hash.ts';

/** Nothing is opened to a user with this limit, also where a login had begun before. */
const CLOSED = new Map([['max-connections', 0]]);

/**
 * Takes password and tags away from the user whose password is the value to retire, and forbids it connections, in one
 * write; then its connections end, and a login with the value must be refused. It is not deleted and keeps its
 * permissions: its turn may come again, and one made by hand is still there to look at. Left alone is a user who has
 * another password: a later rotation has it, or somebody else. Nothing is ended unless the survivor opens the broker.
 *
 * Twice is harmless: of a user who has ended already only the connections are ended again. Rolling a candidate back is
 * the same.
 */
export async function retireUser(input: RetireInput, broker: Broker): Promise<RetireReport> {
  const { settings, identity } = input;
  const name = JSON.stringify(identity);
  const survivor = input.survivor && parseCredential(input.survivor, 'survivor', settings.connection);
  const value = input.value && parseCredential(input.value, 'retired credential', settings.connection);
  if (survivor?.username === identity) {
    throw new SameAsSurvivor(`User ${name} is the one that must go on working: it is not retired.`);
  }
  if (value !== undefined && value.username !== identity) {
    throw new Misconfigured(`The value to retire does not belong to user ${name}.`);
  }
  const admin = managementLogin(input.admin, settings, targetOf(settings, survivor ?? value));
  if (admin.username === identity) {
    throw new Misconfigured(`User ${name} is the administrator's own: another administrator must retire it.`);
  }
  const works = survivor && (await broker.logins.login(survivor.login));

  const ended = await managing(broker, admin, async (management) => {
    if (survivor !== undefined && works !== undefined) await assertWorks(management, survivor, works, name);
    const found = await close(management, input, value && ownerOf(value, broker));
    if ('user' in found) return { sessions: 0, facts: { user: found.user } };
    if (!settings.endSessions) {
      const open = (await readConnections(management, identity))?.length ?? 0;
      return { sessions: 0, facts: { sessions: `${open} left open, as configured` } };
    }
    const { ended, stale } = await endConnections(management, identity, broker.clock);
    const note = stale === 0 ? '' : `; ${stale} that the broker lists are not there`;
    return { sessions: ended, facts: { sessions: `ended${note}` } };
  });

  if (value !== undefined && (await broker.logins.login(value.login)).kind !== 'refused') {
    throw new StillAlive(`User ${name} can still log in.`);
  }
  return { refusedLogin: value !== undefined, endedSessions: ended.sessions, facts: ended.facts };
}

/**
 * Throws unless the survivor opens the broker. Where as many of its connections are open as may be, it does: the password
 * is right, and its permissions hold the virtual host.
 */
async function assertWorks(
  management: Management,
  { username, login }: Credential,
  result: LoginResult,
  retired: string,
): Promise<void> {
  if (result.kind === 'accepted') return;
  const { cause } = result;
  const name = JSON.stringify(username);
  if (result.kind === 'refused') {
    throw new IncumbentRefused(`User ${name} must go on working but is refused: ${retired} is kept.`, { cause });
  }
  const user = result.kind === 'full' ? await readUser(management, username) : undefined;
  if (user !== undefined && (await readRights(management, user)).permissions.has(login.vhost)) return;
  throw new TransientFailure(
    `The virtual host is not opened to ${name}, who must go on working (permissions, or it is down): ${retired} is kept.`,
    { cause },
  );
}

/** Closed, or why nothing was done. */
type Found = { readonly isClosed: true } | { readonly user: string };

async function close(
  management: Management,
  { identity, versionId, known = [] }: RetireInput,
  hasValue: ((user: BrokerUser) => Promise<boolean>) | undefined,
): Promise<Found> {
  const user = await readUser(management, identity);
  if (user === undefined) return { user: 'it does not exist' };
  // Without a password, and not by Rekey: it may be somebody's who logs in with a certificate.
  if (user.passwordHash === '' && hasValue === undefined) return { user: 'it has no password: left alone' };
  if (isEnded(user)) return { isClosed: true };
  if (hasValue === undefined) {
    const here = known.filter((entry) => entry.identity === identity && entry.state !== 'retired');
    if (here.some((entry) => entry.versionId !== versionId)) return { user: 'another version has it: left alone' };
    // A value that was never stored was never set either; so who has given this user a password, nobody knows. The state
    // does not say it: a candidate that could not be ended goes on as a debt like any other.
    if (!here.some((entry) => entry.wasStored === true)) throw inDoubt(identity);
  } else if (!(await hasValue(user))) return { user: 'it has another password: left alone' };
  await writeUser(management, { name: identity, ...endedHash(identity, versionId), tags: [], limits: CLOSED });
  return { isClosed: true };
}

/** Whether a user's password is the one of `login`; asks the broker where a plugin hashes passwords. */
function ownerOf({ login }: Credential, { logins }: Broker): (user: BrokerUser) => Promise<boolean> {
  return async (user) => isHashOf(user, login.password.reveal()) ?? (await logins.login(login)).kind !== 'refused';
}

function targetOf({ connection }: RotatorSettings, credential: Credential | undefined): Target {
  if (credential !== undefined) return credential.login;
  if (connection === undefined)
    throw new Misconfigured('Nothing says at which broker the credential is: declare its connection.');
  return { host: connection.host, port: connection.port };
}

function inDoubt(identity: string): OrphanInDoubt {
  return new OrphanInDoubt(
    `User ${JSON.stringify(identity)} has the name of a candidate whose value was never stored, and a password that Rekey did not set: it is left alone.`,
  );
}
