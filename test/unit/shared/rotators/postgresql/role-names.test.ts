import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ownerRoleFor, slotsOf } from '../../../../../shared/rotators/postgresql/role-names.ts';

it('names the two login roles after the owner', () => {
  expect(slotsOf('app')).toEqual(['app_a', 'app_b']);
});

it('keeps every name within 63 bytes, whole characters, and names of different owners apart', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 90 }), (owner) => {
      for (const slot of slotsOf(owner)) {
        expect(Buffer.byteLength(slot)).toBeLessThanOrEqual(63);
        expect(slot.isWellFormed()).toBe(true);
      }
      expect(slotsOf(owner)[0]).not.toBe(slotsOf(owner)[1]);
      expect(slotsOf(`${owner}x`)[0]).not.toBe(slotsOf(owner)[0]);
    }),
  );
});

it.each([
  ['prod/app/DB', 'prod_app_db'],
  ['1st-secret', 'app_1st_secret'],
  ['pg_things', 'app_pg_things'],
  ['///', 'app_'],
])('makes an owner role for %s', (secretId, owner) => {
  expect(ownerRoleFor(secretId)).toBe(owner);
});
