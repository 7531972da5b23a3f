import { TransientFailure } from '../../errors.ts';
import type { IssueInput, IssueReport } from '../rotator.ts';
import { candidateJson, parseAccessKey } from './access-key-json.ts';
import type { IamContext } from './iam-context.ts';
import { endLeftovers } from './leftovers.ts';
import { assertSlotFree } from './slot.ts';
import { type UserKeys, withUserKeys } from './user-keys.ts';

/**
 * Has IAM make a key, once: the SDK does not try again by itself, because IAM has nothing by which it would know the
 * second request for the first. What earlier attempts have left is deleted before.
 */
export async function issueIam(input: IssueInput, { aws, clock }: IamContext): Promise<IssueReport> {
  const began = clock.now();
  const { settings, admin, versionId, known, issuance } = input;
  const incumbent = input.incumbent === undefined ? undefined : parseAccessKey(input.incumbent, 'incumbent');
  const attempts = issuance.attempts - 1;
  const lost = { versionId, known, issuance, attempts, spared: [incumbent?.id] };
  return withUserKeys({ settings, admin, aws }, async (keys) => {
    const removed = attempts > 0 ? await endLeftovers({ keys, clock, began }, lost) : [];
    const made = await keys.create();
    if (made === 'full') return await explainFull(keys, input, incumbent?.id);
    return {
      identity: made.id,
      value: candidateJson(incumbent, made, keys.user),
      facts: { user: keys.user, ...(removed.length > 0 ? { removed_leftovers: removed.join(', ') } : {}) },
    };
  });
}

/**
 * Throws what stands in the way. Where nothing does that may stay there, it is another attempt of this rotation, or a key
 * whose deletion IAM does not count yet: then the same is to be tried again.
 */
async function explainFull(
  keys: UserKeys,
  { versionId, known }: IssueInput,
  incumbentId: string | undefined,
): Promise<never> {
  await assertSlotFree(keys, { listed: await keys.list(), versionId, incumbentId, known });
  throw new TransientFailure(`IAM makes no further access key for "${keys.user}" at the moment: it counts two.`);
}
