import {
  AdminRefused,
  IncumbentRefused,
  Misconfigured,
  OrphanInDoubt,
  SameAsSurvivor,
  StillAlive,
  TransientFailure,
} from '../../errors.ts';
import { ownEnd } from '../provider-api/own-end.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import { type Api, apiOf, type HttpDependencies, opens, untriable } from './api.ts';
import { readStored, type StoredCredential } from './credential-value.ts';
import { endNamed, findsLost, inDoubt, listNamed, removeLeftovers } from './leftovers.ts';
import { attemptNames, idsOfOthers, isNamedByApi, unexplainedNames } from './names.ts';
import { revocationWords, revoke, unknownToRevoke } from './revoke.ts';

const RETRY_MILLISECONDS = 1_000;

/**
 * Has the API revoke one credential, by what the ledger and its value say, and proves with the test request that it is
 * refused; where that cannot be sent with its value, the list must show it no more, and without a list it is `StillAlive`
 * until a person says that it is dead. What other attempts of its version have left is revoked with it; where they cannot be
 * found, `OrphanInDoubt` says after that what a person must look for. Nothing is ended unless the survivor works, or has
 * ended by itself as it was to.
 *
 * Twice is harmless: the API does not know it any more, and it is refused.
 */
export async function retireHttp(input: RetireInput, dependencies: HttpDependencies): Promise<RetireReport> {
  const api = apiOf(input.settings, input.admin, dependencies);
  const { declaration } = api;
  const survivor = input.survivor === undefined ? undefined : readStored(input.survivor, 'survivor', declaration);
  const stored = input.value === undefined ? undefined : readStored(input.value, 'retired credential', declaration);
  assertApart(input, stored, survivor);
  const survivorFacts = survivor === undefined ? {} : await assertGoesOn(api, input, survivor);
  const facts = await (stored === undefined
    ? endUnseen(api, input, survivor)
    : endStored(api, input, stored, survivor));
  const refusedLogin = stored !== undefined && untriable(api, stored) === undefined;
  return { refusedLogin, endedSessions: 0, facts: { ...facts, ...survivorFacts } };
}

/** One that has ended by itself goes on for nobody: to keep another one for its sake would keep that for ever. */
async function assertGoesOn(
  api: Api,
  { known, survivorVersionId }: RetireInput,
  survivor: StoredCredential,
): Promise<Readonly<Record<string, string>>> {
  if ((await opens(api, survivor)) === 'accepted') return {};
  const end = ownEnd(known, survivorVersionId, api.clock.now());
  if (end !== undefined) return { survivor: `refused: it ended by itself at ${end.toISOString()}` };
  throw new IncumbentRefused('The API refuses the credential that must go on working: nothing is revoked.');
}

/** Throws unless `value` is the credential of the ledger, and not the one that must go on. */
function assertApart(
  { identity, versionId }: RetireInput,
  stored: StoredCredential | undefined,
  survivor: StoredCredential | undefined,
): void {
  const id = stored?.id ?? identity;
  if (survivor !== undefined && (survivor.value === stored?.value || survivor.id === id)) {
    throw new SameAsSurvivor('The credential to retire is the one that must go on working: it is kept.');
  }
  if (stored?.id !== undefined && isNamedByApi(identity, versionId) && stored.id !== identity) {
    throw new Misconfigured(`The value to retire does not belong to credential "${identity}".`);
  }
}

async function endStored(
  api: Api,
  input: RetireInput,
  stored: StoredCredential,
  survivor: StoredCredential | undefined,
): Promise<Readonly<Record<string, string>>> {
  const { identity, versionId } = input;
  const words = revocationWords(api, { identity, versionId, stored });
  const unknown = unknownToRevoke(api, words);
  const untried = untriable(api, stored);
  if (unknown.length > 0) {
    if (untried !== undefined || (await opens(api, stored)) === 'accepted') {
      throw new StillAlive(
        `The credential cannot be revoked: http.revoke needs {{${unknown.join('}}, {{')}}} of it, which its value does not hold. Revoke it by hand.`,
      );
    }
    assertNoDoubt(input);
    return { revoke: 'not needed: it is refused' };
  }
  const answer = await revokeOrSeeRefused(api, words, { stored, survivor });
  if (untried === undefined) await proveRefused(api, stored, answer);
  const { attempts = 0 } = issuanceOf(input) ?? {};
  const names = attemptNames(versionId, attempts);
  const facts = { revoke: answer, ...(await endOthers(api, input, { names, own: words('id'), survivor })) };
  if (untried === undefined) return facts;
  await proveUnlisted(api, names, untried);
  return { ...facts, test: `not sent: ${untried}`, list: 'shows it no more' };
}

/** What other attempts of the version have left. */
async function endOthers(
  api: Api,
  input: RetireInput,
  {
    names,
    own,
    survivor,
  }: {
    readonly names: readonly string[];
    readonly own: string | undefined;
    readonly survivor: StoredCredential | undefined;
  },
): Promise<Readonly<Record<string, string>>> {
  if (names.length < 2) return {};
  if (!findsLost(api)) {
    assertNoDoubt(input);
    return {};
  }
  // Its own is proved dead by its value, or by the list after this.
  const removed = await removeLeftovers(api, names, { others: othersOf(input, survivor), own });
  return removed.length === 0 ? {} : { removed: removed.join(', ') };
}

/** The credential itself is dead. What another attempt of its version may have left is still owed, and nobody can find it. */
function assertNoDoubt(input: RetireInput): void {
  const issuance = issuanceOf(input);
  if (issuance === undefined) return;
  const names = unexplainedNames(input.versionId, issuance, true);
  if (names.length > 0) throw new OrphanInDoubt(inDoubt(names));
}

/**
 * An API that revokes only once has its own status for it; whatever that says, a refused value is the proof. (Where it says
 * that it refuses the administrator, or what it says to anybody, only if it has just accepted the survivor.)
 */
async function revokeOrSeeRefused(
  api: Api,
  words: Parameters<typeof revoke>[1],
  { stored, survivor }: { readonly stored: StoredCredential; readonly survivor: StoredCredential | undefined },
): Promise<string> {
  try {
    return await revoke(api, words);
  } catch (error) {
    const isOwn = error instanceof Misconfigured;
    const isOther = error instanceof AdminRefused || error instanceof TransientFailure;
    if (!isOwn && !(isOther && survivor !== undefined)) throw error;
    if (untriable(api, stored) === undefined && (await opens(api, stored)) === 'refused')
      return 'not needed: it is refused';
    throw error;
  }
}

async function proveRefused(api: Api, stored: StoredCredential, answer: string): Promise<void> {
  if (await isOver(api, async () => (await opens(api, stored)) === 'refused')) return;
  throw new StillAlive(
    answer === 'gone'
      ? 'The API says that there is no such credential, and still accepts it: is http.revoke the right request?'
      : 'The API has revoked the credential, and still accepts it.',
  );
}

/** No login with the value can be refused: the API says that it has revoked it, and its list says so too. */
async function proveUnlisted(api: Api, names: readonly string[], untried: string): Promise<void> {
  if (api.declaration.list === undefined || names.length === 0) {
    throw new StillAlive(
      `The API says that the credential is revoked, and nothing can prove it. ${untried} Look for it at the API, and say so: rekey settle.`,
    );
  }
  if (await isOver(api, async () => (await listNamed(api, names)).length === 0)) return;
  throw new StillAlive('The API has revoked the credential, and http.list still shows it.');
}

/** APIs that keep credentials in several places take seconds: as long is waited as for a new one. */
async function isOver({ clock, settings }: Api, check: () => Promise<boolean>): Promise<boolean> {
  const deadline = clock.now().getTime() + settings.preheatSeconds * 1000;
  while (!(await check())) {
    if (clock.now().getTime() + RETRY_MILLISECONDS > deadline) return false;
    await clock.sleep(RETRY_MILLISECONDS);
  }
  return true;
}

/** A credential whose value nobody has: by what the API calls it, and by the names that its attempts gave. */
async function endUnseen(
  api: Api,
  input: RetireInput,
  survivor: StoredCredential | undefined,
): Promise<Readonly<Record<string, string>>> {
  const { identity, versionId } = input;
  const issuance = issuanceOf(input);
  const revoked = await endNamed(api, { identity, versionId });
  const facts: Readonly<Record<string, string>> = revoked === undefined ? {} : { revoke: revoked };
  if (issuance === undefined) {
    if (revoked !== undefined) return facts;
    throw new StillAlive('The credential cannot be revoked: neither its value nor what the API calls it is known.');
  }
  if (issuance.attempts === 0) return { ...facts, issued: 'nothing was asked for' };
  if (!findsLost(api)) {
    const names = unexplainedNames(versionId, issuance, revoked !== undefined);
    if (names.length > 0) throw new OrphanInDoubt(inDoubt(names));
    return revoked === undefined ? { issued: 'what was asked for is explained' } : facts;
  }
  const removed = await removeLeftovers(api, attemptNames(versionId, issuance.attempts), {
    others: othersOf(input, survivor),
    // What the API does not know under this id may be looked for in the wrong place: then the list shows it.
    own: revoked === 'revoked' && Object.hasOwn(api.declaration.create.capture, 'id') ? identity : undefined,
  });
  return { ...facts, removed: removed.length === 0 ? 'none was there' : removed.join(', ') };
}

function othersOf({ known = [], versionId }: RetireInput, survivor: StoredCredential | undefined): ReadonlySet<string> {
  return idsOfOthers(known, versionId, survivor?.id);
}

function issuanceOf({ known = [], versionId }: RetireInput) {
  return known.find((entry) => entry.versionId === versionId)?.issuance;
}
