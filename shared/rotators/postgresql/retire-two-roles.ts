import { IncumbentRefused, Misconfigured, StillAlive } from '../../errors.ts';
import type { InstallReport, RetireInput, RetireReport } from '../rotator.ts';
import { adminRefused, requireAdmin, targetOf } from './administrator.ts';
import type { Connector } from './connect.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { closeRole, endSessions } from './end-role.ts';
import { readRoles } from './role-facts.ts';
import { managedComment } from './role-names.ts';

/**
 * `NOLOGIN` and no password for a role that Rekey made or that still takes the value it is known by; then its sessions
 * end, and a login with the value must be refused. A role of others that has taken the name is left alone. Nothing is
 * ended unless the survivor opens the target.
 *
 * Twice is harmless: a role that cannot log in is closed again. Rolling a candidate back is the same.
 */
export async function retireTwoRoles(input: RetireInput, connector: Connector): Promise<RetireReport & InstallReport> {
  const { settings, identity } = input;
  const survivor =
    input.survivor === undefined ? undefined : parseCredential(input.survivor, 'survivor', settings.connection);
  const value =
    input.value === undefined ? undefined : parseCredential(input.value, 'retired credential', settings.connection);
  if (survivor?.username === identity) {
    throw new Misconfigured(`Role "${identity}" is the one that must go on working: it is not retired.`);
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
    const role = (await readRoles(session, [identity])).get(identity);
    if (role === undefined) return { sessions: 0, note: 'the role does not exist', canLogin: false };
    const isOurs = role.comment === managedComment(settings.secretId);
    if (!isOurs && role.canLogin && !(await takes(value, connector))) {
      return { sessions: 0, note: 'the role is not this credential: left alone', canLogin: role.canLogin };
    }
    // A role of others that cannot log in is what an earlier try of this retirement closed: only its sessions are left.
    if (isOurs || role.canLogin) await closeRole(session, settings, role);
    if (!settings.endSessions)
      return { sessions: 0, note: `${role.sessions} sessions left open, as configured`, canLogin: false };
    const { ended, isAllowed } = await endSessions(session, identity);
    const note = isAllowed ? 'ended' : 'the administrator may not end sessions of the role (pg_signal_backend)';
    return { sessions: ended, note, canLogin: false };
  });

  if (value === undefined ? ended.canLogin : (await connector.probe(value.login)) === 'accepted') {
    throw new StillAlive(`Role "${identity}" can still log in.`);
  }
  return { refusedLogin: value !== undefined, endedSessions: ended.sessions, facts: { sessions: ended.note } };
}

/** Whether the role, not made by Rekey, is held by it: it takes this value. */
async function takes(value: Credential | undefined, connector: Connector): Promise<boolean> {
  return value !== undefined && (await connector.probe(value.login)) === 'accepted';
}
