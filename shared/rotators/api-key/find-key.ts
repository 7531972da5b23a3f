import { Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { KnownCredential } from '../rotator.ts';
import type { KeyAdministration, ListedKey } from './key-provider.ts';
import type { KeySecret } from './key-secret.ts';

/** `sk-abc...wxyz`: the start, a mask, the end. */
const REDACTED = /^([\w-]*)[^\w-]+([\w-]*)$/;
/** Fewer visible characters at the end tell nothing. */
const FEWEST_VISIBLE = 3;

/** Whether `redacted` can be this value's; `undefined` where it shows too little to say. */
export function fits(redacted: string, value: SecretText): boolean | undefined {
  const [, start, end] = REDACTED.exec(redacted) ?? [];
  if (start === undefined || end === undefined || end.length < FEWEST_VISIBLE) return undefined;
  const plain = value.reveal();
  return plain.length >= start.length + end.length && plain.startsWith(start) && plain.endsWith(end);
}

/**
 * The id of the key that a secret holds: as the ledger knows it, as the secret's JSON names it, else the one key of the
 * owner whose visible characters fit. Throws `Misconfigured` that says what to write into the secret.
 */
export function findIncumbent(
  { key, keyId }: KeySecret,
  keys: readonly ListedKey[],
  {
    known,
    versionId,
    owner,
  }: { readonly known: readonly KnownCredential[]; readonly versionId: string | undefined } & Pick<
    KeyAdministration,
    'owner'
  >,
): string {
  const journaled = known.find((entry) => entry.versionId === versionId)?.identity;
  if (journaled !== undefined && keys.some(({ id }) => id === journaled)) return journaled;
  if (keyId !== undefined) {
    const named = keys.find(({ id }) => id === keyId);
    if (named === undefined)
      throw new Misconfigured(`"key_id" of the incumbent's secret (${keyId}) is no key of the ${owner}.`);
    if (fits(named.redacted, key) === false) {
      throw new Misconfigured(
        `"key_id" of the incumbent's secret (${keyId}) is the id of another key than the one it holds.`,
      );
    }
    return keyId;
  }
  const fitting = keys.filter(({ redacted }) => fits(redacted, key) === true);
  const [found] = fitting;
  if (found !== undefined && fitting.length === 1) return found.id;
  const count = fitting.length === 0 ? 'None' : `${fitting.length}`;
  throw new Misconfigured(
    `${count} of the ${keys.length} keys of the ${owner} fits the incumbent's value, so Rekey could not retire it: write its id into the secret's JSON as "key_id"; it must be a key of that owner.`,
  );
}
