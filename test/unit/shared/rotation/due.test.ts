import { describe, expect, it } from 'vitest';
import { nextRotation, nextTry, refusalsAfter } from '../../../../shared/rotation/due.ts';

const DAILY = { name: 'a', schedule: { kind: 'every', seconds: 86_400 } } as const;
const REFUSED = 'RefusedByPolicy';
const NOW = new Date('2026-03-01T12:00:00Z');
const after = (date: Date | undefined) => ((date?.getTime() ?? Number.NaN) - NOW.getTime()) / 1000;
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

describe('the next rotation', () => {
  it('comes when two thirds of the life of what ends by itself are over', () => {
    const issuance = { since: NOW, existing: [], attempts: 1 };
    expect(after(nextRotation(DAILY, NOW, { issuance, expiresAt: later(3600) }))).toBe(2400);
  });

  it('comes by the schedule where that is earlier, and at once where that time is over', () => {
    const issuance = { since: later(-7200), existing: [], attempts: 1 };
    expect(after(nextRotation(DAILY, NOW, { issuance, expiresAt: later(90 * 86_400) }))).toBeLessThan(2 * 86_400);
    expect(after(nextRotation(DAILY, NOW, { issuance, expiresAt: later(-3600) }))).toBe(0);
  });
});

it('is never due where the scheduler of Secrets Manager begins, but for what ends by itself', () => {
  const theirs = { ...DAILY, scheduler: 'secrets_manager' } as const;
  expect(nextRotation(theirs, NOW)).toBeUndefined();
  expect(nextTry(theirs, NOW, { failures: 1 })).toBeUndefined();
  const issuance = { since: NOW, existing: [], attempts: 1 };
  expect(after(nextRotation(theirs, NOW, { issuance, expiresAt: later(3600) }))).toBe(2400);
});

describe('the next try after a failure', () => {
  it('waits longer and longer, and no longer than the schedule', () => {
    const waits = [1, 2, 3, 7, 8, 20].map((failures) => after(nextTry(DAILY, NOW, { failures })));
    expect(waits).toEqual([300, 600, 1200, 19_200, 21_600, 21_600]);
    const hourly = { name: 'a', schedule: { kind: 'every', seconds: 3600 } } as const;
    expect(after(nextTry(hourly, NOW, { failures: 9 }))).toBe(3600);
  });

  it('does not wait longer while what is current ends by itself', () => {
    expect(after(nextTry(DAILY, NOW, { failures: 9, expiresAt: later(1200) }))).toBe(300);
  });

  it('is not before the provider answers again, whatever else speaks for sooner', () => {
    const retryAt = later(7000);
    const often = { name: 'a', schedule: { kind: 'every', seconds: 3600 } } as const;
    expect(after(nextTry(DAILY, NOW, { failures: 1, retryAt }))).toBe(7000);
    expect(after(nextTry(often, NOW, { failures: 1, retryAt, expiresAt: later(1200) }))).toBe(7000);
    expect(after(nextTry(DAILY, NOW, { failures: 1, retryAt: later(-10) }))).toBe(300);
  });

  it('proposes another value soon where the target refused one, three in all, then waits for the schedule', () => {
    const waits = [1, 2, 3].map((refusals) => after(nextTry(DAILY, NOW, { failures: 9, refusals, fault: REFUSED })));
    expect(waits.slice(0, 2)).toEqual([60, 60]);
    expect(waits[2]).toBeGreaterThanOrEqual(86_400);
  });

  it('does so too where the scheduler of Secrets Manager began, and then leaves the next to it', () => {
    const theirs = { ...DAILY, scheduler: 'secrets_manager' } as const;
    const tries = [1, 2, 3].map((refusals) => nextTry(theirs, NOW, { failures: 1, refusals, fault: REFUSED }));
    expect(tries.slice(0, 2).map(after)).toEqual([60, 60]);
    expect(tries[2]).toBeUndefined();
  });
});

describe('refusals in a row', () => {
  const count = (faults: readonly (string | undefined)[]) =>
    faults.reduce<number[]>((counted, fault) => [...counted, refusalsAfter(fault, counted.at(-1) ?? 0)], []);

  it('are counted apart from other faults, any of which begins them anew', () => {
    expect(count(['TargetUnreachable', 'TargetUnreachable', 'TargetUnreachable', REFUSED])).toEqual([0, 0, 0, 1]);
    expect(count([REFUSED, REFUSED, 'TargetUnreachable', REFUSED])).toEqual([1, 2, 0, 1]);
    expect(count([REFUSED, undefined, REFUSED])).toEqual([1, 0, 1]);
  });

  it('begin anew after three: the scheduled attempt after them has its own', () => {
    expect(count([REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED])).toEqual([1, 2, 3, 1, 2, 3]);
  });
});
