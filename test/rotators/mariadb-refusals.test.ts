import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusedByPolicy } from '../../shared/errors.ts';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { type DatabaseHarness, faultOf } from './mysql-harness.ts';
import { refusingFirst } from './mysql-refusing-first.ts';
import { refusalsSuite } from './mysql-refusals.suite.ts';

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => {
  // Without a limit from the start it has none that can be set.
  refusalsSuite(() => startMariadbHarness({ max_user_connections: '150' }));

  describe('a server that validates passwords', () => {
    let mariadb: DatabaseHarness;
    beforeAll(async () => {
      mariadb = await startMariadbHarness({ plugin_load_add: 'simple_password_check' });
    });
    afterAll(() => mariadb?.stop());

    it('refuses hashes, and nothing that opens is left; the lock is enough to end a user', async () => {
      const incumbent = await mariadb.createUser('app', '', 'A-human-1-made-it');
      const adopted = { name: 'app', declared: {}, incumbent, admin: mariadb.admin };
      const policy = { length: 20, require: ['lower', 'upper', 'digit', 'symbol'] } as const;
      const rotations = mariadb.rotations(adopted, { policy });
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

    it('is kept to where it takes hashes: preflight says what to declare, and a value that it would refuse is not set', async () => {
      await mariadb.sql('SET GLOBAL strict_password_validation = OFF', 'SET GLOBAL simple_password_check_digits = 2');
      const incumbent = await mariadb.createUser('app2', '', 'A-human-12-made-it');
      const adopted = { name: 'app2', declared: {}, incumbent, admin: mariadb.admin };
      expect(await faultOf(mariadb.rotations(adopted).preflight('v1'))).toMatchObject({
        name: 'RefusedByPolicy',
        safeMessage: expect.stringContaining('require: [lower, upper, digit, symbol]'),
      });
      const refusals = refusingFirst(mariadb, adopted);
      expect(await refusals.refused()).toMatchObject({
        name: 'RefusedByPolicy',
        safeMessage: expect.stringMatching(/: digit\.$/),
      });
      expect(await mariadb.sql(`SELECT User FROM mysql.user WHERE User = 'app2_a'`)).toEqual([]);
      const { first, second } = await refusals.takenBackAndTriedAnew();
      // The server's own opinion of both.
      await expect(mariadb.sql(`CREATE USER first IDENTIFIED BY '${first}'`)).rejects.toThrow(/policy/);
      await mariadb.sql(`CREATE USER second IDENTIFIED BY '${second}'`, 'DROP USER second');
      await mariadb.sql('SET GLOBAL simple_password_check_minimal_length = 21');
      expect(
        await faultOf(mariadb.rotations(adopted, { policy: { length: 20, require: [] } }).preflight('v1')),
      ).toMatchObject({
        safeMessage: expect.stringContaining('21 characters'),
      });
    });
  });
});
