import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusedByPolicy } from '../../shared/errors.ts';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { type DatabaseHarness, faultOf } from './mysql-harness.ts';
import { refusalsSuite } from './mysql-refusals.suite.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => {
  refusalsSuite(startMariadbHarness);

  describe('a server that validates passwords', () => {
    let mariadb: DatabaseHarness;
    beforeAll(async () => {
      mariadb = await startMariadbHarness({ plugin_load_add: 'simple_password_check' });
    });
    afterAll(() => mariadb?.stop());

    it('refuses hashes, and nothing that opens is left; the lock is enough to end a user', async () => {
      const incumbent = await mariadb.createUser('app', '', 'A-human-1-made-it');
      const adopted = { name: 'app', declared: {}, incumbent, admin: mariadb.admin };
      const rotations = mariadb.rotations(adopted);
      const fault = await faultOf(rotations.preflight('v1'));
      expect(fault).toBeInstanceOf(RefusedByPolicy);
      expect((fault as RefusedByPolicy).safeMessage).toContain('strict_password_validation');
      await mariadb.sql('SET GLOBAL strict_password_validation = OFF');
      const { fence } = await rotations.preflight('v1');
      await mariadb.sql('SET GLOBAL strict_password_validation = ON');
      const candidate = mariadb.secret({ username: 'app_a', password: 'x'.repeat(32) });
      const values = { ...adopted, settings: rotations.settings, versionId: 'v1', startedAt: new Date() };
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      await expect(rotator.install({ ...values, candidate, fence })).rejects.toBeInstanceOf(RefusedByPolicy);
      expect(await mariadb.sql(`SELECT User FROM mysql.user WHERE User = 'app_a'`)).toEqual([]);
      await mariadb.sql('SET GLOBAL strict_password_validation = OFF');
      const brought = await rotations.bringIn();
      await mariadb.sql('SET GLOBAL strict_password_validation = ON');
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
    });
  });
});
