import { createHash } from 'node:crypto';
import type { KnownCredential } from '../rotator.ts';

const HASH_DIGITS = 8;
/** Characters of `_a` and `_b`. */
const SUFFIX = 2;

/** The two users that take turns for one base name, in order of use; `characters`: what the server takes at most. */
export function slotsOf(base: string, characters: number): readonly [string, string] {
  const fitted = fit(base, characters - SUFFIX);
  return [`${fitted}_a`, `${fitted}_b`];
}

/** A name for the user of a secret that has no value yet: readable, with room for the slots. */
export function userFor(secretId: string, characters: number): string {
  const plain = secretId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return fit(/^[a-z]/.test(plain) ? plain : `app_${plain}`, characters - SUFFIX);
}

/**
 * Whose turn it is after `incumbent`. A name with a slot's suffix is one of a pair only where the ledger has the other or
 * their base, or the secret's own name gives it: a user made by hand may be called `team_a`, and is a base like any other.
 */
export function nextSlot(work: {
  readonly incumbent: string | undefined;
  readonly secretId: string;
  readonly known: readonly KnownCredential[];
  readonly characters: number;
}): string {
  const { incumbent, secretId, known, characters } = work;
  const own = slotsOf(userFor(secretId, characters), characters);
  if (incumbent === undefined) return own[0];
  const others = known.map((entry) => userOf(entry.identity, entry.versionId)).filter((user) => user !== incumbent);
  const pairs = [own, ...others.map((base) => slotsOf(base, characters)), ...others.map((user) => [user, incumbent])];
  const isPair = (pair: readonly string[]): boolean => {
    const base = incumbent.slice(0, -SUFFIX);
    return pair.includes(incumbent) && ['_a', '_b'].every((suffix) => pair.includes(`${base}${suffix}`));
  };
  return pairs.find(isPair)?.find((user) => user !== incumbent) ?? slotsOf(incumbent, characters)[0];
}

/** The identity of a password that is one of two on the same user. */
export function passwordIdentity(user: string, versionId: string | undefined): string {
  return versionId === undefined ? user : `${user}@${versionId}`;
}

/** The user that an identity of either form names. */
export function userOf(identity: string, versionId: string): string {
  const suffix = `@${versionId}`;
  return identity.endsWith(suffix) && identity.length > suffix.length ? identity.slice(0, -suffix.length) : identity;
}

/** `name` in at most `characters`: shortened, with a hash of the whole so that two names stay two. */
function fit(name: string, characters: number): string {
  if (name.length <= characters) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${name.slice(0, characters - HASH_DIGITS - 1)}_${hash}`;
}
