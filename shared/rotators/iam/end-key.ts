import { TransientFailure } from '../../errors.ts';
import { APART_MILLISECONDS, REFUSALS_IN_A_ROW } from './spread.ts';
import type { LastUse, UserKeys } from './user-keys.ts';
import type { Wait } from './wait.ts';

/** What was found of a key and what became of it, for the audit entry. */
export interface EndedKey {
  readonly wasThere: boolean;
  readonly lastUse: LastUse;
}

export interface KeyWork {
  readonly keys: UserKeys;
  readonly wait: Wait;
  readonly id: string;
  /**
   * When, by `wait`, every host of AWS knows that the key was made (`settledMilliseconds`). Before, that it is not there or
   * that it is refused says nothing: it may come alive yet.
   */
  readonly settledMilliseconds: number;
}

export interface EndingWork extends KeyWork {
  /** One login with its value; absent where nobody has that. */
  readonly isRefused?: () => Promise<boolean>;
  /** When it is disabled: a last look, which throws where it must not be deleted. */
  readonly beforeDeletion?: () => Promise<void>;
}

/**
 * Disables a key, waits until its value is refused (where `isRefused` can tell), then deletes it: as long as it is only
 * disabled, people can turn it on again. A key that is gone is left at that. Throws `TransientFailure` where that takes
 * longer than the work may. Twice is harmless: each try goes on where the one before has stopped.
 */
export async function endKey(work: EndingWork): Promise<EndedKey> {
  const { keys, id, beforeDeletion = async () => undefined } = work;
  const lastUse = await keys.lastUse(id);
  const wasThere = (await insist(work, () => keys.disable(id))) === 'done';
  await untilRefused(work, 0);
  if (!wasThere) return { wasThere, lastUse };
  await beforeDeletion();
  await insist(work, () => keys.remove(id));
  // It was refused for good: one more refusal goes on with the row, an acceptance begins another.
  await untilRefused(work, REFUSALS_IN_A_ROW - 1);
  return { wasThere, lastUse };
}

/**
 * `gone` counts at once of a key that is long known; of a young one when it stays so, and the list does not show it. Throws
 * `TransientFailure` where that cannot be told within the time of the work.
 */
export async function insist(
  { keys, wait, id, settledMilliseconds }: KeyWork,
  change: () => Promise<'done' | 'gone'>,
): Promise<'done' | 'gone'> {
  const isYoung = wait.elapsedMilliseconds < settledMilliseconds;
  while ((await change()) === 'gone') {
    if (wait.elapsedMilliseconds < settledMilliseconds) {
      if (await wait.pause(APART_MILLISECONDS)) continue;
      throw new TransientFailure(`Access key ${id} was made so lately that IAM may not know it yet.`);
    }
    if (isYoung && (await keys.list()).some((key) => key.id === id)) {
      throw new TransientFailure(`IAM lists access key ${id}, and says that there is no such key.`);
    }
    return 'gone';
  }
  return 'done';
}

/** Throws `TransientFailure` when AWS still takes the key after some time: what IAM has changed spreads by itself. */
async function untilRefused(
  { wait, id, settledMilliseconds, isRefused }: EndingWork,
  inARowBefore: number,
): Promise<void> {
  if (isRefused === undefined) return;
  for (let inARow = inARowBefore; ; ) {
    const counts = wait.elapsedMilliseconds >= settledMilliseconds;
    if (!(await isRefused())) inARow = 0;
    else if (counts) inARow += 1;
    if (inARow >= REFUSALS_IN_A_ROW) return;
    if (await wait.pause(APART_MILLISECONDS)) continue;
    const waited = Math.round(wait.elapsedMilliseconds / 1000);
    throw new TransientFailure(
      `Access key ${id} is disabled or deleted, but AWS has not refused it ${REFUSALS_IN_A_ROW} times in a row within ${waited} s.`,
    );
  }
}
