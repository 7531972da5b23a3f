import type { Clock } from '../../clock.ts';
import { accountRotator } from '../mysql/account-rotator.ts';
import type { LoginOutcome } from '../mysql/connect.ts';
import type { ChosenRotator } from '../rotator.ts';
import { MARIADB_FLAVOUR } from './mariadb-flavour.ts';

export interface MariadbDependencies {
  readonly clock: Clock;
  /** Told of every login that ends: for counting. */
  readonly onConnect?: (outcome: LoginOutcome) => void;
}

/** Rotates MariaDB logins whose secret follows the AWS database convention: two users that take turns. */
export function mariadbRotator(dependencies: MariadbDependencies): ChosenRotator {
  return accountRotator(MARIADB_FLAVOUR, dependencies);
}
