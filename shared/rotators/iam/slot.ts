import { RetirementPending, SlotOccupied } from '../../errors.ts';
import type { KnownCredential } from '../rotator.ts';
import { judgeUnexplained, mayBeOurs, type Unexplained } from './leftovers.ts';
import { describeKey, type UserKey, type UserKeys } from './user-keys.ts';

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: not adjustable. */
export const MOST_KEYS = 2;

/**
 * Throws unless the user may have one more key: it has fewer than two, not counting what `issue` will remove because an
 * earlier attempt of this very rotation made it. Says which key is in the way, and who used it last.
 */
export async function assertSlotFree(
  keys: UserKeys,
  slot: {
    readonly listed: readonly UserKey[];
    readonly versionId: string;
    readonly incumbentId: string | undefined;
    readonly known: readonly KnownCredential[];
  },
): Promise<void> {
  const { listed, versionId, incumbentId, known } = slot;
  if (listed.length < MOST_KEYS) return;
  const judged = await judge(keys, slot);
  const removable = judged.filter(mayBeOurs).map(({ key }) => key.id);
  if (listed.length - removable.length < MOST_KEYS) return;
  const inTheWay = listed.filter(({ id }) => id !== incumbentId && !removable.includes(id));
  const described: string[] = [];
  for (const key of inTheWay) {
    const entry = known.find(({ identity, versionId: of }) => identity === key.id && of !== versionId);
    if (entry?.state === 'grace') {
      throw new RetirementPending(
        `IAM user "${keys.user}" has two access keys, and ${key.id} is still in its grace period.`,
      );
    }
    const doubt = judged.find((one) => one.key.id === key.id)?.doubt;
    const whose =
      entry === undefined ? 'not in the ledger of this secret' : `in the ledger of this secret as ${entry.state}`;
    const maybe = doubt === undefined ? '' : ` (it may be what a lost attempt of this rotation made, but ${doubt})`;
    described.push(`${describeKey(key, await keys.lastUse(key.id))}, ${whose}${maybe}`);
  }
  throw new SlotOccupied(
    `IAM user "${keys.user}" has two access keys, as many as AWS allows. In the way: ${described.join('; ')}. Rekey leaves it alone; delete it if nobody needs it.`,
  );
}

async function judge(
  keys: UserKeys,
  { listed, versionId, incumbentId, known }: Parameters<typeof assertSlotFree>[1],
): Promise<readonly Unexplained[]> {
  const issuance = known.find((entry) => entry.versionId === versionId)?.issuance;
  if (issuance === undefined) return [];
  const { attempts } = issuance;
  return judgeUnexplained(keys, listed, { versionId, known, issuance, attempts, spared: [incumbentId] });
}
