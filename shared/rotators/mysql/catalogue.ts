import type { CatalogueEntry } from '../catalogue-entry.ts';

/** https://dev.mysql.com/doc/refman/8.4/en/password-management.html#dual-passwords */
export const MYSQL: CatalogueEntry = {
  type: 'mysql',
  rotates: 'todo',
  kind: 'chosen',
  value: 'todo',
  needs: [],
  overlap: 'todo',
  proofOfDeath: 'todo',
  limits: [],
  example: '- name: todo',
};
