import { escapeIdentifier, escapeLiteral } from 'pg';
import { IncumbentRefused, Misconfigured, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type {
  InstallInput,
  InstallReport,
  Preflight,
  PreflightInput,
  RetireInput,
  RetireReport,
  RotatorSettings,
} from '../rotator.ts';
import type { SecretText } from '../../redact.ts';
import { assertPasswordOnce } from '../login-secret.ts';
import { adminRefused } from './administrator.ts';
import type { Connector, Login, Session } from './connect.ts';
import { adminLogin, type Credential, parseCredential } from './credential-json.ts';
import { passwordFailure } from './pg-errors.ts';
import { readAsker, readRoles, VERSION_16 } from './role-facts.ts';
import { assertSameForAll } from './same-for-all.ts';
import { saltFor, scramVerifier } from './scram.ts';
import { inTransaction } from './transaction.ts';
import { takeTurn } from './turn.ts';

/** One connection, the incumbent's; one more where an administrator sets its password. */
export async function preflightSingleRole(input: PreflightInput, connector: Connector): Promise<Preflight> {
  const { settings } = input;
  if (settings.privileges === 'read_only') {
    throw new Misconfigured(
      `privileges: read_only needs mode two_roles: with one role ("${settings.secretId}") nobody would be left who may write.`,
    );
  }
  const incumbent = requireIncumbent(input.incumbent, settings);
  assertPasswordOnce(incumbent, ['password']);
  assertSameForAll(incumbent.login.password.reveal(), settings.policy);
  const { username } = incumbent;
  if (input.admin !== undefined) {
    const admin = adminLogin(input.admin, incumbent.login, settings.connection);
    await connector.during(admin, adminRefused, (session) =>
      inTransaction(session, 'read only', () => assertMayAlter(session, username)),
    );
  }
  return connector.during(
    incumbent.login,
    (cause) => incumbentRefused(username, cause),
    async (session) => {
      const { version } = await readAsker(session);
      const facts = { server_version: version, tls: session.isEncrypted ? 'verified' : 'none', mode: 'single_role' };
      return { candidate: username, incumbent: username, facts };
    },
  );
}

/**
 * Gives the one role its new password. From here until every consumer has the candidate, new logins with the incumbent
 * are refused; open sessions go on. Done by the administrator where there is one, else by the role itself.
 *
 * Twice is harmless: where the candidate already opens the target, nothing is done. A run that comes late, when a later
 * rotation has changed the password, is refused (`IncumbentRefused`): what this one replaces is no longer there. So no
 * fence is needed as in two-roles mode; nor could there be one: Rekey has not made this role, its comment is not ours.
 */
export async function installSingleRole(input: InstallInput, connector: Connector): Promise<InstallReport> {
  const { settings, versionId } = input;
  const incumbent = requireIncumbent(input.incumbent, settings);
  const candidate = parseCredential(input.candidate, 'candidate', settings.connection);
  if (candidate.username !== incumbent.username) {
    throw new Misconfigured(`In single_role mode the candidate must be role "${incumbent.username}".`);
  }
  if ((await connector.probe(candidate.login)) === 'accepted') return { facts: { role: 'already set' } };
  const outcome = await replacePassword(connector, {
    secretId: settings.secretId,
    by: loginFor(input.admin, incumbent, settings),
    refused: input.admin === undefined ? (cause) => incumbentRefused(incumbent.username, cause) : adminRefused,
    from: incumbent,
    to: candidate,
    context: versionId,
  });
  if (outcome === 'lost') throw incumbentRefused(incumbent.username, undefined);
  return { facts: { role: 'password set' } };
}

/**
 * Makes the survivor's password the role's password, unless it is already, and proves that `value` is refused.
 * In this mode a role has one password, so this serves both ends of a rotation: at retirement (`value`: the old,
 * `survivor`: the new) there is nothing left to do but the proof; on roll back (`value`: the candidate, `survivor`: the
 * incumbent) it puts the incumbent back, if the candidate had been set. Sessions are not ended: they are the
 * survivor's too. Without a survivor nothing can be done, and a value that is accepted is `StillAlive`.
 *
 * Twice is harmless: a refused value needs nothing.
 */
export async function retireSingleRole(input: RetireInput, connector: Connector): Promise<RetireReport> {
  const { settings, identity } = input;
  const value =
    input.value === undefined ? undefined : parseCredential(input.value, 'retired credential', settings.connection);
  const survivor =
    input.survivor === undefined ? undefined : parseCredential(input.survivor, 'survivor', settings.connection);
  const facts = { sessions: 'left open: they are those of the role that goes on' };
  if (value !== undefined && (await connector.probe(value.login)) === 'accepted') {
    if (survivor === undefined || survivor.username !== value.username) {
      throw new StillAlive(`Role "${identity}" takes the value to retire, and there is no other password to give it.`);
    }
    if (survivor.login.password.reveal() === value.login.password.reveal()) {
      throw new SameAsSurvivor(
        `Role "${identity}" would lose its only password: the value to retire is the one to keep.`,
      );
    }
    await replacePassword(connector, {
      secretId: settings.secretId,
      by: loginFor(input.admin, value, settings),
      refused: adminRefused,
      from: value,
      to: survivor,
      context: identity,
    });
    if ((await connector.probe(value.login)) === 'accepted')
      throw new StillAlive(`Role "${identity}" still takes the old value.`);
  }
  if (survivor !== undefined && (await connector.probe(survivor.login)) === 'refused') {
    throw incumbentRefused(identity, undefined);
  }
  return { refusedLogin: value !== undefined, endedSessions: 0, facts };
}

/** Compare-and-swap of the role's one password: `lost`, and nothing set, when it is not that of `from` any more. */
async function replacePassword(
  connector: Connector,
  work: {
    readonly secretId: string;
    readonly by: Login;
    readonly refused: (cause: unknown) => Error;
    readonly from: Credential;
    readonly to: Credential;
    readonly context: string;
  },
): Promise<'set' | 'lost'> {
  const { username, login } = work.to;
  const password = login.password.reveal();
  const verifier = await scramVerifier(password, { salt: saltFor(password, work.context) });
  return connector.during(work.by, work.refused, (session) =>
    inTransaction(session, 'read write', async () => {
      await takeTurn(session, work.secretId);
      if ((await connector.probe(work.from.login)) === 'refused') return 'lost';
      // A role whose sessions become another (SET role) may change its own password only as itself.
      if (work.by.username === username) await session.query('becoming the role itself', 'SET LOCAL ROLE NONE');
      try {
        await session.raw(`ALTER ROLE ${escapeIdentifier(username)} PASSWORD ${escapeLiteral(verifier)}`);
      } catch (error) {
        throw passwordFailure(error);
      }
      return 'set';
    }),
  );
}

async function assertMayAlter(session: Session, username: string): Promise<void> {
  const asker = await readAsker(session);
  const role = (await readRoles(session, [username])).get(username);
  if (role === undefined || asker.superuser || asker.sessionUser === username) return;
  const isAllowed = asker.createRole && !role.superuser && (asker.versionNumber < VERSION_16 || role.administered);
  if (isAllowed) return;
  throw new Misconfigured(
    `The administrator ("${asker.currentUser}") may not set the password of role "${username}" (CREATEROLE and ADMIN OPTION on it).`,
  );
}

function requireIncumbent(incumbent: SecretText | undefined, { secretId, connection }: RotatorSettings): Credential {
  if (incumbent !== undefined) return parseCredential(incumbent, 'incumbent', connection);
  throw new Misconfigured(`"${secretId}" has no value yet: single_role rotates a role that exists. Use two_roles.`);
}

function loginFor(admin: SecretText | undefined, self: Credential, { connection }: RotatorSettings): Login {
  return admin === undefined ? self.login : adminLogin(admin, self.login, connection);
}

function incumbentRefused(username: string, cause: unknown): IncumbentRefused {
  return new IncumbentRefused(`Role "${username}" does not open its database with the value that should work.`, {
    cause,
  });
}
