import { expect, it } from 'vitest';
import type { Clock } from '../../../../shared/clock.ts';
import { declaration } from '../../../harness/rotation-world.ts';
import { SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { isRotatable, rotatorFor } from '../../../../shared/rotators/rotator-for.ts';

const clock: Clock = { now: () => new Date(0), sleep: () => Promise.reject(new Error('not expected')) };

it('knows which secrets it can rotate: by type, and by what they declare', () => {
  expect(isRotatable('postgresql', declaration())).toBe(true);
  for (const type of ['oracle', 'constructor', '__proto__', '']) expect(isRotatable(type, declaration())).toBe(false);
  expect(isRotatable('iam', declaration())).toBe(false);
  expect(isRotatable('iam', declaration({ provider: { user: 'deployer' } }))).toBe(true);
});

it.each(SECRET_TYPES)('has a rotator for %s, with overlap', async (type) => {
  const rotator = await rotatorFor(type, { clock });
  expect(rotator).toMatchObject({ type, overlap: true });
  await rotator?.release();
});

it('answers the rotator of a type and mode, and nothing for a type that it does not have', async () => {
  expect(await rotatorFor('postgresql', { clock })).toMatchObject({ type: 'postgresql', overlap: true });
  expect(await rotatorFor('postgresql', { clock, mode: 'single_role' })).toMatchObject({ overlap: false });
  expect(await rotatorFor('constructor', { clock })).toBeUndefined();
});
