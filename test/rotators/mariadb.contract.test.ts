import { describe } from 'vitest';
import { mariadbBinaries, openMariadb, WITH_MARIADB } from './mariadb-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => {
  rotatorContract('mariadb', openMariadb, { kind: 'chosen' });
});
