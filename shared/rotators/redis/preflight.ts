import { IncumbentRefused, Misconfigured } from '../../errors.ts';
import type { ConnectionSettings, Preflight, PreflightInput } from '../rotator.ts';
import { assertPasswordOnce } from '../login-secret.ts';
import { assertNotTooLong } from '../password.ts';
import { type AclUser, hashOf, quoted, readUser } from './acl-user.ts';
import { type Actor, actorFor } from './administrator.ts';
import { type Connector, type Node, placeOf, type Session } from './connect.ts';
import { type Credential, declaredNode, declaredUser, parseCredential } from './credential-json.ts';
import { assertNoInfrastructure } from './infrastructure-links.ts';
import { identityOf, loginAt } from './identity.ts';
import { nodesOf, onEvery, placesOf, together } from './nodes.ts';
import { fenceOf } from './fence.ts';
import { assertOutlastsRestart, foreseePersistence, isUnknown, SAVING } from './persist.ts';
import { deniedOf, mayNotRun } from './rights.ts';
import { assertAllDeclared, readServer, type ServerFacts } from './server-facts.ts';
import { clientsOf } from './sessions.ts';

interface Found {
  readonly user: AclUser;
  readonly server: ServerFacts | undefined;
  readonly persisted: string;
  readonly isEncrypted: boolean;
}

/** On every server two connections, side by side: who will change the user, only reading, and the incumbent's login. */
export async function preflight(input: PreflightInput, connector: Connector): Promise<Preflight> {
  const { settings, versionId } = input;
  const { connection, policy } = settings;
  assertNotTooLong('redis', policy);
  const incumbent =
    input.incumbent === undefined ? undefined : parseCredential(input.incumbent, 'incumbent', connection);
  if (incumbent !== undefined) assertPasswordOnce(incumbent, ['password']);
  const username = incumbent?.username ?? declaredUser(connection);
  const first = incumbent?.login ?? declaredNode(connection);
  const nodes = nodesOf(first, connection);
  const actor = actorFor({ admin: input.admin, self: incumbent, first, settings });

  const found = await onEvery(nodes, async (node) => {
    const looking = connector.during(actor.at(node), actor.refused, (session) =>
      look(session, { username, incumbent, actor, connection }),
    );
    const opening = incumbent === undefined ? 'accepted' : connector.probe(loginAt(incumbent, node));
    // Both have ended before either's fault goes on; what the administrator sees goes first.
    await Promise.allSettled([looking, opening]);
    const seen = await looking;
    if ((await opening) === 'refused') throw refused(username, node);
    return seen;
  });
  assertAllDeclared(
    nodes,
    found.map(({ server }) => server),
  );
  for (const [index, { persisted }] of found.entries()) {
    assertOutlastsRestart(persisted, { place: placesOf(nodes.slice(index, index + 1)), connection });
  }
  const version = ({ server }: Found): string => server?.version ?? 'unknown';
  return {
    candidate: identityOf(username, versionId),
    incumbent: incumbent === undefined ? undefined : identityOf(username, input.incumbentVersionId),
    facts: {
      server_version: together(nodes, found.map(version)),
      tls: together(
        nodes,
        found.map(({ isEncrypted }) => (isEncrypted ? 'verified' : 'none')),
      ),
      nodes: String(nodes.length),
      persistence: together(
        nodes,
        found.map(({ persisted }) => persisted),
      ),
    },
    fence: fenceOf(
      nodes,
      found.map(({ user }) => user),
    ),
  };
}

/** Throws for a user that a rotation cannot be true for. */
export function assertRotatable(user: AclUser | undefined, username: string, place: string): AclUser {
  if (user === undefined) throw new IncumbentRefused(`There is no user ${quoted(username)} at ${place}.`);
  if (user.flags.includes('nopass')) {
    throw new Misconfigured(
      `User ${quoted(username)} at ${place} takes any password (nopass), so none could ever be ended: give it a password.`,
    );
  }
  if (user.flags.includes('off')) throw new IncumbentRefused(`User ${quoted(username)} at ${place} is off.`);
  return user;
}

/** All questions at once; what the user itself says goes first. */
async function look(
  session: Session,
  about: {
    readonly username: string;
    readonly incumbent: Credential | undefined;
    readonly actor: Actor;
    readonly connection: ConnectionSettings | undefined;
  },
): Promise<Found> {
  const { username, incumbent, actor, connection } = about;
  const { place, isEncrypted } = session;
  const change = ['ACL', 'SETUSER', username];
  const saving = Object.values(SAVING).flat();
  const server = readServer(session);
  const [found, clients, persisted, denied] = await Promise.all([
    readUser(session, username),
    clientsOf(session, username),
    foreseePersistence(session, server),
    deniedOf(session, actor.username, [change, ...saving]),
  ]);
  const user = assertRotatable(found, username, place);
  if (incumbent !== undefined && !user.hashes.includes(hashOf(incumbent.login.password))) {
    throw new IncumbentRefused(
      `The incumbent's password is none of those that user ${quoted(username)} has at ${place}.`,
    );
  }
  assertNoInfrastructure(clients ?? [], username, place);
  const needed = [change, ...(connection?.usersKeptBy === undefined ? savingFor(persisted) : [])];
  const missing = needed.find((command) => denied.includes(command));
  if (missing !== undefined) throw mayNotRun(actor.username, missing, session);
  return { user, server: await server, persisted, isEncrypted };
}

/** What must be allowed. Where nobody can say how the server keeps its users: that what is tried first is. */
function savingFor(persisted: string): readonly (readonly string[])[] {
  if (isUnknown(persisted)) return SAVING['ACL SAVE'];
  return persisted === 'ACL SAVE' || persisted === 'CONFIG REWRITE' ? SAVING[persisted] : [];
}

function refused(username: string, node: Node): IncumbentRefused {
  return new IncumbentRefused(`The incumbent (${quoted(username)}) does not open ${placeOf(node)}.`);
}
