import type { Clock } from '../../clock.ts';
import type { ChosenRotator } from '../rotator.ts';
import type { LoginOutcome } from './connect.ts';
import { MYSQL_FLAVOUR } from './mysql-flavour.ts';
import { accountRotator } from './account-rotator.ts';

export interface MysqlDependencies {
  readonly clock: Clock;
  /** Told of every login that ends: for counting. */
  readonly onConnect?: (outcome: LoginOutcome) => void;
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
