import type { Clock } from '../../clock.ts';
import { IncumbentRefused, Misconfigured, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { RetireInput, RetireReport, RotatorSettings } from '../rotator.ts';
import { hashOf, quoted, readUser, removePassword } from './acl-user.ts';
import { type Actor, actorFor } from './administrator.ts';
import { type Connector, type Node, placeOf, type Session } from './connect.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { identityOf, loginAt, userOf } from './identity.ts';
import { nodesOf, onEvery, samePlace, together } from './nodes.ts';
import { persist } from './persist.ts';
import { type EndedSessions, endSessions, openedBefore } from './sessions.ts';

interface Tools {
  readonly connector: Connector;
  readonly clock: Clock;
}

/** What was done at one server. */
interface Ended {
  readonly persisted: string;
  readonly sessions: EndedSessions;
}

/**
 * Takes one password from the user on every server, has each write it down, ends the connections that can only be the
 * retired credential's, and proves on every server that a login with it is refused. Every other password of the user,
 * also one that Rekey does not know, stays as it is. Nothing is ended unless the survivor opens every server.
 *
 * Twice is harmless: a password that is gone is not taken away again. Rolling a candidate back is the same.
 */
export async function retire(input: RetireInput, { connector, clock }: Tools): Promise<RetireReport> {
  const { settings, identity, versionId } = input;
  const { connection } = settings;
  const survivor = input.survivor === undefined ? undefined : parseCredential(input.survivor, 'survivor', connection);
  const retired =
    input.value === undefined ? undefined : parseCredential(input.value, 'retired credential', connection);
  if (retired === undefined) return retireWithoutValue(input, survivor, connector);
  const { username, login } = retired;
  if (identityOf(username, versionId) !== identity) {
    throw new Misconfigured(`The value to retire does not belong to ${quoted(identity)}.`);
  }
  if (survivor?.username === username && survivor.login.password.reveal() === login.password.reveal()) {
    throw new SameAsSurvivor(
      `The value to retire (${quoted(identity)}) is the one that must go on working: it is kept.`,
    );
  }
  if (survivor !== undefined) await assertOpens(survivor, { identity, connector, settings });
  // Where it is itself, also when somebody has moved the secret to another server meanwhile: what opens that one is not
  // shown to this one.
  const nodes = nodesOf(login, connection);
  const survivorsPlaces = new Set(survivor === undefined ? [] : nodesOf(survivor.login, connection).map(samePlace));
  const actorAt = (node: Node): { readonly actor: Actor; readonly isItself: boolean } => {
    const isThere = survivor !== undefined && survivorsPlaces.has(samePlace(node));
    const self = isThere ? survivor : retired;
    const isItself = input.admin === undefined && !isThere;
    return { actor: actorFor({ admin: input.admin, self, first: login, settings }), isItself };
  };

  const until = openedBefore(input.known ?? [], { retired: versionId, survivor: input.survivorVersionId });
  const ended = await onEvery(nodes, async (node): Promise<Ended> => {
    const { actor, isItself } = actorAt(node);
    const session = await connector.login(actor.at(node));
    if ('refused' in session) {
      // With nobody else to do it, it takes itself away: where it is refused, an earlier try has done so.
      if (isItself) return { persisted: 'unknown', sessions: NONE };
      throw actor.refused(session.cause);
    }
    try {
      const persisted = await takeAway(session, retired);
      const work = { username, until, clock };
      return { persisted, sessions: settings.endSessions ? await endSessions(session, work) : NONE };
    } finally {
      session.end();
    }
  });
  await assertRefused(retired, { identity, connector, settings });
  return {
    refusedLogin: true,
    endedSessions: ended.reduce((sum, { sessions }) => sum + sessions.ended, 0),
    facts: {
      nodes: String(nodes.length),
      persistence: together(
        nodes,
        ended.map(({ persisted }) => persisted),
      ),
      sessions: settings.endSessions
        ? together(
            nodes,
            ended.map(({ sessions }) => describe(sessions, until)),
          )
        : 'left open, as configured',
    },
  };
}

const NONE: EndedSessions = { ended: 0, left: 0, isAllowed: true };

/** Without the value there is no hash to look for. A candidate is installed only once its value is stored. */
async function retireWithoutValue(
  { identity, versionId, known = [], admin, settings }: RetireInput,
  survivor: Credential | undefined,
  connector: Connector,
): Promise<RetireReport> {
  const entry = known.find((other) => other.versionId === versionId);
  const mayBeThere = entry?.wasStored === true || entry?.state === 'current' || entry?.state === 'grace';
  if (!mayBeThere) {
    return { refusedLogin: false, endedSessions: 0, facts: { password: 'never stored, so it was never installed' } };
  }
  if (survivor === undefined) throw lost(identity, 'the secret has no other value');
  const { username, login } = survivor;
  if (userOf(identity) !== username) throw lost(identity, 'the secret is for another user now');
  const nodes = nodesOf(login, settings.connection);
  const actor = actorFor({ admin, self: survivor, first: login, settings });
  await assertOpens(survivor, { identity, connector, settings });
  await onEvery(nodes, (node) =>
    connector.during(actor.at(node), actor.refused, async (session) => {
      const others = (await readUser(session, username))?.hashes.filter((sha256) => sha256 !== hashOf(login.password));
      if (others === undefined || others.length === 0) return;
      throw lost(identity, `user ${quoted(username)} has ${others.length} other passwords at ${session.place}`);
    }),
  );
  return { refusedLogin: false, endedSessions: 0, facts: { password: 'the user has no password but the current one' } };
}

function lost(identity: string, reason: string): StillAlive {
  return new StillAlive(
    `The value of ${quoted(identity)} is no longer stored, and ${reason}: whether it is dead cannot be told.`,
  );
}

async function takeAway(session: Session, { username, login }: Credential): Promise<string> {
  const sha256 = hashOf(login.password);
  const user = await readUser(session, username);
  if (user?.hashes.includes(sha256) === true) await removePassword(session, username, sha256);
  // Also where an earlier try has taken it away: it may not have come to this.
  return persist(session);
}

interface Proof {
  readonly identity: string;
  readonly connector: Connector;
  readonly settings: RotatorSettings;
}

async function assertOpens(survivor: Credential, { identity, connector, settings }: Proof): Promise<void> {
  await onEvery(nodesOf(survivor.login, settings.connection), async (node) => {
    if ((await connector.probe(loginAt(survivor, node))) === 'accepted') return;
    throw new IncumbentRefused(
      `User ${quoted(survivor.username)} must go on working but is refused at ${placeOf(node)}: ${quoted(identity)} is kept.`,
    );
  });
}

async function assertRefused(retired: Credential, { identity, connector, settings }: Proof): Promise<void> {
  await onEvery(nodesOf(retired.login, settings.connection), async (node) => {
    if ((await connector.probe(loginAt(retired, node))) === 'refused') return;
    throw new StillAlive(`${quoted(identity)} still opens ${placeOf(node)}.`);
  });
}

function describe({ ended, left, isAllowed }: EndedSessions, until: Date | undefined): string {
  if (!isAllowed) return 'left open: Rekey may not end them (CLIENT LIST, CLIENT ID, CLIENT KILL)';
  if (until === undefined) {
    return left === 0 ? 'none' : `${left} left open: which credential opened them cannot be told`;
  }
  return `${ended} ended, opened before ${until.toISOString()}; ${left} opened later, left open`;
}
