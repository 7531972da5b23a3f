import { expect, it } from 'vitest';
import {
  isManaged,
  managedComment,
  ownerRoleFor,
  readManaged,
  slotsOf,
} from '../../../../../shared/rotators/postgresql/role-names.ts';
import * as fc from '../../../../harness/properties.ts';

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

const installed = {
  startedAt: new Date('2026-03-01T12:00:00.123Z'),
  versionId: '0b6c5c6e-41f2-8d65-b0cb-8d6a3b0d6d5e',
};

it('reads of a role what it has written on it: for which secret, for which rotation last installed, and whether that has ended', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 40 }),
      fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }),
      fc.boolean(),
      (secretId, startedAt, versionId, hasEnded) => {
        const rotation = { startedAt, versionId, hasEnded };
        expect(readManaged(managedComment(secretId), secretId)).toEqual({ installed: undefined });
        expect(readManaged(managedComment(secretId, rotation), secretId)).toEqual({ installed: rotation });
        expect(isManaged(managedComment(secretId, rotation))).toBe(true);
      },
    ),
  );
});

it.each([
  ['no comment', null],
  ['the comment of others', 'the application'],
  ['that of a secret whose name begins alike', managedComment('prod/app2')],
  ['that of such a secret, with a rotation', managedComment('prod/app2', installed)],
  ['that of a secret whose name is as long', managedComment('prod/web', installed)],
  ['one with something else after the name', 'managed by Rekey for prod/app; see the wiki'],
  ['one with a date that is none', 'managed by Rekey for prod/app; installed 2026-99-01T00:00:00.000Z v1'],
  ['one with another word', 'managed by Rekey for prod/app; opened 2026-03-01T12:00:00.123Z v1'],
  ['one without a version', 'managed by Rekey for prod/app; installed 2026-03-01T12:00:00.123Z '],
])('does not take a role for its own by %s', (_, comment) => {
  expect(readManaged(comment, 'prod/app')).toBeUndefined();
});

it('goes on with the comment that roles have had before', () => {
  expect(managedComment('prod/app')).toBe('managed by Rekey for prod/app');
});
