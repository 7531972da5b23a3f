import { IncumbentRefused, Misconfigured, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import { adminRefused, requireAdmin, targetOf } from './administrator.ts';
import type { Connector, Session } from './connect.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { closeRole, endSessions } from './end-role.ts';
import { readRoles } from './role-facts.ts';
import { readManaged } from './role-names.ts';
import { inTransaction } from './transaction.ts';
import { takeTurn } from './turn.ts';

const SESSIONS_LEFT = {
  'not allowed': 'the administrator may not end sessions of the role (pg_signal_backend)',
  'in use again': 'left alone: a later rotation has the role',
} as const;

/**
 * `NOLOGIN` and no password for a role that Rekey has installed for the version to retire, or that takes its value; then
 * its sessions end, and a login with the value must be refused. Left alone are a role of others that has taken the name,
 * and one that is installed for another version and does not take the value: a later rotation has it, and this comes
 * late. Nothing is ended unless the survivor opens the target.
 *
 * Twice is harmless: a role that cannot log in is closed again. Rolling a candidate back is the same.
 */
export async function retireTwoRoles(input: RetireInput, connector: Connector): Promise<RetireReport> {
  const { settings, identity } = input;
  const survivor =
    input.survivor === undefined ? undefined : parseCredential(input.survivor, 'survivor', settings.connection);
  const value =
    input.value === undefined ? undefined : parseCredential(input.value, 'retired credential', settings.connection);
  if (survivor?.username === identity) {
    throw new SameAsSurvivor(`Role "${identity}" is the one that must go on working: it is not retired.`);
  }
  if (value !== undefined && value.username !== identity) {
    throw new Misconfigured(`The value to retire does not belong to role "${identity}".`);
  }
  const target = targetOf(settings, survivor ?? value);
  const admin = requireAdmin(input.admin, settings, target, identity);
  if (survivor !== undefined && (await connector.probe(survivor.login)) === 'refused') {
    throw new IncumbentRefused(`Role "${survivor.username}" must go on working but is refused: "${identity}" is kept.`);
  }

  const ended = await connector.during(admin, adminRefused, async (session) => {
    const found = await inTransaction(session, 'read write', async () => {
      await takeTurn(session, settings.secretId);
      return close(session, input, () => takes(value, connector));
    });
    if ('role' in found) return { sessions: 0, canLogin: found.canLogin, facts: { role: found.role } };
    if (!settings.endSessions) {
      return { sessions: 0, canLogin: false, facts: { sessions: `${found.sessions} left open, as configured` } };
    }
    const { ended, left } = await endSessions(session, identity, settings.secretId);
    return {
      sessions: ended,
      canLogin: false,
      facts: { sessions: left === undefined ? 'ended' : SESSIONS_LEFT[left] },
    };
  });

  if (value === undefined ? ended.canLogin : (await connector.probe(value.login)) === 'accepted') {
    throw new StillAlive(`Role "${identity}" can still log in.`);
  }
  return { refusedLogin: value !== undefined, endedSessions: ended.sessions, facts: ended.facts };
}

/** How many sessions the role has, now that it is closed; or why it was not. */
type Found =
  | { readonly sessions: number }
  /** `canLogin`: with what may be the credential, for all that is known. */
  | { readonly role: string; readonly canLogin: boolean };

async function close(
  session: Session,
  { settings, identity, versionId }: RetireInput,
  takesValue: () => Promise<boolean>,
): Promise<Found> {
  const role = (await readRoles(session, [identity])).get(identity);
  if (role === undefined) return { role: 'it does not exist', canLogin: false };
  const managed = readManaged(role.comment, settings.secretId);
  const installedFor = managed?.installed?.versionId ?? versionId;
  // A role has one password: what takes the value is the credential, whatever its comment says.
  if (role.canLogin && (managed === undefined || installedFor !== versionId) && !(await takesValue())) {
    if (managed === undefined) return { role: 'it is not this credential: left alone', canLogin: true };
    return { role: 'it is installed for another version: left alone', canLogin: false };
  }
  // A role of others that cannot log in is what an earlier try of this retirement closed: only its sessions are left.
  if (managed !== undefined || role.canLogin) await closeRole(session, settings, role);
  return { sessions: role.sessions };
}

/** Whether the target takes this value. The session has ended then: it is not one of those that retiring ends. */
async function takes(value: Credential | undefined, connector: Connector): Promise<boolean> {
  if (value === undefined || (await connector.probe(value.login)) === 'refused') return false;
  await connector.release();
  return true;
}
