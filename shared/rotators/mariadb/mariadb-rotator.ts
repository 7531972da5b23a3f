import { type AccountDependencies, accountRotator } from '../mysql/account-rotator.ts';
import type { ChosenRotator } from '../rotator.ts';
import { MARIADB_FLAVOUR } from './mariadb-flavour.ts';

/** Rotates MariaDB logins whose secret follows the AWS database convention: two users that take turns. */
export function mariadbRotator(dependencies: AccountDependencies): ChosenRotator {
  return accountRotator(MARIADB_FLAVOUR, dependencies);
}
