import type * as z from 'zod';

import type { ReloadDeclaration, RolloutDeclaration } from './declaration.ts';
import type { reloadSchema, SecretEntry } from './schema.ts';

export interface RolloutSettings {
  readonly rollout: RolloutDeclaration;
  readonly reload: ReloadDeclaration;
}

/** What holds where neither a secret nor `openclaw.json` says otherwise. */
export const DEFAULT_SETTINGS: RolloutSettings = {
  rollout: {
    zeroDowntime: true,
    rollingUpdate: true,
    parallelSwitch: true,
    maxBatchSize: 100,
    canarySize: 1,
    batchTimeoutSeconds: 30,
    tolerancePercent: 10,
  },
  reload: { hotReload: true, backwardsCompat: true, rollbackOnError: true },
};

/** What a secret's own `apply` and `reload` say, and the defaults where they say nothing. */
export function settingsOf({ apply, reload }: SecretEntry, defaults: RolloutSettings): RolloutSettings {
  const { rollout } = defaults;
  return {
    rollout: {
      zeroDowntime: apply?.zero_downtime ?? rollout.zeroDowntime,
      rollingUpdate: apply?.rolling_update ?? rollout.rollingUpdate,
      parallelSwitch: apply?.parallel_switch ?? rollout.parallelSwitch,
      maxBatchSize: apply?.max_batch_size ?? rollout.maxBatchSize,
      canarySize: apply?.canary_size ?? rollout.canarySize,
      batchTimeoutSeconds: apply?.timeout ?? rollout.batchTimeoutSeconds,
      tolerancePercent: apply?.tolerance ?? rollout.tolerancePercent,
    },
    reload: reloadOf(reload, defaults.reload),
  };
}

/** What a `reload` says, and the defaults where it says nothing. */
export function reloadOf(
  written: z.output<typeof reloadSchema> | undefined,
  defaults: ReloadDeclaration,
): ReloadDeclaration {
  return {
    hotReload: written?.hot_reload ?? defaults.hotReload,
    backwardsCompat: written?.backwards_compat ?? defaults.backwardsCompat,
    rollbackOnError: written?.rollback_on_error ?? defaults.rollbackOnError,
  };
}
