import type { Consumer } from './consumer.ts';
import { mayHold } from './presence.ts';
import type { RolloutStore } from './rollout-store.ts';

/** The consumers that may be using `versionId`: it is not ended before there are none. */
export async function holders(
  rollouts: Pick<RolloutStore, 'consumers'>,
  { secretId, versionId, now }: { readonly secretId: string; readonly versionId: string; readonly now: Date },
): Promise<readonly Consumer[]> {
  return (await rollouts.consumers(secretId)).filter((consumer) => mayHold(consumer, versionId, now));
}
