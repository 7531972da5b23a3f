import type { SecretType } from './declaration.ts';
import { quoteText } from './quote-text.ts';
import { approximateIntervalSeconds, isOver } from './schedule.ts';
import type { SecretEntry } from './schema.ts';

/** A rule's finding; `at` is the path of keys inside the secret, the secret itself when empty. */
export interface RuleFinding {
  readonly at: readonly string[];
  readonly message: string;
}

const TYPES_WITH_CONNECTION: ReadonlySet<SecretType | undefined> = new Set(['postgresql', undefined]);
const HOUR = 3600;

/** What a secret's fields say against each other although each is well by itself. */
export function brokenRules(entry: SecretEntry): readonly RuleFinding[] {
  const findings: RuleFinding[] = [];
  if (entry.grace !== undefined) {
    const interval = approximateIntervalSeconds(entry.rotation.schedule);
    if (entry.grace >= interval) {
      findings.push({
        at: ['grace'],
        message: `found a grace period of ${entry.grace} s; grace is shorter than the rotation interval (about ${interval} s)`,
      });
    }
  }
  if (entry.connection && !TYPES_WITH_CONNECTION.has(entry.type)) {
    findings.push({
      at: ['connection'],
      message: `found connection in a secret of type ${entry.type}; only postgresql has one`,
    });
  } else if (entry.connection && entry.mode === 'two_roles' && entry.admin_secret === undefined) {
    findings.push({
      at: ['connection'],
      message:
        'found connection without admin_secret; mode two_roles with connection needs admin_secret, or write mode: single_role',
    });
  }
  if (entry.admin_secret !== undefined && entry.admin_secret === entry.name) {
    findings.push({ at: ['admin_secret'], message: 'found the secret itself; admin_secret is another secret' });
  }
  return findings;
}

/** What is allowed and will probably not do what was meant. */
export function doubtfulRules(entry: SecretEntry, now: Date): readonly RuleFinding[] {
  const findings: RuleFinding[] = [];
  if (/-[A-Za-z0-9]{6}$/.test(entry.name)) {
    findings.push({
      at: ['name'],
      message: `found the name ${quoteText(entry.name)}; AWS advises against names that end in a hyphen and six characters, because they look like the end of an ARN`,
    });
  }
  if (isOver(entry.rotation.schedule, now)) {
    findings.push({ at: ['rotation'], message: 'found a cron(…) whose years are over; the secret will not rotate' });
  }
  return findings;
}

/** The grace period of a secret that names none: 1 hour, or half of a shorter rotation interval. */
export function defaultGraceSeconds(entry: SecretEntry): number {
  return Math.min(HOUR, Math.floor(approximateIntervalSeconds(entry.rotation.schedule) / 2));
}
