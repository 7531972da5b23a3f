import { createHash } from 'node:crypto';
import type { Issuance, KnownCredential } from '../rotator.ts';

/** Bounded, in one line. */
const PUBLIC_ID = /^[^\p{Cc}\p{Zl}\p{Zp}]{1,256}$/u;

/** Whether a text may be a credential's public name: what holds its value is none, whatever it is called. */
export function isPublicId(id: string, value: string): boolean {
  return PUBLIC_ID.test(id) && id.isWellFormed() && !id.includes(value);
}

/** Version ids of Secrets Manager that are fit for a name; AWS allows other characters too. */
const FIT = /^[A-Za-z0-9-]{1,64}$/;

/** What the candidate of a version is called before it is made, and its attempts begin with: `rekey-<versionId>`. */
export function candidateName(versionId: string): string {
  return `rekey-${FIT.test(versionId) ? versionId : createHash('sha256').update(versionId).digest('hex').slice(0, 32)}`;
}

/** The name that one attempt gives to what it makes: nobody else's, and no other attempt's. */
export function attemptName(versionId: string, attempt: number): string {
  return `${candidateName(versionId)}-${attempt}`;
}

/** The names of the attempts 1 … `attempts`. */
export function attemptNames(versionId: string, attempts: number): readonly string[] {
  return Array.from({ length: attempts }, (_, index) => attemptName(versionId, index + 1));
}

/**
 * The names of those attempts that may have made something that nobody knows. `isExplained`: the ledger, or a stored value,
 * has the work of one of them; which, says `explained`, where it is written.
 */
export function unexplainedNames(
  versionId: string,
  { attempts, explained }: Pick<Issuance, 'attempts' | 'explained'>,
  isExplained: boolean,
): readonly string[] {
  const names = attemptNames(versionId, attempts);
  if (explained !== undefined) return names.slice(explained);
  return isExplained && attempts === 1 ? [] : names;
}

/** What the API calls this secret's other credentials that may live: never to be ended for `versionId`. */
export function idsOfOthers(
  known: readonly KnownCredential[],
  versionId: string,
  ...more: readonly (string | undefined)[]
): ReadonlySet<string> {
  const alive = known.filter((entry) => entry.versionId !== versionId && entry.state !== 'retired');
  return new Set([...alive.map(({ identity }) => identity), ...more.filter((id) => id !== undefined)]);
}

/** Stands for the id of a credential that was made by hand and does not say its own. No API's id: those have no blank. */
export function unknownIdOf(versionId: string): string {
  return `credential of version ${versionId}`;
}

/** Whether an identity of the ledger is what the API itself calls the credential. */
export function isNamedByApi(identity: string, versionId: string): boolean {
  return identity !== '' && identity !== candidateName(versionId) && identity !== unknownIdOf(versionId);
}
