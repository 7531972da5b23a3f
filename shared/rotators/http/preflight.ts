import { IncumbentRefused, Misconfigured } from '../../errors.ts';
import { ownEnd } from '../provider-api/own-end.ts';
import type { Preflight, PreflightInput } from '../rotator.ts';
import { type Api, apiOf, type HttpDependencies, opens, prepare } from './api.ts';
import { assertValueOnce, readStored, type StoredCredential } from './credential-value.ts';
import { findsLost, listNamed } from './leftovers.ts';
import { attemptName, candidateName, unknownIdOf } from './names.ts';
import { revocationWords, unknownToRevoke } from './revoke.ts';
import { isAdminWord, wordsOf } from './vocabulary.ts';
import { adminWords, wordsFrom } from './words.ts';

/**
 * Everything that can be known before the API is asked for a credential: the declaration is complete, every template
 * has a text, the incumbent is accepted (or has ended by itself, as it was to), and, where there is a `list`, the
 * administrator. Two requests that read.
 */
export async function preflightHttp(input: PreflightInput, dependencies: HttpDependencies): Promise<Preflight> {
  const { settings, versionId } = input;
  const api = apiOf(settings, input.admin, dependencies);
  const { declaration } = api;
  const incumbent = input.incumbent === undefined ? undefined : readStored(input.incumbent, 'incumbent', declaration);
  if (incumbent !== undefined) assertTestable(api, incumbent);
  const name = attemptName(versionId, 1);
  prepare(api, 'create', wordsFrom({ name }));
  assertAdminKnown(api);

  const listing = declaration.list === undefined ? undefined : listNamed(api, [name]);
  const opening = incumbent === undefined ? undefined : opens(api, incumbent);
  // Both have ended before either's fault goes on; the administrator's goes first.
  await Promise.allSettled([listing, opening]);
  await listing;
  const incumbentFacts = (await opening) === 'refused' ? endedFact(api, input) : {};

  const identity = incumbent === undefined ? undefined : incumbentIdentity(input, incumbent);
  const { host, protocol } = new URL(declaration.baseUrl);
  return {
    candidate: candidateName(versionId),
    incumbent: identity,
    facts: {
      api: host,
      tls: protocol === 'https:' ? 'verified' : 'none',
      lost_answers: findsLost(api) ? 'found by name' : 'not found: a person must look',
      ...incumbentFacts,
      ...retirementFact(api, input, incumbent, identity),
    },
  };
}

/** Its end came before the rotation did: the more it is to be replaced. Throws where nothing said that it would end. */
function endedFact(api: Api, { known, incumbentVersionId }: PreflightInput): Readonly<Record<string, string>> {
  const end = ownEnd(known, incumbentVersionId, api.clock.now());
  if (end === undefined) throw new IncumbentRefused('The API refuses the incumbent.');
  return { incumbent: `refused: it ended by itself at ${end.toISOString()}, and this rotation replaces it` };
}

function assertTestable({ declaration }: Api, incumbent: StoredCredential): void {
  assertValueOnce(incumbent, declaration);
  const missing = wordsOf(declaration.test).filter((word) => incumbent.words(word) === undefined);
  if (missing.length === 0) return;
  const keys = missing.map((word) => `"${word}"`).join(', ');
  throw new Misconfigured(`http.test needs ${keys} of the incumbent: its value must be a JSON object that has it.`);
}

/** `revoke` comes when it is too late to find out. */
function assertAdminKnown({ declaration, admin, settings }: Api): void {
  const words = adminWords(admin, settings.secretId);
  for (const word of wordsOf(declaration.revoke)) if (isAdminWord(word)) words(word);
}

/** As the ledger has it; else its own id; a text that stands for one where it does not say. */
function incumbentIdentity({ known, incumbentVersionId = '' }: PreflightInput, { id }: StoredCredential): string {
  const entry = known.find(({ versionId }) => versionId === incumbentVersionId);
  return entry?.identity ?? id ?? unknownIdOf(incumbentVersionId);
}

/** Said before the switch: an incumbent that nobody can revoke will stay a debt. */
function retirementFact(
  api: Api,
  { incumbentVersionId = '' }: PreflightInput,
  incumbent: StoredCredential | undefined,
  identity: string | undefined,
): Readonly<Record<string, string>> {
  if (incumbent === undefined || identity === undefined) return {};
  const words = revocationWords(api, { identity, versionId: incumbentVersionId, stored: incumbent });
  return { incumbent_revocable: unknownToRevoke(api, words).length === 0 ? 'yes' : 'no' };
}
