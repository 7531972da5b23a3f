import type { SecretDeclaration } from '../../config/declaration.ts';
import { APART_MILLISECONDS } from './spread.ts';

type Declared = Pick<SecretDeclaration, 'preheatSeconds' | 'healthyThreshold'>;

export const SHORTEST_PAUSE_MILLISECONDS = 50;

/**
 * Between two health checks of a new key: as far apart as answers are that may differ, but so that all of them take no
 * more than half of the time there is, unless they would come closer than 50 ms.
 */
export function pauseMilliseconds({ preheatSeconds, healthyThreshold }: Declared): number {
  return Math.min(
    APART_MILLISECONDS,
    Math.max(SHORTEST_PAUSE_MILLISECONDS, (preheatSeconds * 1000) / (2 * healthyThreshold)),
  );
}

/** Whether the pauses alone leave time for so many checks in a row. */
export function haveTime(declared: Declared): boolean {
  return (declared.healthyThreshold - 1) * pauseMilliseconds(declared) < declared.preheatSeconds * 1000;
}
