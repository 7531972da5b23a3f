import { expandField } from './cron-field.ts';

/**
 * AWS's six fields (minutes hours day-of-month month day-of-week year), checked and turned into numbers.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html
 */
export interface CronExpression {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: readonly number[];
  readonly days: CronDays;
  readonly years: readonly number[];
}

export type CronDays =
  | { readonly kind: 'every' }
  | { readonly kind: 'of_month'; readonly days: readonly number[] }
  /** `L` (last), `LW` (last working day), `15W` (working day nearest to the 15th). */
  | { readonly kind: 'of_month_special'; readonly pattern: string; readonly day: number }
  /** 0-6 = SUN-SAT. */
  | { readonly kind: 'of_week'; readonly days: readonly number[] }
  /** `nth`: 1-5, or `L` for the month's last. */
  | { readonly kind: 'nth_of_week'; readonly day: number; readonly nth: number | 'L' };

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const YEARS = { name: 'year', first: 1970, last: 2199 };

/** The expression inside `cron(…)`, or a sentence that says what is wrong with it (it quotes nothing). */
export function parseCron(text: string): CronExpression | string {
  const fields = text.trim().toUpperCase().split(/\s+/, 7);
  if (fields.length !== 6)
    return 'cron(…) has six fields: minutes hours day-of-month month day-of-week year, as in cron(0 8 ? * MON *)';
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = fields;
  const minutes = expandField(minute, { name: 'minutes', first: 0, last: 59 });
  const hours = expandField(hour, { name: 'hours', first: 0, last: 23 });
  const months = expandField(month, { name: 'month', first: 1, last: 12, names: MONTHS });
  const years = expandField(year, YEARS);
  const days = parseDays(dayOfMonth, dayOfWeek);
  for (const part of [minutes, hours, days, months, years]) if (typeof part === 'string') return part;
  const cron = { minutes, hours, months, days, years } as CronExpression;
  return comes(cron) ? cron : 'the day has to exist: no month and year of this cron(…) has it';
}

function parseDays(dayOfMonth: string, dayOfWeek: string): CronDays | string {
  if ((dayOfMonth === '?') === (dayOfWeek === '?'))
    return 'exactly one of day-of-month and day-of-week in cron(…) is ?, as in cron(0 8 ? * MON *)';
  return dayOfWeek === '?' ? parseDayOfMonth(dayOfMonth) : parseDayOfWeek(dayOfWeek);
}

function parseDayOfMonth(text: string): CronDays | string {
  if (text === '*') return { kind: 'every' };
  if (text === 'L' || text === 'LW') return { kind: 'of_month_special', pattern: text, day: 28 };
  const working = /^(\d{1,2})W$/.exec(text);
  if (working) {
    const day = Number(working[1]);
    if (day < 1 || day > 31) return 'day-of-month before W in cron(…) is 1-31';
    return { kind: 'of_month_special', pattern: `${day}W`, day };
  }
  const days = expandField(text, { name: 'day-of-month', first: 1, last: 31, also: ', L, LW or 15W' });
  return typeof days === 'string' ? days : { kind: 'of_month', days };
}

function parseDayOfWeek(text: string): CronDays | string {
  if (text === '*') return { kind: 'every' };
  if (text === 'L') return { kind: 'of_week', days: [6] };
  const nth = /^([A-Z]{3}|\d)(?:#([1-5])|(L))$/.exec(text);
  if (nth) {
    const day = weekday(nth[1] ?? '');
    if (day === undefined) return 'day-of-week in cron(…) is 1-7 or SUN-SAT';
    return { kind: 'nth_of_week', day, nth: nth[3] ? 'L' : Number(nth[2]) };
  }
  const days = expandField(text, { name: 'day-of-week', first: 1, last: 7, names: WEEKDAYS, also: ', 6L or 2#1' });
  return typeof days === 'string' ? days : { kind: 'of_week', days: days.map((day) => day - 1) };
}

/** 0-6 of AWS's 1-7 or SUN-SAT. */
function weekday(text: string): number | undefined {
  const named = WEEKDAYS.indexOf(text);
  if (named !== -1) return named;
  return /^[1-7]$/.test(text) ? Number(text) - 1 : undefined;
}

function comes(cron: CronExpression): boolean {
  const { days } = cron;
  if (days.kind !== 'of_month' && days.kind !== 'of_month_special') return true;
  const earliest = days.kind === 'of_month' ? Math.min(...days.days) : days.day;
  if (earliest <= 28) return true;
  const leapYear = cron.years.some((year) => new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1);
  return cron.months.some((month) => {
    const length = month === 2 && !leapYear ? 28 : (DAYS_IN_MONTH[month - 1] ?? 31);
    return earliest <= length;
  });
}
