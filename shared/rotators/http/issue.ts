import { Misconfigured, OrphanInDoubt, RekeyError } from '../../errors.ts';
import type { IssueInput, IssueReport } from '../rotator.ts';
import { type Api, apiOf, ask, type HttpDependencies } from './api.ts';
import { captured } from './captured.ts';
import { candidateValue, readStored } from './credential-value.ts';
import { findsLost, removeLeftovers } from './leftovers.ts';
import { attemptName, attemptNames, idsOfOthers, isNamedByApi } from './names.ts';
import { revocationWords, revoke, unknownToRevoke } from './revoke.ts';
import { jsonObject, wordsFrom } from './words.ts';

/**
 * Has the API make a credential under this attempt's name. What earlier attempts of the rotation made is found by their
 * names and revoked first; where the API lists nothing, by its id if the ledger has one, else the report says that a
 * person must look, and the rotation goes on. An answer that cannot be used is `Misconfigured`, and what it tells of is revoked.
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
  const made = captured(declaration.create, await ask(api, 'create', wordsFrom({ name })));
  if (made.id !== undefined && others.has(made.id)) {
    // Revoking by it would end the credential that is in use.
    throw new OrphanInDoubt(
      `create.capture.id leads to the id of another credential of this secret: the one named "${name}" was made and is not revoked.`,
    );
  }
  if ('unusable' in made) throw await withdrawn(api, made, name);
  const isPlain = incumbent !== undefined && incumbent.json === undefined;
  if (isPlain && jsonObject(made.value) !== undefined) {
    const unusable = 'The value is a JSON object itself, which the plain text of the secret cannot hold: make it JSON.';
    throw await withdrawn(api, { unusable, id: made.id }, name);
  }
  const { id, expiresAt, fields } = made;
  return {
    identity: id ?? name,
    value: candidateValue(fields, incumbent, declaration),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    facts: { ...facts, name },
  };
}

async function clearEarlier(
  api: Api,
  { versionId, issuance, known }: IssueInput,
  others: ReadonlySet<string>,
): Promise<Readonly<Record<string, string>>> {
  const names = attemptNames(versionId, issuance.attempts - 1);
  if (findsLost(api)) {
    const removed = await removeLeftovers(api, names, { others });
    return removed.length === 0 ? {} : { removed: removed.join(', ') };
  }
  // Written down and not stored: its value is lost, its id is not.
  const identity = known.find((entry) => entry.versionId === versionId)?.identity ?? '';
  const words = revocationWords(api, { identity, versionId, stored: undefined });
  if (!isNamedByApi(identity, versionId) || unknownToRevoke(api, words).length > 0) return { in_doubt: inDoubt(names) };
  await revoke(api, words);
  return { removed: identity, ...(names.length === 1 ? {} : { in_doubt: inDoubt(names) }) };
}

/** For people: what may be there that nobody has the value of. */
export function inDoubt(names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  return `A credential named ${quoted} may exist: its answer was lost, and http.list does not say how to find it. Look for it at the API and revoke it.`;
}

/** Ends what an unusable answer told of, as far as it told. */
async function withdrawn(
  api: Api,
  { unusable, id }: { readonly unusable: string; readonly id: string | undefined },
  name: string,
): Promise<RekeyError> {
  const words = wordsFrom({ id, name });
  // Whoever rolls back looks for it by its name, or says that nobody can.
  if (unknownToRevoke(api, words).length > 0) return new Misconfigured(unusable);
  try {
    await revoke(api, words);
  } catch (error) {
    if (!(error instanceof RekeyError)) throw error;
    return new OrphanInDoubt(`${unusable} The credential named "${name}" was made and could not be revoked.`, {
      cause: error,
    });
  }
  return new Misconfigured(`${unusable} The credential was revoked.`);
}
