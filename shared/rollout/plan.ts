import type { SecretDeclaration } from '../config/declaration.ts';
import type { Consumer } from './consumer.ts';
import { positionOf } from './position.ts';
import { isCountedOn } from './presence.ts';

/** A rollout as it was decided before the switch; part of the rotation's record. */
export interface RolloutPlan {
  readonly plannedAt: Date;
  /** The notice's sequence at that time: a later one is not this rollout's to replace. */
  readonly sequence: number;
  /** Live consumers at that time. */
  readonly consumers: number;
  /** The upper bound of each batch; none when nobody is handed the candidate before the switch. */
  readonly bounds: readonly string[];
}

/** A batch writes 13 of the 25,000 events that an execution may have; past this many, batches are larger. */
const MOST_BATCHES = 1500;

/** Behind every position: the last batch takes all that are left. */
const LAST_BOUND = 'f'.repeat(16);

/**
 * Cuts the live consumers into batches: the canary first, then `maxBatchSize` at a time; one by one without
 * `parallelSwitch`; without `rollingUpdate` all in as few batches as `maxBatchSize` allows. Pure.
 */
export function planRollout(
  { rollout, reload, mode }: Pick<SecretDeclaration, 'rollout' | 'reload' | 'mode'>,
  {
    rotationId,
    consumers,
    now,
    sequence,
  }: {
    readonly rotationId: string;
    readonly consumers: readonly Consumer[];
    readonly now: Date;
    readonly sequence: number;
  },
): RolloutPlan {
  const live = consumers.filter((consumer) => isCountedOn(consumer, now));
  const plan = { plannedAt: now, sequence, consumers: live.length };
  // With one role the candidate opens nothing before the switch: there is nothing that a consumer could prove.
  const isEarly = rollout.zeroDowntime && reload.hotReload && mode !== 'single_role';
  if (!isEarly || live.length === 0) return { ...plan, bounds: [] };
  const positions = live.map(({ consumerId }) => positionOf(rotationId, consumerId)).sort();
  const size = Math.max(rollout.parallelSwitch ? rollout.maxBatchSize : 1, Math.ceil(live.length / MOST_BATCHES));
  const canary = rollout.rollingUpdate ? Math.min(rollout.canarySize, size) : 0;
  const bounds: string[] = [];
  for (let taken = canary === 0 ? size : canary; ; taken += size) {
    if (taken >= positions.length) break;
    bounds.push(positions[taken - 1] ?? LAST_BOUND);
  }
  return { ...plan, bounds: [...bounds, LAST_BOUND] };
}
