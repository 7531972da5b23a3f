import { expect, it } from 'vitest';
import type { Clock } from '../../../../shared/clock.ts';
import { isSupportedType, rotatorFor } from '../../../../shared/rotators/rotator-for.ts';

const clock: Clock = { now: () => new Date(0), sleep: () => Promise.reject(new Error('not expected')) };

it('knows which types it has without loading them', () => {
  expect(isSupportedType('postgresql')).toBe(true);
  for (const type of ['iam', 'constructor', '__proto__', '']) expect(isSupportedType(type)).toBe(false);
});

it('answers the rotator of a type and mode, and nothing for a type that it does not have', async () => {
  expect(await rotatorFor('postgresql', { clock })).toMatchObject({ type: 'postgresql', overlap: true });
  expect(await rotatorFor('postgresql', { clock, mode: 'single_role' })).toMatchObject({ overlap: false });
  expect(await rotatorFor('constructor', { clock })).toBeUndefined();
});
