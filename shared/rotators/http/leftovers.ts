import { Misconfigured, OrphanInDoubt, StillAlive } from '../../errors.ts';
import { type Api, ask } from './api.ts';
import { readJson } from './captured.ts';
import { valueAt } from './json-pointer.ts';
import { isNamedByApi } from './names.ts';
import { revocationWords, revoke, unknownToRevoke } from './revoke.ts';
import { wordsOf } from './vocabulary.ts';
import { scalarText, wordsFrom } from './words.ts';

interface Listed {
  readonly id: string;
  readonly name: string;
}

/** Whether lost answers can be made good: the API lists its credentials by name, and ends them by what it lists. */
export function findsLost(api: Api): boolean {
  return api.declaration.list !== undefined && unknownToRevoke(api, wordsFrom({ id: 'any', name: 'any' })).length === 0;
}

/**
 * Revokes every credential at the API that has exactly one of `names`, all of which Rekey alone gives. Answers the names
 * that were there. `others`: ids of credentials that must live; `own`: the id of one that has been ended already. Twice
 * is harmless: the second time there are none, or the API says that they are gone.
 */
export async function removeLeftovers(
  api: Api,
  names: readonly string[],
  { others, own }: { readonly others: ReadonlySet<string>; readonly own?: string | undefined },
): Promise<readonly string[]> {
  const found = (await listNamed(api, names)).filter(({ id }) => id !== own);
  const wrong = found.find(({ id }) => others.has(id));
  if (wrong !== undefined) {
    throw new OrphanInDoubt(
      `http.list.id gives the credential named "${wrong.name}" the id of another one of this secret: nothing is revoked.`,
    );
  }
  const missing: Listed[] = [];
  for (const leftover of found) {
    const words = wordsFrom({ ...leftover });
    const unknown = unknownToRevoke(api, words);
    if (unknown.length > 0) {
      throw new OrphanInDoubt(
        `The credential named "${leftover.name}" was made, its answer lost, and http.revoke needs {{${unknown.join('}}, {{')}}} of it: revoke it by hand.`,
      );
    }
    if ((await revoke(api, words)) === 'gone') missing.push(leftover);
  }
  if (missing.length > 0) {
    // Gone, or looked for in the wrong place: the list knows.
    const still = (await listNamed(api, names)).find(({ id }) => missing.some((leftover) => leftover.id === id));
    if (still !== undefined) {
      throw new StillAlive(`http.revoke does not find the credential named "${still.name}", which http.list shows.`);
    }
  }
  return found.map(({ name }) => name);
}

/**
 * Revokes a credential whose value nobody has by what the ledger calls it; `undefined` where the API has not named it yet,
 * or where it takes more than that and the list has it. Throws `OrphanInDoubt` where there is none. Twice is harmless: then
 * it is gone.
 */
export async function endNamed(
  api: Api,
  { identity, versionId }: { readonly identity: string; readonly versionId: string },
): Promise<'revoked' | 'gone' | undefined> {
  if (!isNamedByApi(identity, versionId)) return undefined;
  const words = revocationWords(api, { identity, versionId, stored: undefined });
  const unknown = unknownToRevoke(api, words);
  if (unknown.length === 0) return revoke(api, words);
  if (findsLost(api)) return undefined;
  throw new OrphanInDoubt(
    `The credential "${identity}" was made, its value lost, and http.revoke needs {{${unknown.join('}}, {{')}}} of it: revoke it by hand.`,
  );
}

/** For people: what may be there that nobody has the value of. */
export function inDoubt(names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  return `A credential named ${quoted} may exist: its answer was lost, and http.list does not say how to find it. Look for it at the API and revoke it.`;
}

/** The credentials at the API with one of `names`; one request, or one for each name where `list` asks by it. */
export async function listNamed(api: Api, names: readonly string[]): Promise<readonly Listed[]> {
  const { list } = api.declaration;
  if (list === undefined) return [];
  const asksByName = wordsOf(list).includes('name');
  const found = await Promise.all(
    (asksByName ? names : names.slice(0, 1)).map(async (name) =>
      itemsOf(api, await ask(api, 'list', wordsFrom({ name }))),
    ),
  );
  return found.flat().flatMap((item) => {
    const name = valueAt(item, list.name);
    if (typeof name !== 'string' || !names.includes(name)) return [];
    const id = scalarText(valueAt(item, list.id));
    if (id === undefined)
      throw new Misconfigured(`http.list.id does not lead to an id of the credential named "${name}".`);
    return [{ id, name }];
  });
}

function itemsOf({ declaration: { list } }: Api, answer: Parameters<typeof readJson>[0]): readonly unknown[] {
  const json = readJson(answer);
  if ('unusable' in json) throw new Misconfigured(`The answer to http.list ${json.unusable}.`);
  const items = valueAt(json.document, list?.items ?? '');
  if (!Array.isArray(items)) throw new Misconfigured('In the answer to http.list, list.items does not lead to a list.');
  return items;
}
