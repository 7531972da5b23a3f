import { expect, it } from 'vitest';
import { assignment, splitNames } from '../../../../../shared/rotators/postgresql/role-settings.ts';
import * as fc from '../../../../harness/properties.ts';

it.each([
  ['statement_timeout=5s', `"statement_timeout" TO '5s'`],
  ['my.setting=a=b', `"my.setting" TO 'a=b'`],
  ['search_path="$user", public', `"search_path" TO '$user', 'public'`],
  ['search_path=""', `"search_path" TO ''`],
  ['application_name=it\'s, "here"', `"application_name" TO 'it''s, "here"'`],
])('sets %s as it was', (entry, clause) => {
  expect(assignment(entry)).toBe(clause);
});

it('splits any list of quoted names into those names', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (names) => {
      const list = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
      expect(splitNames(list)).toEqual(names);
    }),
  );
});
