import { parseCron } from './cron-expression.ts';
import { nextOccurrence, shortestGapSeconds } from './cron-timing.ts';
import type { Schedule } from './declaration.ts';
import { parseCounted } from './duration.ts';
import { parseIsoDuration } from './iso-duration.ts';
import { nearest } from './suggestion.ts';

const DAY = 86_400;
/** The average Gregorian month. */
const MONTH = 2_629_746;
const MIN_SECONDS = 60;
const MAX_MONTHS = 120;
const MAX_SECONDS = 3653 * DAY;

const NAMED: Readonly<Record<string, Schedule>> = {
  daily: { kind: 'every', seconds: DAY },
  weekly: { kind: 'every', seconds: 7 * DAY },
  monthly: { kind: 'months', months: 1 },
  quarterly: { kind: 'months', months: 3 },
  yearly: { kind: 'months', months: 12 },
};

/** Words that people write for an interval that has another name here. */
const SYNONYMS: Readonly<Record<string, string>> = {
  hourly: '1_hour',
  biweekly: '2_weeks',
  fortnightly: '2_weeks',
  annually: 'yearly',
  annual: 'yearly',
};

const FORMS =
  'rotation is daily, weekly, monthly, quarterly, yearly, an interval such as 90_days or P90D, rate(5 minutes) or cron(0 8 ? * MON *)';
const BOUNDS = 'rotation is at least 1 minute and at most 10 years';

/** Long after everything: what `nextDue` answers for a cron expression whose years are over. */
const NEVER = new Date('9999-12-31T00:00:00.000Z');

export type ScheduleResult =
  | { readonly ok: true; readonly schedule: Schedule }
  /** `allowed` and `suggestion` quote nothing of the text. */
  | { readonly ok: false; readonly allowed: string; readonly suggestion?: string };

/** The schedule that the text of `rotation:` means, or what is allowed there. */
export function parseSchedule(text: string): ScheduleResult {
  if (text.length > 500) return { ok: false, allowed: FORMS };
  const cron = /^cron\((.*)\)$/.exec(text);
  if (cron) {
    const parsed = parseCron(cron[1] ?? '');
    if (typeof parsed === 'string') return { ok: false, allowed: parsed };
    return { ok: true, schedule: { kind: 'cron', expression: (cron[1] ?? '').trim().replace(/\s+/g, ' ') } };
  }
  const schedule = parseInterval(text);
  if (schedule) return isWithinBounds(schedule) ? { ok: true, schedule } : { ok: false, allowed: BOUNDS };
  const suggestion = suggest(text);
  return { ok: false, allowed: FORMS, ...(suggestion === undefined ? {} : { suggestion }) };
}

/**
 * The next due time strictly after `after`; the end of the year 9999 if a cron expression's years are over. Months are the calendar's,
 * in UTC, clamped to the month's last day.
 */
export function nextDue(schedule: Schedule, after: Date): Date {
  switch (schedule.kind) {
    case 'every':
      return new Date(after.getTime() + schedule.seconds * 1000);
    case 'months':
      return addMonths(after, schedule.months);
    case 'cron': {
      const cron = parseCron(schedule.expression);
      if (typeof cron === 'string') throw new RangeError(cron);
      return nextOccurrence(cron, after) ?? NEVER;
    }
  }
}

/** True if a cron expression's years are over at `now`, so that it never comes again. */
export function isOver(schedule: Schedule, now: Date): boolean {
  if (schedule.kind !== 'cron') return false;
  const cron = parseCron(schedule.expression);
  const lastYear = typeof cron === 'string' ? undefined : cron.years.at(-1);
  if (lastYear === undefined || lastYear > now.getUTCFullYear()) return false;
  return lastYear < now.getUTCFullYear() || nextDue(schedule, now) === NEVER;
}

/** Seconds between two rotations: exact for intervals, the average for months, about the shortest gap for cron. */
export function approximateIntervalSeconds(schedule: Schedule): number {
  switch (schedule.kind) {
    case 'every':
      return schedule.seconds;
    case 'months':
      return schedule.months * MONTH;
    case 'cron': {
      const cron = parseCron(schedule.expression);
      if (typeof cron === 'string') throw new RangeError(cron);
      return shortestGapSeconds(cron);
    }
  }
}

function parseInterval(text: string): Schedule | undefined {
  if (Object.hasOwn(NAMED, text)) return NAMED[text];
  const months = /^(\d{1,6})_(month|quarter|year)s?$/.exec(text);
  if (months) {
    const factor = months[2] === 'month' ? 1 : months[2] === 'quarter' ? 3 : 12;
    return { kind: 'months', months: Number(months[1]) * factor };
  }
  const rate = /^rate\((\d{1,9}) (minute|hour|day)s?\)$/.exec(text);
  const seconds = parseCounted(rate ? `${rate[1]}_${rate[2]}` : text);
  if (seconds !== undefined) return { kind: 'every', seconds };
  const iso = parseIsoDuration(text);
  if (!iso || (iso.months > 0 && iso.seconds > 0)) return undefined;
  return iso.months > 0 ? { kind: 'months', months: iso.months } : { kind: 'every', seconds: iso.seconds };
}

function isWithinBounds(schedule: Schedule): boolean {
  if (schedule.kind === 'months') return schedule.months >= 1 && schedule.months <= MAX_MONTHS;
  return schedule.kind === 'cron' || (schedule.seconds >= MIN_SECONDS && schedule.seconds <= MAX_SECONDS);
}

function suggest(text: string): string | undefined {
  const plain = text.trim().toLowerCase();
  const synonym = Object.hasOwn(SYNONYMS, plain) ? SYNONYMS[plain] : undefined;
  if (synonym !== undefined) return synonym;
  const counted = /^(\d{1,6})[-_ ]*([a-z]{1,9})$/.exec(plain);
  if (!counted) return nearest(plain, Object.keys(NAMED));
  const units = ['minute', 'hour', 'day', 'week', 'month', 'year'];
  const written = (counted[2] ?? '').replace(/s$/, '');
  const unit = units.find((candidate) => candidate.startsWith(written)) ?? nearest(written, units);
  const count = Number(counted[1]);
  if (unit === undefined || written === 'm' || count < 1) return undefined;
  return `${count}_${unit}${count === 1 ? '' : 's'}`;
}

function addMonths(from: Date, months: number): Date {
  const target = new Date(from);
  target.setUTCDate(1);
  target.setUTCMonth(target.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(target.getUTCFullYear(), target.getUTCMonth() + 1, 0)).getUTCDate();
  target.setUTCDate(Math.min(from.getUTCDate(), lastDay));
  return target;
}
