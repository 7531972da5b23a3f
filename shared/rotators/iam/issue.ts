import { TransientFailure, Throttled } from '../../errors.ts';
import type { IssueInput, IssueReport, KnownCredential } from '../rotator.ts';
import { candidateJson, isKeyId, parseAccessKey } from './access-key-json.ts';
import { assertInTime } from './attempts.ts';
import { endKey } from './end-key.ts';
import type { IamContext } from './iam-context.ts';
import { endLeftovers } from './leftovers.ts';
import { assertSlotFree } from './slot.ts';
import { LONGEST_WAIT_MILLISECONDS, settled } from './spread.ts';
import { type UserKeys, withUserKeys } from './user-keys.ts';
import { Wait } from './wait.ts';

/**
 * Has IAM make a key, once: the SDK does not try again by itself, because IAM has nothing by which it would know the
 * second request for the first. What earlier attempts have left is deleted before.
 */
export async function issueIam(input: IssueInput, context: IamContext): Promise<IssueReport> {
  const { settings, admin, issuance } = input;
  const { clock } = context;
  const began = clock.now();
  const incumbent = input.incumbent === undefined ? undefined : parseAccessKey(input.incumbent, 'incumbent');
  return withUserKeys({ settings, admin, ...context }, async (keys) => {
    const removed = await sureOfNothing(async () => {
      const ended = await endEarlier(keys, new Wait(clock, LONGEST_WAIT_MILLISECONDS), input, [incumbent?.id], began);
      assertInTime(issuance, clock.now());
      return ended;
    });
    const made = await keys.create();
    if (made === 'full') return await sureOfNothing(() => explainFull(keys, input, incumbent?.id));
    return {
      identity: made.id,
      value: candidateJson(incumbent, made, keys.user),
      facts: { user: keys.user, ...(removed.length > 0 ? { removed_leftovers: removed.join(', ') } : {}) },
    };
  });
}

/** Before the request, or after it was refused: whatever goes wrong now, the attempt has made nothing. */
async function sureOfNothing<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TransientFailure)) throw error;
    throw new TransientFailure(error.safeMessage, { cause: error, madeNothing: true });
  }
}

/** The key that an earlier attempt was told and did not store, and those whose answers were lost. */
async function endEarlier(
  keys: UserKeys,
  wait: Wait,
  { versionId, known, issuance }: IssueInput,
  spared: readonly (string | undefined)[],
  began: Date,
): Promise<readonly string[]> {
  const attempts = issuance.attempts - 1;
  if (attempts < 1) return [];
  const named = known
    .filter((entry) => entry.versionId === versionId && isOwn(entry, spared))
    .map(({ identity }) => identity);
  for (const id of named) await endKey({ keys, wait, id, settledMilliseconds: settled(wait, undefined) });
  const lost = await endLeftovers({ keys, wait, began }, { versionId, known, issuance, attempts, spared });
  return [...named, ...lost];
}

function isOwn({ identity }: KnownCredential, spared: readonly (string | undefined)[]): boolean {
  return isKeyId(identity) && !spared.includes(identity);
}

/**
 * Throws what stands in the way. Where nothing does that may stay there, it is another attempt of this rotation, or a key
 * whose deletion IAM does not count yet: then the same is to be tried again, later.
 */
async function explainFull(
  keys: UserKeys,
  { versionId, known }: IssueInput,
  incumbentId: string | undefined,
): Promise<never> {
  await assertSlotFree(keys, { listed: await keys.list(), versionId, incumbentId, known });
  throw new Throttled(`IAM makes no further access key for "${keys.user}" at the moment: it counts two.`);
}
