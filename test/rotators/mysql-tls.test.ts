import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../shared/config/parse-configuration.ts';
import { type DatabaseHarness, faultOf, mysqlBinaries, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';
import { tlsSuite } from './mysql-tls.suite.ts';

const path = (name: string) => join(import.meta.dirname, 'tls', name);

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  tlsSuite(startMysqlHarness);

  describe('a user who is its own administrator', () => {
    let secure: DatabaseHarness;
    beforeAll(async () => {
      secure = await startMysqlHarness({
        ssl_ca: path('authority.crt'),
        ssl_cert: path('server.crt'),
        ssl_key: path('server.key'),
      });
    });
    afterAll(() => secure?.stop());

    /** The connection of a secret without `admin_secret`, as the file declares it. */
    function declared(...fields: readonly string[]) {
      const { host, port } = secure.connection();
      const connection = [`host: ${host}`, `port: ${port}`, ...fields].join(', ');
      const text = `secrets: [{ name: app, type: mysql, rotation: daily, connection: { ${connection} } }]`;
      const beside = (file: string) => (file === 'ca.pem' ? readFileSync(path('authority.crt')) : undefined);
      const result = parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) }, beside);
      if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
      return result.configuration.environments[0]?.secrets[0]?.connection;
    }

    it('is rotated over TLS that a declared authority signed, and not without it', async () => {
      const adopted = { ...(await secure.adopt('app', 'REQUIRE SSL')), admin: undefined };
      await secure.sql(
        'GRANT CREATE USER, APPLICATION_PASSWORD_ADMIN ON *.* TO app',
        'GRANT SELECT ON mysql.user TO app',
      );
      const connection = declared('tls: require', 'certificate_authority: ca.pem');
      const rotations = secure.rotations(adopted, connection === undefined ? {} : { connection });
      const { preflight, value } = await rotations.rotate();
      expect(preflight.facts).toMatchObject({ tls: 'verified', mode: 'dual_password' });
      expect(await rotations.probe(value)).toBe('accepted');
      expect(await rotations.probe(adopted.incumbent)).toBe('refused');

      const untrusted = declared('tls: require');
      const others = secure.rotations(adopted, untrusted === undefined ? {} : { connection: untrusted });
      expect(await faultOf(others.probe(value))).toMatchObject({ name: 'TargetUnreachable' });
      await rotations.rotator.release();
    });
  });
});
