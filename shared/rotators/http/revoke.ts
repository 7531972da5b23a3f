import { type Api, faultOf, prepare, transmit } from './api.ts';
import type { StoredCredential } from './credential-value.ts';
import { isNamedByApi } from './names.ts';
import { isAdminWord, wordsOf } from './vocabulary.ts';
import { eitherOf, type Words, wordsFrom } from './words.ts';

/** Statuses by which an API says that there is no such credential. */
const GONE: readonly number[] = [404, 410];

/**
 * Has the API end one credential. `gone`: it says that there is none such. Throws the fault of any other status. Twice
 * is harmless: what is gone is gone.
 */
export async function revoke(api: Api, words: Words): Promise<'revoked' | 'gone'> {
  const request = prepare(api, 'revoke', words);
  const answer = await transmit(api, request);
  if (request.expect.includes(answer.status)) return 'revoked';
  if (GONE.includes(answer.status)) return 'gone';
  throw faultOf(api, request, answer);
}

/** The templates of `revoke` that nothing is known for: while there are any, it cannot be sent. */
export function unknownToRevoke({ declaration }: Api, words: Words): readonly string[] {
  return wordsOf(declaration.revoke).filter((word) => !isAdminWord(word) && words(word) === undefined);
}

/** What is known of a credential when it is to end: what is stored of it, and what the ledger calls it. */
export function revocationWords(
  { declaration }: Api,
  known: { readonly identity: string; readonly versionId: string; readonly stored: StoredCredential | undefined },
): Words {
  const { identity, versionId, stored } = known;
  const hasId = Object.hasOwn(declaration.create.capture, 'id');
  const named = isNamedByApi(identity, versionId) ? wordsFrom({ [hasId ? 'id' : 'name']: identity }) : wordsFrom({});
  return stored === undefined ? named : eitherOf(stored.words, named);
}
