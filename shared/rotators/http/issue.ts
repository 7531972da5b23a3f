import {
  CandidateUnproven,
  Misconfigured,
  OrphanInDoubt,
  RekeyError,
  TargetUnreachable,
  Throttled,
} from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { IssueInput, IssueReport } from '../rotator.ts';
import { type Api, apiOf, faultOf, type HttpDependencies, prepare, transmit, untriable } from './api.ts';
import { type Captured, captured, type Unusable } from './captured.ts';
import { candidateValue, readStored } from './credential-value.ts';
import { endNamed, findsLost, inDoubt, removeLeftovers } from './leftovers.ts';
import { attemptName, attemptNames, idsOfOthers, unexplainedNames } from './names.ts';
import { revocationWords, revoke, unknownToRevoke } from './revoke.ts';
import type { Answer } from './transport.ts';
import { jsonObject, wordsFrom } from './words.ts';

/**
 * Faults after which nothing was made: nobody was connected, the API said 429, or it was not asked because of a doubt. Once
 * an answer to `create` says anything but no (statuses from 400 on), what is wrong with it is `CandidateUnproven`. Where what
 * may be there can be looked for, a no counts for nothing: the fault says so (`madeNothing`).
 */
export const MADE_NOTHING: ReadonlySet<string> = new Set([
  TargetUnreachable.errorName,
  Throttled.errorName,
  OrphanInDoubt.errorName,
]);

/**
 * Has the API make a credential under this attempt's name. What earlier attempts of the rotation made is found by their
 * names and revoked first. Where the API lists nothing, it is revoked by its id, if the ledger has one; else it is in doubt,
 * and no other is asked for. An answer that cannot be used is `CandidateUnproven`, and what it tells of is revoked.
 *
 * Not harmless twice, which is why every attempt has a number: the next removes what this one leaves.
 */
export async function issueHttp(input: IssueInput, dependencies: HttpDependencies): Promise<IssueReport> {
  const { versionId, issuance } = input;
  const api = apiOf(input.settings, input.admin, dependencies);
  const { declaration } = api;
  const incumbent = input.incumbent === undefined ? undefined : readStored(input.incumbent, 'incumbent', declaration);
  const others = idsOfOthers(input.known, versionId, incumbent?.id);
  const facts = issuance.attempts > 1 ? await clearEarlier(api, input, others) : {};

  const name = attemptName(versionId, issuance.attempts);
  const made = captured(declaration.create, await create(api, name), api.clock.now());
  if (made.id !== undefined && others.has(made.id)) {
    // Revoking by it would end the credential that is in use.
    throw new CandidateUnproven(
      `create.capture.id leads to the id of another credential of this secret: the one named "${name}" was made and is not revoked.`,
    );
  }
  if ('unusable' in made) throw await withdrawn(api, made, name);
  const isPlain = incumbent !== undefined && incumbent.json === undefined;
  if (isPlain && jsonObject(made.value) !== undefined) {
    const unusable = 'The value is a JSON object itself, which the plain text of the secret cannot hold: make it JSON.';
    throw await withdrawn(api, { ...made, unusable }, name);
  }
  const { id, expiresAt, fields } = made;
  const identity = id ?? name;
  const value = candidateValue(fields, incumbent, declaration);
  const unusable = unsendable(api, { identity, versionId, value });
  if (unusable !== undefined) throw await withdrawn(api, { ...made, unusable }, name);
  return {
    identity,
    value,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    facts: { ...facts, name },
  };
}

/**
 * Throws what the status means. One of success or redirection that is not expected may have made something, or may tell of
 * something that was there before: nothing is revoked by such an answer.
 */
async function create(api: Api, name: string): Promise<Answer> {
  const request = prepare(api, 'create', wordsFrom({ name }));
  const answer = await transmit(api, request);
  if (request.expect.includes(answer.status)) return answer;
  const fault = faultOf(api, request, answer, findsLost(api) ? { madeNothing: false } : {});
  if (answer.status >= 400) throw fault;
  throw new CandidateUnproven(`${fault.safeMessage} A credential named "${name}" may have been made.`);
}

async function clearEarlier(
  api: Api,
  { versionId, issuance, known }: IssueInput,
  others: ReadonlySet<string>,
): Promise<Readonly<Record<string, string>>> {
  const earlier = { ...issuance, attempts: issuance.attempts - 1 };
  if (findsLost(api)) {
    const removed = await removeLeftovers(api, attemptNames(versionId, earlier.attempts), { others });
    return removed.length === 0 ? {} : { removed: removed.join(', ') };
  }
  // Written down and not stored: its value is lost, its id is not.
  const identity = known.find((entry) => entry.versionId === versionId)?.identity ?? '';
  const ended = await endNamed(api, { identity, versionId });
  const names = unexplainedNames(versionId, earlier, ended !== undefined);
  if (names.length > 0) throw new OrphanInDoubt(inDoubt(names));
  return ended === undefined ? {} : { removed: identity };
}

/** Why `test`, or `revoke`, can never be sent with a new value: nobody could prove that it works, or that it ended. */
function unsendable(
  api: Api,
  { value, ...known }: { readonly identity: string; readonly versionId: string; readonly value: SecretText },
): string | undefined {
  const stored = readStored(value, 'candidate', api.declaration);
  const words = revocationWords(api, { ...known, stored });
  try {
    if (unknownToRevoke(api, words).length === 0) prepare(api, 'revoke', words);
  } catch (error) {
    if (error instanceof Misconfigured) return error.safeMessage;
    throw error;
  }
  return untriable(api, stored);
}

/** Ends what an unusable answer told of, as far as it told; whoever rolls back looks for it by its name. */
async function withdrawn(
  api: Api,
  { unusable, id, value }: Unusable & Partial<Pick<Captured, 'value'>>,
  name: string,
): Promise<RekeyError> {
  const words = wordsFrom({ id, name, value });
  if (unknownToRevoke(api, words).length > 0) {
    return new CandidateUnproven(`${unusable} The credential named "${name}" was made.`);
  }
  try {
    const answer = await revoke(api, words);
    const end = answer === 'revoked' ? 'and was revoked' : 'and http.revoke does not find it';
    return new CandidateUnproven(`${unusable} The credential named "${name}" was made, ${end}.`);
  } catch (error) {
    if (!(error instanceof RekeyError)) throw error;
    return new CandidateUnproven(`${unusable} The credential named "${name}" was made and could not be revoked.`, {
      cause: error,
    });
  }
}
