import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import {
  AdminRefused,
  IncumbentRefused,
  Misconfigured,
  RekeyError,
  TargetUnreachable,
  TransientFailure,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { Connector } from '../../shared/rotators/mysql/connect.ts';
import { parseCredential } from '../../shared/rotators/mysql/credential-json.ts';
import { lockName } from '../../shared/rotators/mysql/turn.ts';
import { type DatabaseHarness, faultOf, parsed } from './mysql-harness.ts';
import { startFreezingProxy } from './mysql-proxy.ts';
import type { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

/** Each fault is told by its kind, whatever kind of server it is. */
export function refusalsSuite(start: () => Promise<DatabaseHarness>): void {
  let database: DatabaseHarness;
  let turn = 0;
  let name: string;
  let adopted: Adopted;

  beforeAll(async () => {
    database = await start();
  });
  afterAll(() => database?.stop());
  beforeEach(async () => {
    turn += 1;
    name = `app${turn}`;
    adopted = await database.adopt(name);
  });

  const preflight = async (more: Partial<Adopted> = {}) => {
    const rotations = database.rotations({ ...adopted, ...more });
    try {
      return await rotations.preflight('v1');
    } finally {
      await rotations.rotator.release();
    }
  };
  const changed = (value: SecretText, more: object) => database.secret({ ...parsed(value), ...more });

  it('tells a wrong administrator from a wrong incumbent', async () => {
    await expect(preflight({ admin: changed(database.admin, { password: 'wrong' }) })).rejects.toBeInstanceOf(
      AdminRefused,
    );
    await expect(preflight({ incumbent: changed(adopted.incumbent, { password: 'wrong' }) })).rejects.toBeInstanceOf(
      IncumbentRefused,
    );
    await expect(preflight({ incumbent: changed(adopted.incumbent, { username: 'nobody' }) })).rejects.toBeInstanceOf(
      IncumbentRefused,
    );
    await database.sql(`ALTER USER ${name}@'%' ACCOUNT LOCK`);
    await expect(preflight()).rejects.toBeInstanceOf(IncumbentRefused);
  });

  it('tells a closed port, and a database that is not there', async () => {
    const port = await freePort();
    const away = { admin: changed(database.admin, { port }), incumbent: changed(adopted.incumbent, { port }) };
    await expect(preflight(away)).rejects.toBeInstanceOf(TargetUnreachable);
    await expect(preflight({ incumbent: changed(adopted.incumbent, { dbname: 'nowhere' }) })).rejects.toBeInstanceOf(
      Misconfigured,
    );
  });

  it('says which type to declare for the other kind of server', async () => {
    const other = await import(
      database.engine === 'mysql'
        ? '../../shared/rotators/mariadb/mariadb-rotator.ts'
        : '../../shared/rotators/mysql/mysql-rotator.ts'
    );
    const [make] = Object.values(
      other as Readonly<Record<string, typeof import('../../shared/rotators/mysql/mysql-rotator.ts').mysqlRotator>>,
    );
    const rotator = make?.({ clock: { now: () => new Date(), sleep: async () => undefined } });
    const { settings } = database.rotations(adopted);
    const fault = await faultOf(
      rotator?.preflight({ ...adopted, settings, versionId: 'v1', known: [] }) ?? Promise.resolve(),
    );
    expect(fault).toMatchObject({
      name: 'Misconfigured',
      safeMessage: expect.stringContaining(`declare type ${database.engine}`),
    });
    await rotator?.release();
  });

  it('has no mode for one user with one password', async () => {
    const rotations = database.rotations(adopted, { mode: 'single_role' });
    expect(await faultOf(rotations.preflight('v1'))).toMatchObject({
      name: 'Misconfigured',
      safeMessage: expect.stringContaining('single_role'),
    });
  });

  it('does not take the administrator to another server than its secret names', async () => {
    const elsewhere = changed(database.admin, { host: 'db.example.com' });
    await expect(preflight({ admin: elsewhere })).rejects.toThrow(/does not name this server/);
    await preflight({ admin: elsewhere, declared: { connection: database.connection() } });
  });

  it('refuses an incumbent whose password the server does not keep itself', async () => {
    if (database.engine === 'mysql') await database.sql(`INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'`);
    const plugin = database.engine === 'mysql' ? 'WITH mysql_no_login' : 'VIA unix_socket';
    await database.sql(`ALTER USER ${name}@'%' IDENTIFIED ${plugin}`);
    expect(await faultOf(preflight())).toMatchObject({
      name: 'Misconfigured',
      safeMessage: expect.stringMatching(/mysql_no_login|unix_socket/),
    });
  });

  describe('a passing fault', () => {
    it('is a turn that does not come in time', async () => {
      const holder = await database.open(database.admin);
      await holder.query(`SELECT GET_LOCK('${lockName(name)}', 0)`);
      expect(await faultOf(database.rotations(adopted).bringIn())).toBeInstanceOf(TransientFailure);
      await database.closeSessions();
    });

    it('is a server that only reads for now', async () => {
      const admin = await database.createUser(`admin${turn}`);
      await database.sql(
        `GRANT CREATE USER ON *.* TO admin${turn}`,
        `GRANT SELECT ON mysql.* TO admin${turn}`,
        `GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}_data.* TO admin${turn} WITH GRANT OPTION`,
        'SET GLOBAL read_only = ON',
      );
      const rotations = database.rotations({ ...adopted, admin });
      const fault = await faultOf(rotations.bringIn());
      await database.sql('SET GLOBAL read_only = OFF');
      expect(fault).toBeInstanceOf(TransientFailure);
      await rotations.rotator.release();
    });

    it('is a session that the server ends in between', async () => {
      const rotations = database.rotations(adopted);
      await rotations.preflight('v1');
      const [admin] = await database.sql<{ id: number }>(
        `SELECT MAX(ID) AS id FROM information_schema.PROCESSLIST WHERE USER = '${database.server.adminUser}' AND ID <> CONNECTION_ID()`,
      );
      await database.sql(`KILL ${admin?.id}`);
      const { rotator, settings } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      const values = { ...adopted, settings, versionId: 'v1', startedAt: new Date() };
      const candidate = rotator.propose({
        ...values,
        candidate: database.engine === 'mysql' ? `${name}@v1` : `${name}_a`,
      });
      expect(await faultOf(rotator.install({ ...values, candidate }))).toBeInstanceOf(TransientFailure);
      await rotator.release();
    });

    it('is a server that has no connection left', async () => {
      const [before] = await database.sql<{ most: number }>('SELECT @@GLOBAL.max_connections AS most');
      // What earlier tests have left is still on its way out, and would make room in the middle of this one.
      await database.until(
        'nothing',
        `SELECT 1 FROM information_schema.PROCESSLIST
          WHERE ID <> CONNECTION_ID() AND USER NOT IN ('event_scheduler', 'system user')`,
      );
      await database.sql('SET GLOBAL max_connections = 10');
      const sessions = Array.from({ length: 12 }, () => database.open(adopted.incumbent).catch(() => undefined));
      await Promise.all(sessions);
      const fault = await faultOf(database.rotations(adopted).probe(adopted.incumbent));
      await database.closeSessions();
      await database.sql(`SET GLOBAL max_connections = ${before?.most}`);
      expect(fault).toBeInstanceOf(TransientFailure);
    });

    it('is a server that takes no more connections of a user: nothing begins, and no candidate is healthy', async () => {
      await database.sql(`ALTER USER ${name}@'%' WITH MAX_USER_CONNECTIONS 1`);
      await database.open(adopted.incumbent);
      await expect(preflight()).rejects.toBeInstanceOf(TransientFailure);
      const rotations = database.rotations(adopted, { preheatSeconds: 0 });
      expect(await faultOf(rotations.test({ value: adopted.incumbent }))).toMatchObject({
        name: 'CandidateUnproven',
        cause: { name: 'TransientFailure' },
      });
      await database.closeSessions();
    });
  });

  describe('a user whose connections are all in use', () => {
    it.each([
      ['its own limit', (user: string) => `ALTER USER ${user}@'%' WITH MAX_USER_CONNECTIONS 2`, 1226],
      ['its connections of an hour', (user: string) => `ALTER USER ${user}@'%' WITH MAX_CONNECTIONS_PER_HOUR 2`, 1226],
      ["everybody's limit", () => 'SET GLOBAL max_user_connections = 2', 1203],
    ])('has its password looked at first: %s', async (_, limiting, errno) => {
      const [before] = await database.sql<{ most: number }>('SELECT @@GLOBAL.max_user_connections AS most');
      await database.sql(limiting(name));
      try {
        for (let time = 0; time < 2; time += 1) await database.open(adopted.incumbent);
        expect(await faultOf(database.open(adopted.incumbent))).toMatchObject({ errno });
        const rotations = database.rotations(adopted);
        const wrong = changed(adopted.incumbent, { password: 'wrong' });
        expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
        expect(await rotations.probe(wrong)).toBe('refused');
        await database.sql(`ALTER USER ${name}@'%' ACCOUNT LOCK`);
        expect(await rotations.probe(adopted.incumbent)).toBe('refused');
      } finally {
        await database.closeSessions();
        await database.sql(`SET GLOBAL max_user_connections = ${before?.most}`);
      }
    });
  });

  describe('a server that says nothing any more', () => {
    const limits = { connectMilliseconds: 1_500, queryMilliseconds: 1_500, leaveMilliseconds: 50 };
    const QUIT = '\x01\0\0\0\x01';

    it.each([
      ['when the administrator has logged in', ['VERSION()'], /TransientFailure/],
      ['while another run is waited for', ['GET_LOCK'], /TransientFailure/],
      ['when the turn has come', ['GET_LOCK', 'VERSION()'], /TransientFailure/],
      ['while the password is set', ['IDENTIFIED'], /TransientFailure/],
      ['while the turn is given back', ['RELEASE_LOCK'], /none/],
      ['while it is left', ['RELEASE_LOCK', QUIT], /none/],
    ])('is left in time, and holds nobody up afterwards: %s', async (_, texts, fault) => {
      const proxy = await startFreezingProxy(database.server.port, texts);
      const away = (value: SecretText) => changed(value, { port: proxy.port });
      const through = { ...adopted, incumbent: away(adopted.incumbent), admin: away(database.admin) };
      const rotations = database.rotations(through, {}, { limits });
      const found = await faultOf(rotations.bringIn());
      expect(found === undefined ? 'none' : (found as Error).name).toMatch(fault);
      // Comes to an end only when every connection has.
      await rotations.rotator.release();
      await proxy.stop();
    });

    it('is no healthy one for a candidate', async () => {
      const brought = await database.rotations(adopted).bringIn();
      const proxy = await startFreezingProxy(database.server.port, ['CURRENT_USER']);
      const value = changed(brought.value, { port: proxy.port });
      const rotations = database.rotations(adopted, { preheatSeconds: 0 }, { limits });
      expect(await faultOf(rotations.test({ value }))).toMatchObject({ name: 'CandidateUnproven' });
      await rotations.rotator.release();
      await proxy.stop();
    });

    it('gives free what a session holds, a minute after the client has gone without a word', async () => {
      const connector = new Connector();
      const { login } = parseCredential(database.admin, 'administrator');
      const asked = connector.during(
        login,
        () => new Error('refused'),
        (session) => session.query('reading', 'SELECT @@SESSION.wait_timeout AS seconds'),
      );
      expect(await asked).toEqual([{ seconds: 60 }]);
      await connector.release();
    });
  });

  it('no error text quotes a value', async () => {
    const { password } = parsed(adopted.incumbent);
    const faults = await Promise.all(
      [
        preflight({ admin: changed(database.admin, { password }) }),
        preflight({ admin: changed(database.admin, { username: '' }) }),
        preflight({ admin: changed(database.admin, { port: password }) }),
        preflight({ incumbent: changed(adopted.incumbent, { dbname: password }) }),
        preflight({ incumbent: changed(adopted.incumbent, { host: `${password} ` }) }),
      ].map(faultOf),
    );
    for (const fault of faults) {
      expect(fault).toBeInstanceOf(RekeyError);
      expect((fault as RekeyError).safeMessage).not.toContain(password);
    }
  });

  it('touches nothing that it refuses', async () => {
    const rotations: RotationByHand = database.rotations({ ...adopted, admin: adopted.incumbent });
    const before = await database.stateOf(name, `${name}_a`);
    await faultOf(rotations.preflight('v1'));
    expect(await database.stateOf(name, `${name}_a`)).toBe(before);
  });
}
