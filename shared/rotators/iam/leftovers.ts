import type { Clock } from '../../clock.ts';
import { OrphanInDoubt, TransientFailure } from '../../errors.ts';
import type { Issuance, KnownCredential } from '../rotator.ts';
import { endKey } from './end-key.ts';
import { until } from './until.ts';
import { describeKey, type UserKey, type UserKeys } from './user-keys.ts';

/** How far apart the clocks of IAM and of this machine may be. */
const SKEW_MILLISECONDS = 5 * 60 * 1000;
/** The attempts of a rotation are over long before: what is made later is somebody else's. */
const LATEST_MILLISECONDS = 60 * 60 * 1000;
/** IAM may list a key seconds after it was made. */
const LISTED_WITHIN = { seconds: 9, everyMilliseconds: 3_000 } as const;

/** The rotation whose keys are looked for: attempts whose answers were lost. */
export interface LostAttempts {
  readonly versionId: string;
  readonly known: readonly KnownCredential[];
  readonly issuance: Issuance;
  /** How many attempts may have made a key that nobody has. */
  readonly attempts: number;
  /** Ids of keys in use, whatever the ledger says. */
  readonly spared: readonly (string | undefined)[];
}

/** A key that was not there before the rotation and that no other version of the secret explains. */
export interface Unexplained {
  readonly key: UserKey;
  /** Why it may be somebody else's; `undefined`: it is the rotation's. */
  readonly doubt: string | undefined;
  /** By the ledger: its answer came, but its value was not stored. */
  readonly isNamed: boolean;
}

/**
 * Judges every key that came after the rotation began. It is the rotation's where the ledger names it, or where IAM says
 * that it was made while attempts ran and never used; and only as many as there were attempts.
 */
export async function judgeUnexplained(
  keys: UserKeys,
  listed: readonly UserKey[],
  lost: LostAttempts,
): Promise<readonly Unexplained[]> {
  const { versionId, known, issuance, spared } = lost;
  const isExplained = ({ id }: UserKey) =>
    issuance.existing.includes(id) ||
    spared.includes(id) ||
    known.some((entry) => entry.identity === id && entry.versionId !== versionId);
  const judged: Unexplained[] = [];
  for (const key of listed.filter((candidate) => !isExplained(candidate))) {
    const isNamed = known.some(({ identity }) => identity === key.id);
    judged.push({ key, isNamed, doubt: isNamed ? undefined : await doubtOf(keys, key, issuance) });
  }
  const unnamed = judged.filter(({ isNamed }) => !isNamed);
  if (unnamed.length <= lost.attempts) return judged;
  const doubt = `${unnamed.length} keys appeared, but only ${lost.attempts} attempts can have made one`;
  return judged.map((one) => (one.isNamed ? one : { ...one, doubt }));
}

async function doubtOf(keys: UserKeys, key: UserKey, { since }: Issuance): Promise<string | undefined> {
  const made = key.createdAt?.getTime();
  if (made === undefined) return 'IAM does not say when it was made';
  if (made < since.getTime() - SKEW_MILLISECONDS) return 'it was made before the rotation asked for one';
  if (made > since.getTime() + LATEST_MILLISECONDS) return 'it was made long after the rotation asked for one';
  const use = await keys.lastUse(key.id);
  if (use === 'never') return undefined;
  return use === 'unknown' ? 'IAM does not say whether it was used' : 'somebody has used it';
}

/**
 * Disables and deletes what earlier attempts have left: their answers were lost, so nobody can prove these keys dead by
 * their values. Answers their ids. Throws `OrphanInDoubt`, and touches nothing, where a key may be somebody else's;
 * `TransientFailure` where it was made after `began`: then another attempt is at work now. Twice is harmless.
 */
export async function endLeftovers(
  work: { readonly keys: UserKeys; readonly clock: Clock; readonly began?: Date },
  lost: LostAttempts,
): Promise<readonly string[]> {
  const { keys, clock, began } = work;
  const unexplained = await until(clock, LISTED_WITHIN, async () => {
    const judged = await judgeUnexplained(keys, await keys.list(), lost);
    return judged.length === 0 ? undefined : judged;
  });
  for (const { key, doubt, isNamed } of unexplained ?? []) {
    if (doubt !== undefined) {
      throw new OrphanInDoubt(
        `Access key ${describeKey(key, await keys.lastUse(key.id))} of IAM user "${keys.user}" may be what a lost attempt of this rotation made, but ${doubt}: Rekey leaves it alone.`,
      );
    }
    if (!isNamed && began !== undefined && key.createdAt !== undefined && key.createdAt > began) {
      throw new TransientFailure(`Another attempt of this rotation is having a key made for "${keys.user}".`);
    }
  }
  const ids = (unexplained ?? []).map(({ key }) => key.id);
  for (const id of ids) await endKey({ keys, clock, id });
  return ids;
}
