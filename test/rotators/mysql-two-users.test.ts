import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlotOccupied } from '../../shared/errors.ts';
import {
  type DatabaseHarness,
  faultOf,
  mysqlBinaries,
  startMysqlHarness,
  usernameOf,
  WITH_MYSQL,
} from './mysql-harness.ts';
import { twoUsersSuite } from './mysql-two-users.suite.ts';

const RETAINED =
  "SELECT 1 FROM mysql.user WHERE User = 'dying_a' AND User_attributes->'$.additional_password' IS NOT NULL";

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  twoUsersSuite((settings) => startMysqlHarness(settings, { dualPasswords: false }));

  describe('what only MySQL has', () => {
    let mysql: DatabaseHarness;
    beforeAll(async () => {
      mysql = await startMysqlHarness({ partial_revokes: 'ON' }, { dualPasswords: false });
      await mysql.sql('CREATE DATABASE closed_data', 'CREATE DATABASE open_data', 'CREATE TABLE open_data.t (a INT)');
    });
    afterAll(() => mysql?.stop());

    it('is copied: partial revokes, dynamic privileges, rules for passwords and failed logins', async () => {
      const adopted = await mysql.adopt(
        'app',
        'PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL 7 DAY PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 5 PASSWORD_LOCK_TIME 2',
      );
      await mysql.sql(
        'GRANT SELECT, INSERT, UPDATE ON *.* TO app',
        'REVOKE UPDATE, INSERT ON closed_data.* FROM app',
        'GRANT BACKUP_ADMIN ON *.* TO app WITH GRANT OPTION',
        'GRANT SESSION_VARIABLES_ADMIN ON *.* TO app',
      );
      const rotations = mysql.rotations(adopted);
      await rotations.rotate();
      expect(await described('app_a')).toEqual(await described('app'));
      await mysql.sql(
        'GRANT INSERT ON closed_data.* TO app_a',
        'REVOKE BACKUP_ADMIN ON *.* FROM app_a',
        'ALTER USER app_a FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0 PASSWORD HISTORY DEFAULT PASSWORD REQUIRE CURRENT OPTIONAL',
      );
      await rotations.rotate();
      await mysql.sql('REVOKE UPDATE ON open_data.* FROM app_b', 'GRANT UPDATE ON closed_data.* TO app_b');
      await rotations.rotate();
      expect(usernameOf(rotations.current.value)).toBe('app_a');
      expect(await described('app_a')).toEqual(await described('app_b'));
    });

    it('is gone on with where it died in between: the end of a user that has a retained password', async () => {
      const rotations = mysql.rotations(await mysql.adopt('dying'));
      const first = await rotations.rotate();
      const second = await rotations.bringIn();
      rotations.promote(second);
      await rotations.retire(first.versionId, { forget: false });
      const [row] = await mysql.sql<{ hash: string; plugin: string }>(
        "SELECT HEX(authentication_string) AS hash, plugin FROM mysql.user WHERE User = 'dying_a'",
      );
      // Its password is the unusable one already, and the retained one is not yet discarded.
      const statement = `ALTER USER dying_a IDENTIFIED WITH ${row?.plugin} AS 0x${row?.hash} RETAIN CURRENT PASSWORD`;
      await mysql.sql(statement);
      await rotations.retire(first.versionId);
      expect(await mysql.sql(RETAINED)).toEqual([]);
      await rotations.preflight(crypto.randomUUID());
      // Somebody's, since.
      await mysql.sql(statement);
      expect(await faultOf(rotations.preflight(crypto.randomUUID()))).toBeInstanceOf(SlotOccupied);
      expect(await mysql.sql(RETAINED)).toHaveLength(1);
      await rotations.rotator.release();
    });

    it('counts where SELECT everywhere becomes databases: names are names, and some are left out', async () => {
      const adopted = await mysql.adopt('reading');
      await mysql.sql('GRANT SELECT ON *.* TO reading', 'REVOKE SELECT ON closed_data.* FROM reading');
      const rotations = mysql.rotations(adopted, { privileges: 'read_only' });
      await rotations.rotate();
      const found = (await mysql.grantsOf('reading_a')).join('\n');
      expect(found).toContain('GRANT SELECT ON `open_data`.*');
      expect(found).not.toMatch(/closed_data|`mysql`|REVOKE/);
      await mysql.as(rotations.current.value, 'SELECT * FROM open_data.t');
    });

    /** The account's privileges and options, whoever it is. */
    async function described(user: string): Promise<readonly string[]> {
      const [row] = await mysql.sql(`SHOW CREATE USER ${user}`);
      const options = String(Object.values(row ?? {})[0]).replace(/^.* REQUIRE/s, 'REQUIRE');
      const grants = await mysql.grantsOf(user);
      return [options, ...grants.map((line) => line.replaceAll(`\`${user}\`@`, '`N`@')).sort()];
    }
  });
});
