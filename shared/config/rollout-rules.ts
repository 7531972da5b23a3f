import type { RolloutSettings } from './rollout-settings.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';

/** What a secret's `apply`, `reload` and `grace` say against each other. */
export function brokenRolloutRules(
  { apply, grace, reload: own }: SecretEntry,
  { rollout, reload }: RolloutSettings,
): readonly RuleFinding[] {
  const findings: RuleFinding[] = [];
  if (grace !== undefined && grace > 0 && !reload.backwardsCompat) {
    const [where, way] =
      own?.backwards_compat === false
        ? ['', 'remove one of them']
        : [' in openclaw.json', 'remove grace here, or write reload: { backwards_compat: true }'];
    findings.push({
      at: ['grace'],
      message: `found a grace period of ${grace} s, and backwards_compat: false${where}; the two contradict each other, because without backwards_compat there is none: ${way}`,
    });
  }
  if (apply?.canary_size !== undefined && apply.canary_size > rollout.maxBatchSize) {
    findings.push({
      at: ['apply', 'canary_size'],
      message: `found a canary_size of ${apply.canary_size}, and a max_batch_size of ${rollout.maxBatchSize}; the two contradict each other, because the canary is a batch`,
    });
  }
  return findings;
}

/** What is written in a secret's `apply` and has no effect beside the rest. */
export function doubtfulRolloutRules(
  { apply = {} }: SecretEntry,
  { rollout, reload }: RolloutSettings,
): readonly RuleFinding[] {
  const findings: RuleFinding[] = [];
  const warn = (field: keyof typeof apply, message: string): void => {
    findings.push({ at: ['apply', field], message: `found ${field}: ${apply[field]} ${message}` });
  };
  if (apply.zero_downtime === true && !reload.hotReload)
    warn('zero_downtime', 'without hot_reload; no running consumer takes the new value, so none can prove it');
  if ((apply.canary_size ?? 0) > 0 && !rollout.rollingUpdate)
    warn('canary_size', 'without rolling_update; there will be no canary');
  else if ((apply.canary_size ?? 0) > 1 && !rollout.parallelSwitch)
    warn('canary_size', 'without parallel_switch; every batch is one consumer');
  if ((apply.max_batch_size ?? 0) > 1 && !rollout.parallelSwitch)
    warn('max_batch_size', 'without parallel_switch; every batch is one consumer');
  return findings;
}
