import { expect, it } from 'vitest';

import { parseDuration } from '../../../../shared/config/duration.ts';

it.each([
  ['0', 0],
  ['30s', 30],
  ['5m', 300],
  ['1h', 3600],
  ['7d', 604_800],
  ['30_seconds', 30],
  ['1_minute', 60],
  ['PT30S', 30],
  ['P1D', 86_400],
])('reads %s as seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});

it.each(['', '30', '-1s', '1.5h', '1 h', 'P1M', 'PT', 's', '1y', '9999999999s'])('refuses %j', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
