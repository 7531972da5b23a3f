import { haveTime, SHORTEST_PAUSE_MILLISECONDS } from '../rotators/iam/health-checks.ts';
import type { SecretDeclaration } from './declaration.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';

const DEFAULT_PREHEAT_SECONDS = 30;
const DEFAULT_HEALTHY_THRESHOLD = 2;
/** A new key is known to one host of AWS before the other, for some seconds: two successes may have met the same one. */
const DEFAULT_HEALTHY_THRESHOLD_OF_IAM = 5;

/** `preheat:`, completed. */
export function preheatOf({
  type,
  preheat,
}: Pick<SecretEntry, 'type' | 'preheat'>): Pick<SecretDeclaration, 'preheatSeconds' | 'healthyThreshold'> {
  return {
    preheatSeconds: preheat?.timeout ?? DEFAULT_PREHEAT_SECONDS,
    healthyThreshold:
      preheat?.health_checks ?? (type === 'iam' ? DEFAULT_HEALTHY_THRESHOLD_OF_IAM : DEFAULT_HEALTHY_THRESHOLD),
  };
}

/** More health checks than the time has room for. Those of other types follow each other without a pause. */
export function brokenPreheatRules(entry: Pick<SecretEntry, 'type' | 'preheat'>): readonly RuleFinding[] {
  const declared = preheatOf(entry);
  if (entry.type !== 'iam' || haveTime(declared)) return [];
  const { healthyThreshold, preheatSeconds } = declared;
  const most = (preheatSeconds * 1000) / SHORTEST_PAUSE_MILLISECONDS;
  return [
    {
      at: ['preheat', 'health_checks'],
      message: `found ${healthyThreshold} health checks within ${preheatSeconds} s; checks of an access key are at least ${SHORTEST_PAUSE_MILLISECONDS} ms apart, so that ${most} are the most that fit`,
    },
  ];
}
