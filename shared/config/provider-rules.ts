import type { RuleFinding } from './rule-finding.ts';
import { approximateIntervalSeconds } from './schedule.ts';
import type { SecretEntry } from './schema.ts';

/** What a `provider:` says against itself and against the grace period. */
export function brokenProviderRules({ provider, grace }: SecretEntry): readonly RuleFinding[] {
  const findings: RuleFinding[] = [];
  const { certificate_authority: authority, base_url: baseUrl, expires_in: life } = provider ?? {};
  if (authority !== undefined && baseUrl === undefined) {
    findings.push({
      at: ['provider', 'certificate_authority'],
      message: 'found certificate_authority without base_url; it is the authority of the address in base_url',
    });
  }
  if (life !== undefined && grace !== undefined && grace * 3 >= life) {
    findings.push({
      at: ['grace'],
      message: `found a grace period of ${grace} s, and expires_in of ${life} s; grace is shorter than a third of expires_in, because keys are replaced at two thirds of their life`,
    });
  }
  return findings;
}

/** An interval that is never waited for. */
export function doubtfulProviderRules({ provider, rotation }: SecretEntry): readonly RuleFinding[] {
  const life = provider?.expires_in;
  const interval = approximateIntervalSeconds(rotation.schedule);
  if (life === undefined || interval <= life) return [];
  return [
    {
      at: ['provider', 'expires_in'],
      message: `found expires_in of ${life} s, and a rotation interval of about ${interval} s; renewals come at two thirds of the life of a key, after about ${Math.floor((life * 2) / 3)} s`,
    },
  ];
}
