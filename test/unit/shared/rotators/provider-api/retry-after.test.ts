import { describe, expect, it } from 'vitest';
import { retryAfterSeconds, secondsUntil } from '../../../../../shared/rotators/provider-api/retry-after.ts';
import * as fc from '../../../../harness/properties.ts';

const NOW = new Date('2026-03-01T12:00:00.500Z');
const DAY = 86_400;

describe('Retry-After', () => {
  it.each([
    ['17', 17],
    ['0', 1],
    ['99999999', DAY],
    ['Sun, 01 Mar 2026 12:05:00 GMT', 300],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 1],
    ['Sun, 01 Mar 2099 11:00:00 GMT', DAY],
    ['', undefined],
    ['soon', undefined],
    ['1.5e3 seconds', undefined],
    // What `Date.parse` takes for a date.
    ['1.5', undefined],
    ['3600.5', undefined],
    ['-1', undefined],
    ['2026', 2026],
    ['2026-03-01', undefined],
    ['2026-03-01T12:05:00Z', undefined],
    ['1 Mar 2026 12:05:00 GMT', undefined],
    ['Sun, 01 Mar 2026 12:05:00', undefined],
    ['Sun, 01 Mar 2026 12:05:00 +0000', undefined],
    ['Sun, 01 Mar 2026 25:05:00 GMT', undefined],
    [undefined, undefined],
    [17, undefined],
  ])('of %j is %j seconds', (header, seconds) => {
    expect(retryAfterSeconds(header, NOW)).toBe(seconds);
  });

  it('is never less than a second nor more than a day, whatever was written', () => {
    const header = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    );
    fc.assert(
      fc.property(header, (text) => {
        const seconds = retryAfterSeconds(text, NOW);
        return seconds === undefined || (seconds >= 1 && seconds <= DAY && Number.isInteger(seconds));
      }),
    );
  });
});

it('rounds a time up to whole seconds: never earlier', () => {
  expect(secondsUntil(NOW.getTime() + 60_001, NOW)).toBe(61);
  expect(secondsUntil(Number.NaN, NOW)).toBeUndefined();
});
