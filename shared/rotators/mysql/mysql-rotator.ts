import type { ChosenRotator } from '../rotator.ts';
import { type AccountDependencies, accountRotator } from './account-rotator.ts';
import { MYSQL_FLAVOUR } from './mysql-flavour.ts';

export interface MysqlDependencies extends AccountDependencies {
  /** `false`: as on a server before 8.0.21, whatever it is. */
  readonly dualPasswords?: boolean;
}

/**
 * Rotates MySQL logins whose secret follows the AWS database convention: two passwords on one user, side by side until
 * retirement; on servers before 8.0.21, and for `read_only`, two users that take turns.
 */
export function mysqlRotator(dependencies: MysqlDependencies): ChosenRotator {
  const { dualPasswords = true } = dependencies;
  const flavour = dualPasswords ? MYSQL_FLAVOUR : { ...MYSQL_FLAVOUR, hasDualPasswords: () => false };
  return accountRotator(flavour, dependencies);
}
