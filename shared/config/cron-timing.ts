import { Cron } from 'croner';

import type { CronDays, CronExpression } from './cron-expression.ts';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** The first moment after `after` at which the expression comes (UTC), or undefined if its years are over. */
export function nextOccurrence(cron: CronExpression, after: Date): Date | undefined {
  return new Cron(cronerPattern(cron), { timezone: 'UTC', mode: '7-part' }).nextRun(after) ?? undefined;
}

/** About the shortest wait between two occurrences, in seconds, from the fields alone: cheap, and never under a minute. */
export function shortestGapSeconds(cron: CronExpression): number {
  const { minutes, hours } = cron;
  if (minutes.length > 1) return shortestGap(minutes, 60) * MINUTE;
  if (hours.length > 1) return shortestGap(hours, 24) * HOUR;
  const days = gapInDays(cron.days);
  if (days < 28) return days * DAY;
  if (cron.months.length > 1) return shortestGap(cron.months, 12) * 28 * DAY;
  return (cron.years.length > 1 ? shortestGap(cron.years, 400) : 1) * 365 * DAY;
}

function gapInDays(days: CronDays): number {
  switch (days.kind) {
    case 'every':
      return 1;
    case 'of_month':
      return days.days.length > 1 ? shortestGap(days.days, 28) : 28;
    case 'of_week':
      return shortestGap(days.days, 7);
    case 'of_month_special':
    case 'nth_of_week':
      return 28;
  }
}

/** Around the circle: 58 and 2 of 60 are 4 apart. A single number is a full turn from itself. */
function shortestGap(ascending: readonly number[], turn: number): number {
  let shortest = turn;
  let previous = ascending.at(-1) ?? 0;
  ascending.forEach((value, index) => {
    const gap = index === 0 ? value + turn - previous : value - previous;
    if (gap > 0) shortest = Math.min(shortest, gap);
    previous = value;
  });
  return shortest;
}

/** croner's seven parts begin with seconds; its day of week is 0-6, and `5#L` is the last Friday. */
function cronerPattern(cron: CronExpression): string {
  const [dayOfMonth, dayOfWeek] = dayParts(cron.days);
  return ['0', cron.minutes, cron.hours, dayOfMonth, cron.months, dayOfWeek, yearsPart(cron.years)]
    .map((part) => (typeof part === 'string' ? part : part.join(',')))
    .join(' ');
}

function dayParts(days: CronDays): readonly [string, string] {
  switch (days.kind) {
    case 'every':
      return ['*', '*'];
    case 'of_month':
      return [days.days.join(','), '*'];
    case 'of_month_special':
      return [days.pattern, '*'];
    case 'of_week':
      return ['*', days.days.join(',')];
    case 'nth_of_week':
      return ['*', `${days.day}#${days.nth}`];
  }
}

function yearsPart(years: readonly number[]): string {
  return years.length === 230 ? '*' : years.join(',');
}
