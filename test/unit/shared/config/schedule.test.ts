import { describe, expect, it } from 'vitest';

import type { Schedule } from '../../../../shared/config/declaration.ts';
import { withJitter } from '../../../../shared/config/jitter.ts';
import { approximateIntervalSeconds, isOver, nextDue, parseSchedule } from '../../../../shared/config/schedule.ts';
import * as fc from '../../../harness/properties.ts';

const DAY = 86_400;

function schedule(text: string): Schedule {
  const result = parseSchedule(text);
  if (!result.ok) throw new Error(result.allowed);
  return result.schedule;
}

function due(text: string, after: string): string {
  return nextDue(schedule(text), new Date(after)).toISOString().replace(':00.000Z', 'Z');
}

describe('intervals', () => {
  it.each([
    ['daily', DAY],
    ['weekly', 7 * DAY],
    ['90_days', 90 * DAY],
    ['1_day', DAY],
    ['12_hours', 43_200],
    ['1_hour', 3600],
    ['30_minutes', 1800],
    ['2_weeks', 14 * DAY],
    ['P90D', 90 * DAY],
    ['P2W', 14 * DAY],
    ['PT12H', 43_200],
    ['P1DT6H', 108_000],
    ['rate(5 minutes)', 300],
    ['rate(1 hour)', 3600],
    ['rate(7 days)', 7 * DAY],
  ])('reads %s as a fixed length', (text, seconds) => {
    expect(schedule(text)).toEqual({ kind: 'every', seconds });
  });

  it.each([
    ['monthly', 1],
    ['quarterly', 3],
    ['yearly', 12],
    ['6_months', 6],
    ['P3M', 3],
    ['P1Y', 12],
    ['P1Y6M', 18],
  ])('reads %s as calendar months', (text, months) => {
    expect(schedule(text)).toEqual({ kind: 'months', months });
  });

  it.each(['60_seconds', 'PT1M', '10_years', 'P120M', '3653_days'])('takes %s, at the bounds', (text) => {
    expect(parseSchedule(text).ok).toBe(true);
  });

  it.each(['59_seconds', 'PT59S', '0_days', '11_years', '3654_days', '121_months', 'rate(0 minutes)'])(
    'refuses %s, beyond the bounds',
    (text) => {
      expect(parseSchedule(text)).toEqual({ ok: false, allowed: expect.stringContaining('1 minute') });
    },
  );

  it.each(['', 'P', 'PT', 'P1.5D', 'P1M1D', '-1_days', '1e3_days', 'DAILY ', 'constructor', 'rate(5)', 'cron()'])(
    'refuses %j',
    (text) => {
      expect(parseSchedule(text).ok).toBe(false);
    },
  );

  it.each([
    ['dayly', 'daily'],
    ['Daily', 'daily'],
    ['montly', 'monthly'],
    ['90 days', '90_days'],
    ['90days', '90_days'],
    ['12h', '12_hours'],
    ['hourly', '1_hour'],
  ])('asks whether %j means %s', (text, suggestion) => {
    expect(parseSchedule(text)).toMatchObject({ ok: false, suggestion });
  });

  it('adds months of the calendar and stays in the month', () => {
    expect(due('monthly', '2026-01-31T10:00:00Z')).toBe('2026-02-28T10:00Z');
    expect(due('monthly', '2028-01-31T10:00:00Z')).toBe('2028-02-29T10:00Z');
    expect(due('yearly', '2028-02-29T10:00:00Z')).toBe('2029-02-28T10:00Z');
    expect(due('quarterly', '2026-11-30T10:00:00Z')).toBe('2027-02-28T10:00Z');
  });
});

describe('cron', () => {
  it.each([
    ['cron(0 12 * * ? *)', '2026-01-01T12:00Z'],
    ['cron(15 10 ? * MON-FRI *)', '2026-01-01T10:15Z'],
    ['cron(0 8 ? * 1 *)', '2026-01-04T08:00Z'],
    ['cron(0 8 ? * 7 *)', '2026-01-03T08:00Z'],
    ['cron(0 8 ? * L *)', '2026-01-03T08:00Z'],
    ['cron(0 8 ? * 6L *)', '2026-01-30T08:00Z'],
    ['cron(0 8 ? * 2#2 *)', '2026-01-12T08:00Z'],
    ['cron(0 8 L * ? *)', '2026-01-31T08:00Z'],
    ['cron(0 8 LW * ? *)', '2026-01-30T08:00Z'],
    ['cron(0 8 3W * ? *)', '2026-01-02T08:00Z'],
    ['cron(5/15 0 * * ? *)', '2026-01-01T00:05Z'],
    ['cron(0 0 1 JAN,JUL ? *)', '2026-07-01T00:00Z'],
    ['cron(0 0 29 2 ? *)', '2028-02-29T00:00Z'],
    ['cron(0 0 1 1 ? 2030-2040)', '2030-01-01T00:00Z'],
  ])('finds when %s comes next', (text, next) => {
    expect(due(text, '2026-01-01T00:00:00Z')).toBe(next);
  });

  it.each([
    ['cron(0 12 * * *)', 'six fields'],
    ['cron(0 12 * * * *)', 'exactly one of'],
    ['cron(0 12 ? * ? *)', 'exactly one of'],
    ['cron(60 12 * * ? *)', 'minutes in cron(…) is 0-59'],
    ['cron(0 24 * * ? *)', 'hours in cron(…) is 0-23'],
    ['cron(0 0 32 * ? *)', 'day-of-month'],
    ['cron(0 0 32W * ? *)', 'day-of-month'],
    ['cron(0 0 ? * 0 *)', 'day-of-week'],
    ['cron(0 0 ? * 8 *)', 'day-of-week'],
    ['cron(0 0 ? * 2#6 *)', 'day-of-week'],
    ['cron(0 0 1 13 ? *)', 'month in cron(…) is 1-12'],
    ['cron(0 0 1 1 ? 1969)', 'year in cron(…) is 1970-2199'],
    ['cron(*/0 0 * * ? *)', 'minutes'],
    ['cron(5-1 0 * * ? *)', 'minutes'],
    ['cron(0 0 31 2 ? *)', 'has to exist'],
    ['cron(0 0 29 2 ? 2027)', 'has to exist'],
  ])('refuses %s', (text, allowed) => {
    expect(parseSchedule(text)).toMatchObject({ ok: false, allowed: expect.stringContaining(allowed) });
  });

  it('says when an expression has had its last year', () => {
    const over = schedule('cron(0 0 1 1 ? 2025)');
    expect(isOver(over, new Date('2026-01-01T00:00:00Z'))).toBe(true);
    expect(isOver(schedule('cron(0 0 1 2 ? 2026)'), new Date('2026-03-01T00:00:00Z'))).toBe(true);
    expect(isOver(schedule('cron(0 0 1 2 ? 2026)'), new Date('2026-01-01T00:00:00Z'))).toBe(false);
    expect(nextDue(over, new Date('2026-01-01T00:00:00Z')).getUTCFullYear()).toBe(9999);
  });

  it.each([
    ['cron(* * * * ? *)', 60],
    ['cron(0/15 * * * ? *)', 900],
    ['cron(0 8,20 * * ? *)', 43_200],
    ['cron(0 8 * * ? *)', DAY],
    ['cron(0 8 ? * MON *)', 7 * DAY],
    ['cron(0 8 ? * MON-FRI *)', DAY],
    ['cron(0 8 1 * ? *)', 28 * DAY],
    ['cron(0 8 1 1 ? *)', 365 * DAY],
  ])('knows about how long %s waits', (text, seconds) => {
    expect(approximateIntervalSeconds(schedule(text))).toBe(seconds);
  });

  it('gives croner only what croner reads, and moves forward', () => {
    const list = (low: number, high: number) =>
      fc.uniqueArray(fc.integer({ min: low, max: high }), { minLength: 1, maxLength: 4 }).map((all) => all.join(','));
    const days = fc.oneof(
      fc.tuple(fc.oneof(list(1, 28), fc.constantFrom('*', 'L', 'LW', '15W', '1W')), fc.constant('?')),
      fc.tuple(
        fc.constant('?'),
        fc.oneof(list(1, 7), fc.constantFrom('*', 'L', 'FRIL', '3L', '2#1', 'SAT#5', 'TUE-SAT')),
      ),
    );
    fc.assert(
      fc.property(list(0, 59), list(0, 23), days, list(1, 12), (minutes, hours, [ofMonth, ofWeek], months) => {
        const cron = schedule(`cron(${minutes} ${hours} ${ofMonth} ${months} ${ofWeek} *)`);
        const after = new Date('2026-05-05T05:05:05Z');
        expect(nextDue(cron, after).getTime()).toBeGreaterThan(after.getTime());
        expect(nextDue(cron, after).getUTCFullYear()).toBeLessThan(2100);
      }),
    );
  });
});

describe('jitter', () => {
  const dueAt = new Date('2026-01-01T00:00:00Z');
  const late = (key: string, interval: number) => (withJitter(dueAt, key, interval).getTime() - dueAt.getTime()) / 1000;

  it('is later by up to 5 % of the interval and at most one hour, in whole seconds', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 600, max: 400_000_000 }), (key, interval) => {
        const seconds = late(key, interval);
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(Math.min(interval * 0.05, 3600));
      }),
    );
  });

  it('depends on the key alone and spreads a fleet', () => {
    const all = Array.from({ length: 1000 }, (_, index) => late(`secret-${index}`, 30 * DAY));
    expect(late('secret-7', 30 * DAY)).toBe(all[7]);
    for (let quarter = 0; quarter < 4; quarter += 1)
      expect(all.filter((seconds) => Math.floor(seconds / 900) === quarter).length).toBeGreaterThan(150);
  });

  it('leaves intervals under ten minutes alone', () => {
    expect(late('a', 599)).toBe(0);
  });
});
