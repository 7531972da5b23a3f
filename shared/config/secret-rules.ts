import type { SecretType } from './declaration.ts';
import { brokenHttpRules } from './http-rules.ts';
import { brokenPolicyRules, doubtfulPolicyRules } from './policy-rules.ts';
import { brokenPreheatRules } from './preheat-rules.ts';
import { brokenProviderRules, doubtfulProviderRules, lifeOf } from './provider-rules.ts';
import { quoteText } from './quote-text.ts';
import type { RuleFinding } from './rule-finding.ts';
import { approximateIntervalSeconds, isOver } from './schedule.ts';
import type { SecretEntry } from './schema.ts';

const TYPES_WITH_SINGLE_ROLE: ReadonlySet<SecretType | undefined> = new Set(['postgresql', undefined]);
/** Types whose two users an administrator changes: a declared connection means that there is one. */
const TYPES_WITH_ADMINISTRATOR: ReadonlySet<SecretType | undefined> = new Set(['mariadb', 'rabbitmq']);
const HOUR = 3600;

/** What a secret's fields say against each other although each is well by itself. */
export function brokenRules(entry: SecretEntry): readonly RuleFinding[] {
  const findings: RuleFinding[] = [
    ...brokenModeRules(entry),
    ...brokenPolicyRules(entry),
    ...brokenHttpRules(entry),
    ...brokenProviderRules(entry),
    ...brokenPreheatRules(entry),
  ];
  if (entry.grace !== undefined) {
    const interval = approximateIntervalSeconds(entry.rotation.schedule);
    if (entry.grace >= interval) {
      findings.push({
        at: ['grace'],
        message: `found a grace period of ${entry.grace} s; grace is shorter than the rotation interval (about ${interval} s${entry.rotation.isDefault ? ', by openclaw.json' : ''})`,
      });
    }
  }
  if (entry.connection && entry.admin_secret === undefined) findings.push(...administratorMissing(entry));
  if (entry.admin_secret !== undefined && entry.admin_secret === entry.name) {
    findings.push({ at: ['admin_secret'], message: 'found the secret itself; admin_secret is another secret' });
  }
  return findings;
}

/** What is allowed and will probably not do what was meant; `missing` is what `missingFor` says of the secret. */
export function doubtfulRules(
  entry: SecretEntry,
  { missing, now }: { readonly missing: readonly string[]; readonly now: Date },
): readonly RuleFinding[] {
  const findings: RuleFinding[] = [...doubtfulPolicyRules(entry), ...doubtfulProviderRules(entry)];
  if (/-[A-Za-z0-9]{6}$/.test(entry.name)) {
    findings.push({
      at: ['name'],
      message: `found the name ${quoteText(entry.name)}; AWS advises against names that end in a hyphen and six characters, because they look like the end of an ARN`,
    });
  }
  if (isOver(entry.rotation.schedule, now)) {
    const where = entry.rotation.isDefault ? ' in openclaw.json' : '';
    findings.push({
      at: ['rotation'],
      message: `found a cron(…) whose years are over${where}; the secret will not rotate`,
    });
  }
  if (entry.scheduler === 'secrets_manager' && entry.rotate_immediately !== undefined) {
    findings.push({
      at: ['rotate_immediately'],
      message: `found rotate_immediately: ${entry.rotate_immediately} beside scheduler: secrets_manager; Secrets Manager decides when the first rotation begins`,
    });
  }
  if (missing.length > 0) {
    findings.push({
      at: [],
      message: `found no ${missing.join(' and no ')}; without ${missing.length === 1 ? 'it' : 'them'} the secret is registered, but not rotated`,
    });
  }
  return findings;
}

/**
 * The grace period of a secret that names none: 1 hour, or half of the time that the incumbent has without it, where that
 * is shorter: the rotation interval, or what is left of its life when it is replaced.
 */
export function defaultGraceSeconds(entry: SecretEntry): number {
  const interval = approximateIntervalSeconds(entry.rotation.schedule);
  const life = lifeOf(entry)?.seconds;
  const rest = life === undefined ? interval : life / 3;
  return Math.min(HOUR, Math.floor(Math.min(interval, rest) / 2));
}

function brokenModeRules({ mode, type, privileges }: SecretEntry): readonly RuleFinding[] {
  if (mode !== 'single_role') return [];
  if (!TYPES_WITH_SINGLE_ROLE.has(type))
    return [{ at: ['mode'], message: `found single_role in a secret of type ${type}; only postgresql has it` }];
  if (privileges !== 'read_only') return [];
  return [
    {
      at: ['privileges'],
      message:
        'found privileges: read_only, and mode: single_role; the two contradict each other, because one role cannot have other privileges than itself',
    },
  ];
}

function administratorMissing({ type, mode, privileges }: SecretEntry): readonly RuleFinding[] {
  const found = 'found connection without admin_secret';
  if (type === 'mysql') {
    // A user of MySQL gives itself a second password; for other privileges than its own there is a second user.
    if (privileges !== 'read_only') return [];
    const needs = 'a secret of type mysql with connection and privileges: read_only needs admin_secret';
    return [{ at: ['connection'], message: `${found}; ${needs}` }];
  }
  if (TYPES_WITH_ADMINISTRATOR.has(type))
    return [{ at: ['connection'], message: `${found}; a secret of type ${type} with connection needs admin_secret` }];
  if (!TYPES_WITH_SINGLE_ROLE.has(type) || mode === 'single_role') return [];
  return [
    {
      at: ['connection'],
      message: `${found}; mode two_roles with connection needs admin_secret, or write mode: single_role`,
    },
  ];
}
