import * as z from 'zod/mini';
import { IncumbentRefused, Misconfigured, RotationEnded, TransientFailure } from '../../errors.ts';
import type { InstallInput, InstallReport, Preflight, PreflightInput } from '../rotator.ts';
import { assertPasswordOnce } from '../login-secret.ts';
import { assertNotTooLong } from '../password.ts';
import { managementLogin } from './administrator.ts';
import type { LoginResult } from './amqp-login.ts';
import { type Broker, managing } from './broker.ts';
import { type BrokerUser, readConnections, readRights, readUser, type Rights, writeUser } from './broker-user.ts';
import { type Credential, parseCredential } from './credential-json.ts';
import { assertAddressable, type Management } from './management.ts';
import { hashPassword, isEnded, isHashOf } from './password-hash.ts';
import { copyRights } from './rights.ts';
import { assertNotOvertaken, assertSlotFree, fenceOf } from './slot.ts';
import { withoutStale } from './stale-connections.ts';
import { isLoopback } from './transport.ts';
import { candidateAfter } from './user-names.ts';

const overviewSchema = z.looseObject({ rabbitmq_version: z.string() });
/** Of RabbitMQ 4: whoever has this tag could not be retired. */
const PROTECTED = 'protected';
const NO_RIGHTS: Rights = { tags: new Set(), limits: new Map(), permissions: new Map(), topics: new Map() };

/** Reads with the management API, and logs in as the incumbent, side by side. */
export async function preflightTwoUsers(input: PreflightInput, broker: Broker): Promise<Preflight> {
  const { settings, versionId, known } = input;
  assertNotTooLong('rabbitmq', settings.policy);
  const incumbent = requireIncumbent(input);
  assertPasswordOnce(incumbent);
  const admin = managementLogin(input.admin, settings, incumbent.login);
  assertOthers(admin.username, incumbent.username);

  const opening = broker.logins.login(incumbent.login);
  const reading = managing(broker, admin, async (management) => {
    const version = await readVersion(management);
    const user = await readUser(management, incumbent.username);
    const candidate = candidateAfter(incumbent.username);
    assertOthers(admin.username, candidate);
    const slot = await readUser(management, candidate);
    const listed = await requireConnections(management, candidate);
    const { open, stale } =
      slot !== undefined && isEnded(slot)
        ? await withoutStale(management, candidate, { listed, clock: broker.clock })
        : { open: listed, stale: [] };
    const stored = input.candidate && parseCredential(input.candidate, 'candidate', settings.connection);
    const password = stored?.username === candidate ? stored.login.password.reveal() : undefined;
    assertSlotFree({ name: candidate, user: slot, openConnections: open.length, versionId, password, known });
    const rights = user && (await readRights(management, user));
    if (rights !== undefined) assertCanBeCopied(incumbent.username, rights);
    const tls = management.isEncrypted ? 'verified' : 'none';
    const facts = {
      server_version: version,
      management_tls: tls,
      vhost: incumbent.login.vhost,
      ...(stale.length === 0 ? {} : { stale_connections: String(stale.length) }),
    };
    return { rights, preflight: { candidate, incumbent: incumbent.username, facts, fence: fenceOf(slot) } };
  });
  // Both have ended before either's fault goes on; the administrator's goes first.
  await Promise.allSettled([reading, opening]);
  const { rights, preflight } = await reading;
  assertOpens(incumbent, await opening, rights);
  return preflight;
}

/**
 * Makes the candidate's user, or brings a retired one back, with tags, permissions and limits of the incumbent. The
 * broker is given a salted hash, never the password; its own password policy does not see it.
 *
 * Twice is harmless: a user who has the candidate's password already keeps its hash, and only what differs is written. A
 * run that comes late is refused (`RotationEnded`) when the place is not as this rotation's preflight found it. The
 * management API has no conditional writes: a run that comes between another's look and its write, which is the next
 * request, is written over. It finds that out when it reads again at the end, unless it had come to its end by then.
 * Within one secret Rekey's lease lets only one run go on at a time.
 */
export async function installTwoUsers(input: InstallInput, broker: Broker): Promise<InstallReport> {
  const { settings, fence } = input;
  const incumbent = requireIncumbent(input);
  const candidate = parseCredential(input.candidate, 'candidate', settings.connection);
  const name = candidateAfter(incumbent.username);
  if (candidate.username !== name) {
    throw new Misconfigured(
      `The candidate of this rotation must be user ${JSON.stringify(name)}; its secret names another.`,
    );
  }
  const admin = managementLogin(input.admin, settings, candidate.login);
  assertOthers(admin.username, name);
  const password = candidate.login.password.reveal();

  return managing(broker, admin, async (management) => {
    const template = await readUser(management, incumbent.username);
    if (template === undefined) throw notInDatabase(incumbent.username);
    const from = await readRights(management, template);
    // Last, and directly before the write.
    const found = await readUser(management, name);
    assertNotOvertaken({ name, user: found, fence, password });
    const user = candidateUser({ name, found, template, password });
    await writeUser(management, user);
    const own = found === undefined ? NO_RIGHTS : await readRights(management, found);
    await copyRights(management, { name, own, from });
    const written = await readUser(management, name);
    if (written === undefined || isHashOf(written, password) !== true) {
      throw new RotationEnded(`User ${JSON.stringify(name)} was taken by another rotation at the same moment.`);
    }
    return { facts: { user: found === undefined ? 'created' : 'reused' } };
  });
}

/** A hash that is the password's already stays as it is: writing it again changes nothing. */
function candidateUser(work: {
  readonly name: string;
  readonly found: BrokerUser | undefined;
  readonly template: BrokerUser;
  readonly password: string;
}): BrokerUser {
  const { name, found, template, password } = work;
  const hash = found !== undefined && isHashOf(found, password) === true ? found : hashPassword(password);
  const { passwordHash, hashingAlgorithm } = hash;
  return { name, passwordHash, hashingAlgorithm, tags: template.tags, limits: template.limits };
}

function assertCanBeCopied(username: string, { tags, permissions, topics }: Rights): void {
  for (const vhost of [...permissions.keys(), ...topics.keys()]) assertAddressable(vhost);
  if (!tags.has(PROTECTED)) return;
  throw new Misconfigured(
    `User ${JSON.stringify(username)} has the tag "${PROTECTED}": the management API changes no such user.`,
  );
}

/** The incumbent's login and what the management API says of it have to fit. */
function assertOpens({ username, login }: Credential, result: LoginResult, rights: Rights | undefined): void {
  const name = JSON.stringify(username);
  const vhost = JSON.stringify(login.vhost);
  if (result.kind === 'refused') {
    if (username === 'guest' && !isLoopback(login.host)) {
      throw new Misconfigured(
        'The broker lets the user "guest" in only from its own machine (loopback_users): make the application a user of its own.',
        { cause: result.cause },
      );
    }
    throw new IncumbentRefused(`The incumbent (${name}) is refused by the broker.`, { cause: result.cause });
  }
  if (rights === undefined) throw notInDatabase(username);
  if (result.kind === 'accepted') return;
  if (!rights.permissions.has(login.vhost)) {
    throw new Misconfigured(`The incumbent (${name}) has no permissions in virtual host ${vhost}.`, {
      cause: result.cause,
    });
  }
  // The application has opened as many as it may, with this very value. The candidate may open as many again.
  if (result.kind === 'full' && result.limitOf === 'user') return;
  const reason = result.kind === 'full' ? "the broker's limit of connections is reached" : 'it is down';
  throw new TransientFailure(`The virtual host ${vhost} is not opened to the incumbent (${name}) now: ${reason}.`, {
    cause: result.cause,
  });
}

export function requireIncumbent({ incumbent, settings }: Pick<PreflightInput, 'incumbent' | 'settings'>): Credential {
  if (incumbent !== undefined) return parseCredential(incumbent, 'incumbent', settings.connection);
  throw new Misconfigured(
    `"${settings.secretId}" has no value: make a user with the permissions that the application needs, and store its JSON. Every later user gets the same.`,
  );
}

function assertOthers(administrator: string, username: string): void {
  if (administrator !== username) return;
  throw new Misconfigured("The administrator's own user cannot be one of the two: use another administrator.");
}

function notInDatabase(username: string): Misconfigured {
  return new Misconfigured(
    `User ${JSON.stringify(username)} is not in the broker's own database: users of LDAP, OAuth 2 and the like are not rotated.`,
  );
}

async function readVersion(management: Management): Promise<string> {
  const overview = await management.read('reading the version', ['overview'], overviewSchema);
  return overview?.rabbitmq_version ?? 'unknown';
}

async function requireConnections(management: Management, name: string): Promise<readonly string[]> {
  const connections = await readConnections(management, name);
  if (connections !== undefined) return connections;
  throw new Misconfigured('The broker cannot end the connections of one user: RabbitMQ 3.10.7 or later is needed.');
}
