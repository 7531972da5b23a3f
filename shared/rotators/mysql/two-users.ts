import { Misconfigured, RetirementPending, SlotOccupied } from '../../errors.ts';
import type { InstallInput, InstallReport, Preflight, PreflightInput } from '../rotator.ts';
import type { AccountFacts } from './account.ts';
import { nextSlot, userOf } from './account-names.ts';
import { incumbentRefused } from './administrator.ts';
import type { Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Flavour } from './flavour.ts';
import { giveGrants } from './give-grants.ts';
import { type Grant, readGrants } from './grants.ts';
import { isUnclear } from './mysql-errors.ts';
import { assertMet, assertTakesHashes, readServerPolicy } from './password-policy.ts';
import { readOnlyGrants } from './read-only.ts';
import { sessionsOf } from './sessions.ts';
import { assertSlotFree, assertStillFree, fenceOf } from './slot.ts';
import { type AccountName, accountText } from './sql-text.ts';
import type { Work } from './work.ts';

/** What the candidate's account is to be like. */
interface Model {
  readonly host: string;
  readonly plugin: string;
  readonly limits: string;
  readonly defaultRoles: readonly string[];
  readonly grants: readonly Grant[];
}

/** For accounts that are made without one to copy: from anywhere, as whoever declares a host for it would have to say. */
const ANY_HOST = '%';

/** The place of the candidate: the other of the two users. Reads only. */
export async function preflightTwoUsers(
  work: Work & { readonly input: PreflightInput },
): Promise<Omit<Preflight, 'facts'>> {
  const { session, flavour, settings, input, incumbent } = work;
  const { known, versionId } = input;
  if (incumbent !== undefined) await assertOnePassword(work, incumbent.username);
  const { host } = await readModel(work);
  const { secretId } = settings;
  const characters = flavour.nameCharacters;
  const candidate = nextSlot({ incumbent: incumbent?.username, secretId, known, characters });
  const accounts = await flavour.readAccounts(session, candidate);
  const sessions = accounts.length === 0 ? 0 : (await sessionsOf(session, candidate)).length;
  assertSlotFree({ name: candidate, host, accounts, sessions, secretId, versionId, known });
  return { candidate, incumbent: incumbent?.username, fence: fenceOf(accounts) };
}

/** A user is closed as a whole: with a second password, somebody else's credential would end with the incumbent. */
async function assertOnePassword(
  { session, flavour, input }: Work & { readonly input: PreflightInput },
  user: string,
): Promise<void> {
  const accounts = await flavour.readAccounts(session, user);
  if (accounts.every(({ passwords, retained }) => retained === undefined || retained.hash === passwords[0]?.hash))
    return;
  const isPending = input.known.some(
    ({ identity, versionId, state }) => state === 'grace' && userOf(identity, versionId) === user,
  );
  if (isPending) throw new RetirementPending(`User "${user}" still has its previous password, in its grace period.`);
  throw new SlotOccupied(
    `User "${user}" has two passwords: ALTER USER … DISCARD OLD PASSWORD, if nobody needs the old one.`,
  );
}

/**
 * Makes the candidate's user, or brings a retired one back, with all that the incumbent's has: closed while it gets its
 * privileges, opened by the last statement. The server is given the password's hash, never the password.
 *
 * Twice is harmless: an account that has this candidate's password is completed. Any other is taken only where Rekey has
 * closed it. A run that comes late finds it neither so nor as `preflight` saw it (`fence`), or closed for its own version,
 * and is refused (`RotationEnded`). One thing tells nobody: where no account has ever been, none was closed.
 */
export async function installTwoUsers(
  work: Work & { readonly input: InstallInput; readonly candidate: Credential },
): Promise<InstallReport> {
  const { session, flavour, input, candidate } = work;
  const model = await readModel(work);
  const plain = candidate.login.password.reveal();
  const accounts = await flavour.readAccounts(session, candidate.username);
  const name: AccountName = { user: candidate.username, host: model.host };
  const account = accounts.find(({ host }) => host === model.host);
  const stored = flavour.storedFor(model.plugin, plain, input.versionId);
  const isOurs = account !== undefined && isFirstPassword(flavour, account, plain);
  if (!isOurs) {
    const { secretId } = work.settings;
    const closing = { secretId, versionId: input.versionId };
    assertStillFree({ name: name.user, host: name.host, accounts, fence: input.fence, closing });
    assertMet(await readServerPolicy(session), plain);
  }
  const text = accountText(name);
  if (!isOurs || account.isLocked) {
    const verb = account === undefined ? 'CREATE' : 'ALTER';
    const statement = `${verb} USER ${text} ${flavour.identifiedBy(stored)} ${model.limits} ACCOUNT LOCK`;
    await setPassword(session, 'making the user', [
      statement,
      ...(account?.retained === undefined ? [] : [`ALTER USER ${text} DISCARD OLD PASSWORD`]),
    ]);
  }
  const have = account === undefined ? [] : await readGrants(session, name);
  await giveGrants(session, name, { have, want: model.grants });
  const roles = await flavour.readDefaultRoles(session, name, work.server);
  if (roles.join() !== model.defaultRoles.join()) {
    await session.run('setting the default roles', flavour.setDefaultRoles(name, model.defaultRoles));
  }
  await session.run('opening the user', [`ALTER USER ${text} ACCOUNT UNLOCK`]);
  return { facts: { user: account === undefined ? 'created' : 'reused', host: model.host } };
}

function isFirstPassword(flavour: Flavour, { passwords: [first] }: AccountFacts, plain: string): boolean {
  return first !== undefined && flavour.isPasswordOf(first, plain);
}

/** Statements that set a password; where they fail and the server takes no hashes, that is why. */
export async function setPassword(session: Session, doing: string, statements: readonly string[]): Promise<void> {
  try {
    await session.run(doing, statements);
  } catch (error) {
    if (isUnclear(error)) await assertTakesHashes(session);
    throw error;
  }
}

/** What the candidate is to have: the incumbent's, or what is declared for a secret that has no value yet. */
export async function readModel(work: Work): Promise<Model> {
  const { session, flavour, server, settings, incumbent } = work;
  const isReadOnly = settings.privileges === 'read_only';
  if (incumbent === undefined) {
    const role = settings.connection?.ownerRole;
    const roles = role === undefined ? [] : [flavour.roleText(role)];
    const granted = roles.map((what) => ({ kind: 'role', what, on: '', canGrant: false }) as const);
    return {
      host: ANY_HOST,
      plugin: flavour.defaultPlugin(server),
      limits: flavour.defaultLimits(server),
      defaultRoles: isReadOnly ? [] : roles,
      grants: isReadOnly ? await readOnlyGrants(session, granted) : granted,
    };
  }
  const account = onlyAccount(await flavour.readAccounts(session, incumbent.username), incumbent.username);
  const plugin = hashedPlugin(flavour, account);
  const given = await readGrants(session, account);
  return {
    host: account.host,
    plugin,
    limits: account.limits,
    defaultRoles: isReadOnly ? [] : await flavour.readDefaultRoles(session, account, server),
    grants: isReadOnly ? await readOnlyGrants(session, given) : given,
  };
}

/** The user's account. With several, consumers elsewhere would log in to one that is not rotated. */
export function onlyAccount(accounts: readonly AccountFacts[], user: string): AccountFacts {
  const [account, ...more] = accounts;
  if (account === undefined) throw incumbentRefused(user);
  if (more.length === 0) return account;
  const hosts = accounts.map(({ host }) => `"${host}"`).join(', ');
  throw new Misconfigured(`User "${user}" has several accounts, for hosts ${hosts}: leave it the one that is rotated.`);
}

/** The plugin that checks the account's password, if it is one whose hash Rekey can compute. */
export function hashedPlugin(flavour: Flavour, { user, passwords }: AccountFacts): string {
  const found = passwords.find(({ plugin }) => flavour.makesHash(plugin));
  if (found !== undefined) return found.plugin;
  throw new Misconfigured(
    `User "${user}" logs in with ${passwords.map(({ plugin }) => plugin).join(', ')}: Rekey rotates passwords that the server keeps itself.`,
  );
}
