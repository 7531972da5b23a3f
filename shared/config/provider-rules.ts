import { LIFETIME_SECONDS } from '../rotators/github-token/lifetime.ts';
import type { RuleFinding } from './rule-finding.ts';
import { approximateIntervalSeconds } from './schedule.ts';
import type { SecretEntry } from './schema.ts';

/** What a `provider:` says against itself and against the grace period. */
export function brokenProviderRules(entry: SecretEntry): readonly RuleFinding[] {
  const { provider, grace } = entry;
  const findings: RuleFinding[] = [];
  const { certificate_authority: authority, base_url: baseUrl } = provider ?? {};
  if (authority !== undefined && baseUrl === undefined) {
    findings.push({
      at: ['provider', 'certificate_authority'],
      message: 'found certificate_authority without base_url; it is the authority of the address in base_url',
    });
  }
  const life = lifeOf(entry);
  if (life !== undefined && grace !== undefined && grace * 3 >= life.seconds) {
    findings.push({
      at: ['grace'],
      message: `found a grace period of ${grace} s, and ${life.found}; grace is shorter than a third of ${life.name}, because ${life.what}s are replaced at two thirds of their life`,
    });
  }
  return findings;
}

/** An interval that is never waited for. */
export function doubtfulProviderRules(entry: SecretEntry): readonly RuleFinding[] {
  const life = lifeOf(entry);
  const interval = approximateIntervalSeconds(entry.rotation.schedule);
  if (life === undefined || interval <= life.seconds) return [];
  return [
    {
      at: life.at,
      message: `found ${life.found}, and a rotation interval of about ${interval} s${entry.rotation.isDefault ? ', by openclaw.json' : ''}; renewals come at two thirds of the life of a ${life.what}, after about ${Math.floor((life.seconds * 2) / 3)} s`,
    },
  ];
}

/** What is issued, where it ends by itself, and in a message: what says so, and what it is called. */
interface Life {
  readonly seconds: number;
  readonly found: string;
  readonly name: string;
  readonly what: string;
  readonly at: readonly string[];
}

/** The life of what is issued; undefined where it has no end, or nothing is issued because no `provider:` says where. */
export function lifeOf({ type, provider }: Pick<SecretEntry, 'type' | 'provider'>): Life | undefined {
  if (provider === undefined) return undefined;
  if (type === 'github_token') {
    const found = `tokens that live ${LIFETIME_SECONDS} s, as a GitHub App's do`;
    return { seconds: LIFETIME_SECONDS, found, name: 'that', what: 'token', at: ['rotation'] };
  }
  const { expires_in: seconds } = provider;
  if (seconds === undefined) return undefined;
  const found = `expires_in of ${seconds} s`;
  return { seconds, found, name: 'expires_in', what: 'key', at: ['provider', 'expires_in'] };
}
