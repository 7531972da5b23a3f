import type { CatalogueEntry } from '../catalogue-entry.ts';

/** https://dev.mariadb.com/doc/refman/8.4/en/password-management.html#dual-passwords */
export const MARIADB: CatalogueEntry = {
  type: 'mariadb',
  rotates: 'todo',
  kind: 'chosen',
  value: 'todo',
  needs: [],
  overlap: 'todo',
  proofOfDeath: 'todo',
  limits: [],
  example: '- name: todo',
};
