import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusedByPolicy } from '../../shared/errors.ts';
import {
  type DatabaseHarness,
  faultOf,
  mysqlBinaries,
  parsed,
  startMysqlHarness,
  WITH_MYSQL,
} from './mysql-harness.ts';
import { refusingFirst } from './mysql-refusing-first.ts';
import { refusalsSuite } from './mysql-refusals.suite.ts';

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  refusalsSuite(startMysqlHarness);

  describe('a login that says why it fails', () => {
    let mysql: DatabaseHarness;
    beforeAll(async () => {
      mysql = await startMysqlHarness();
    });
    afterAll(() => mysql?.stop());

    it.each([
      ['an expired password', 'ALTER USER app PASSWORD EXPIRE', /has expired/],
      ['a server that takes only TLS', 'SET GLOBAL require_secure_transport = ON', /takes only TLS/],
    ])('is told from one that is refused: %s', async (_, statement, reason) => {
      await mysql.sql('DROP USER IF EXISTS app');
      const incumbent = await mysql.createUser('app');
      const rotations = mysql.rotations({ name: 'app', declared: {}, incumbent, admin: mysql.admin });
      await mysql.sql(statement);
      expect(await faultOf(rotations.probe(incumbent))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringMatching(reason),
      });
    });

    it('is told from one that is refused: an account that failed logins have blocked', async () => {
      const other = await startMysqlHarness();
      try {
        const incumbent = await other.createUser('app', 'FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED');
        const rotations = other.rotations({ name: 'app', declared: {}, incumbent, admin: other.admin });
        const wrong = other.secret({ username: 'app', password: 'wrong' });
        expect(await faultOf(rotations.probe(wrong))).toMatchObject({
          safeMessage: expect.stringContaining('ACCOUNT UNLOCK'),
        });
      } finally {
        await other.stop();
      }
    });
  });

  describe.each([
    ['two passwords of one user', true],
    ['two users', false],
  ])('a server with rules about passwords, and %s', (_, dualPasswords) => {
    let mysql: DatabaseHarness;
    beforeAll(async () => {
      mysql = await startMysqlHarness({}, { dualPasswords });
      await mysql.sql(`INSTALL COMPONENT 'file://component_validate_password'`);
    });
    afterAll(() => mysql?.stop());

    it('is kept to, and preflight says what to declare', async () => {
      const incumbent = await mysql.createUser('app', 'PASSWORD HISTORY 5', 'A-human-1-made-it');
      const adopted = { name: 'app', declared: {}, incumbent, admin: mysql.admin };
      const fault = await faultOf(mysql.rotations(adopted).preflight('v1'));
      expect(fault).toBeInstanceOf(RefusedByPolicy);
      expect((fault as RefusedByPolicy).safeMessage).toContain('require: [lower, upper, digit, symbol]');
      const policy = { length: 20, require: ['lower', 'upper', 'digit', 'symbol'] } as const;
      const rotations = mysql.rotations(adopted, { policy });
      await rotations.rotate();
      const { password } = parsed((await rotations.rotate()).value);
      // The server's own opinion of what it was given as a hash.
      await mysql.sql(`CREATE USER like_it IDENTIFIED BY '${password.replaceAll("'", "''")}'`);
      await mysql.sql('SET GLOBAL validate_password.length = 24');
      expect(await faultOf(rotations.preflight('v1'))).toMatchObject({
        safeMessage: expect.stringContaining('24 characters'),
      });
    });

    it('is given another value after one that by chance does not meet them, and takes that', async () => {
      await mysql.sql('SET GLOBAL validate_password.length = 8', 'SET GLOBAL validate_password.number_count = 2');
      const incumbent = await mysql.createUser('app2', '', 'A-human-12-made-it');
      const adopted = { name: 'app2', declared: {}, incumbent, admin: mysql.admin };
      const refusals = refusingFirst(mysql, adopted);
      const before = await mysql.stateOf('app2', 'app2_a');
      expect(await refusals.refused()).toMatchObject({
        name: 'RefusedByPolicy',
        safeMessage: expect.stringMatching(/: digit\.$/),
      });
      expect(await mysql.stateOf('app2', 'app2_a')).toBe(before);
      const { first, second } = await refusals.takenBackAndTriedAnew();
      // The server's own opinion of both.
      await expect(mysql.sql(`CREATE USER first IDENTIFIED BY '${first}'`)).rejects.toThrow(/policy/);
      await mysql.sql(`CREATE USER second IDENTIFIED BY '${second}'`, 'DROP USER second');
    });
  });
});
