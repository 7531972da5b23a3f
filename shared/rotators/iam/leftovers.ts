import { OrphanInDoubt, TransientFailure } from '../../errors.ts';
import type { Issuance, KnownCredential } from '../rotator.ts';
import { isKeyId } from './access-key-json.ts';
import { madeUntil } from './attempts.ts';
import { TOLD_WITHIN_MILLISECONDS } from './aws-time.ts';
import { endKey, insist, type KeyWork } from './end-key.ts';
import { APART_MILLISECONDS, settled } from './spread.ts';
import { describeKey, type LastUse, type UserKey, type UserKeys } from './user-keys.ts';
import type { Wait } from './wait.ts';

/** Of a young key this may pass: one host does not know yet what another lists. */
const USE_UNKNOWN = 'IAM does not say whether it was used';

/** The rotation whose keys are looked for: attempts whose answers were lost. */
export interface LostAttempts {
  readonly versionId: string;
  readonly known: readonly KnownCredential[];
  readonly issuance: Issuance;
  /** The attempts of which one may have made a key that nobody has: the first so many. */
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

/** How many keys there can be that nobody has: an attempt that was answered, or surely made nothing, has made none. */
export function uncertainAttempts({ versionId, known, issuance, attempts }: LostAttempts): number {
  const isNamed = known.some((entry) => entry.versionId === versionId && isKeyId(entry.identity));
  return Math.max(0, attempts - Math.max(issuance.explained ?? 0, isNamed ? 1 : 0));
}

/**
 * Judges every key that came after the rotation began. It is the rotation's where the ledger names it. Another one is only
 * where all of this holds: IAM says that it was made in the half minute (for each attempt more 75 s) in which the attempts
 * asked, by IAM's own clock; IAM knows of no use of it, by any service; and there are no more such keys than attempts with
 * an uncertain end. Where no attempt has one, other keys are not the rotation's, and not looked at.
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
  const isNamed = ({ id }: UserKey) => known.some(({ identity }) => identity === id);
  const came = listed.filter((key) => !isExplained(key));
  const named = came.filter(isNamed).map((key): Unexplained => ({ key, isNamed: true, doubt: undefined }));
  const uncertain = uncertainAttempts(lost);
  if (uncertain === 0) return named;
  const others = came.filter((key) => !isNamed(key));
  const doubt =
    others.length > uncertain
      ? `${others.length} keys appeared, but only ${uncertain} attempts can have made one`
      : undefined;
  const judged: Unexplained[] = [];
  for (const key of others) judged.push({ key, isNamed: false, doubt: doubt ?? (await doubtOf(keys, key, lost)) });
  return [...named, ...judged];
}

async function doubtOf(
  keys: UserKeys,
  key: UserKey,
  { issuance, attempts }: LostAttempts,
): Promise<string | undefined> {
  if (key.createdAt === undefined) return 'IAM does not say when it was made';
  const made = keys.time.here(key.createdAt);
  if (made === undefined) return 'IAM does not say what time it has';
  if (made < issuance.since.getTime() - TOLD_WITHIN_MILLISECONDS) {
    return 'it was made before the rotation asked for one';
  }
  if (made > madeUntil(issuance, attempts) + TOLD_WITHIN_MILLISECONDS) {
    return 'it was made after the rotation asked for one';
  }
  return doubtOfUse(await keys.lastUse(key.id));
}

function doubtOfUse(use: LastUse): string | undefined {
  if (use === 'never') return undefined;
  return use === 'unknown' ? USE_UNKNOWN : 'somebody has used it';
}

/** Whether `issue` may find, when it looks for some seconds, that it is the rotation's. */
export function mayBeOurs({ doubt }: Unexplained): boolean {
  return doubt === undefined || doubt === USE_UNKNOWN;
}

/**
 * Disables and deletes what attempts have left whose answers were lost: nobody can prove these keys dead by their values.
 * Answers them, described. Throws `OrphanInDoubt`, and touches nothing, where a key may be somebody else's;
 * `TransientFailure` where it was made after `began`: then another attempt is at work now. Twice is harmless.
 */
export async function endLeftovers(
  work: { readonly keys: UserKeys; readonly wait: Wait; readonly began?: Date },
  lost: LostAttempts,
): Promise<readonly string[]> {
  const { keys, wait, began } = work;
  const leftovers = uncertainAttempts(lost) === 0 ? [] : await findLeftovers(keys, wait, lost);
  const described: string[] = [];
  for (const { key, doubt, made } of leftovers) {
    const use = await keys.lastUse(key.id);
    described.push(describeKey(key, use));
    if (began !== undefined && made !== undefined && made > began.getTime()) {
      throw new TransientFailure(`Another attempt of this rotation is having a key made for "${keys.user}".`);
    }
    if (doubt !== undefined) throw inDoubt(keys, key, use, doubt);
  }
  const works = leftovers.map(
    ({ key, made }): LeftoverWork => ({ keys, wait, key, id: key.id, settledMilliseconds: settled(wait, made) }),
  );
  // The others, too, before one is deleted: a use makes them all doubtful, and so far it can be undone.
  for (const one of works.slice(1)) await insist(one, () => keys.disable(one.id));
  for (const [index, one] of works.entries()) {
    await endKey({ ...one, beforeDeletion: () => assertUnused(works.slice(index)) });
  }
  return described;
}

interface LeftoverWork extends KeyWork {
  /** As it was listed, before it was disabled. */
  readonly key: UserKey;
}

/** Somebody may have used one between the look at it and its disabling: then they are turned on again. */
async function assertUnused(disabled: readonly LeftoverWork[]): Promise<void> {
  for (const { keys, key } of disabled) {
    const use = await keys.lastUse(key.id);
    const doubt = doubtOfUse(use);
    if (doubt === undefined) continue;
    const failures: unknown[] = [];
    for (const one of disabled) {
      if (one.key.status !== 'Active') continue;
      await insist(one, () => keys.enable(one.id)).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    throw inDoubt(keys, key, use, doubt);
  }
}

/** Nothing says by whom a key was disabled: a try that was cut off may not have turned it on again. */
function inDoubt({ user }: UserKeys, key: UserKey, use: LastUse, doubt: string): OrphanInDoubt {
  const disabled = key.status === 'Active' ? '' : ' It is disabled, by somebody or by an earlier try that was cut off.';
  return new OrphanInDoubt(
    `Access key ${describeKey(key, use)} of IAM user "${user}" may be what a lost attempt of this rotation made, but ${doubt}: Rekey leaves it alone.${disabled}`,
  );
}

interface Leftover extends Unexplained {
  /** By this machine's clock. */
  readonly made: number | undefined;
}

/**
 * IAM may list a key seconds after it was made, and know of its use later still: looks again until one is there of which
 * it says enough, or none can come any more. Throws `TransientFailure` where the work's time is over before.
 */
async function findLeftovers(keys: UserKeys, wait: Wait, lost: LostAttempts): Promise<readonly Leftover[]> {
  const untilMilliseconds = settled(wait, madeUntil(lost.issuance, lost.attempts));
  let unnamed: readonly Unexplained[] = [];
  let lookedAt = 0;
  const found = await wait.until({ untilMilliseconds, everyMilliseconds: APART_MILLISECONDS }, async () => {
    lookedAt = wait.elapsedMilliseconds;
    const judged = await judgeUnexplained(keys, await keys.list(), lost);
    unnamed = judged.filter(({ isNamed }) => !isNamed);
    return unnamed.length === 0 || unnamed.some(({ doubt }) => doubt === USE_UNKNOWN) ? undefined : unnamed;
  });
  if (found === undefined && lookedAt < untilMilliseconds) {
    throw new TransientFailure(`IAM may not list yet what was made lately for "${keys.user}".`);
  }
  return unnamed.map((one) => ({
    ...one,
    made: one.key.createdAt === undefined ? undefined : keys.time.here(one.key.createdAt),
  }));
}
