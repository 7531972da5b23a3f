import type { Clock } from '../../clock.ts';
import { TransientFailure } from '../../errors.ts';
import { until } from './until.ts';
import type { LastUse, UserKeys } from './user-keys.ts';

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency */
const SPREAD_WITHIN = { seconds: 20, everyMilliseconds: 1_000 } as const;

/** What was found of a key and what became of it, for the audit entry. */
export interface EndedKey {
  readonly wasThere: boolean;
  readonly lastUse: LastUse;
}

/**
 * Disables a key, waits until its value is refused (where `isRefused` can tell), then deletes it: as long as it is only
 * disabled, people can turn it on again. A key that is gone is left at that. Twice is harmless: each try goes on where
 * the one before has stopped.
 */
export async function endKey(work: {
  readonly keys: UserKeys;
  readonly clock: Clock;
  readonly id: string;
  readonly isRefused?: () => Promise<boolean>;
}): Promise<EndedKey> {
  const { keys, clock, id, isRefused } = work;
  const lastUse = await keys.lastUse(id);
  if ((await keys.disable(id)) === 'gone') return { wasThere: false, lastUse };
  if (isRefused !== undefined) await untilRefused(clock, id, isRefused);
  await keys.remove(id);
  return { wasThere: true, lastUse };
}

/** Throws `TransientFailure` when AWS still takes the key after some time: what IAM has changed spreads by itself. */
export async function untilRefused(clock: Clock, id: string, isRefused: () => Promise<boolean>): Promise<void> {
  const refused = await until(clock, SPREAD_WITHIN, async () => (await isRefused()) || undefined);
  if (refused === true) return;
  throw new TransientFailure(
    `Access key ${id} is disabled or deleted, but AWS still takes it after ${SPREAD_WITHIN.seconds} s.`,
  );
}
