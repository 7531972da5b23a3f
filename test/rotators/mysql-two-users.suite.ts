import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  RetirementPending,
  RotationEnded,
  SameAsSurvivor,
  SlotOccupied,
  StillAlive,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { lockName } from '../../shared/rotators/mysql/turn.ts';
import type { Preflight, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { type DatabaseHarness, faultOf, parsed, usernameOf } from './mysql-harness.ts';
import type { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

const LOG = 'general.log';

/** What every server keeps whose users take turns. */
export function twoUsersSuite(start: (settings: Readonly<Record<string, string>>) => Promise<DatabaseHarness>): void {
  let database: DatabaseHarness;
  let isMariadb: boolean;
  let turn = 0;
  let name: string;
  let adopted: Adopted;
  let rotations: RotationByHand;

  beforeAll(async () => {
    database = await start({ general_log: 'ON', general_log_file: LOG });
    isMariadb = database.engine === 'mariadb';
    await database.sql('CREATE ROLE reader', 'CREATE ROLE writer', 'CREATE ROLE inner_role');
    await database.sql('CREATE DATABASE shared_data', 'CREATE TABLE shared_data.t (a INT, b INT)');
    await database.sql('CREATE PROCEDURE shared_data.p() SELECT 1', 'CREATE VIEW shared_data.v AS SELECT 1 AS x');
    await database.sql('CREATE FUNCTION shared_data.f() RETURNS INT DETERMINISTIC RETURN 1');
    await database.sql('GRANT SELECT ON shared_data.* TO reader', 'GRANT INSERT ON shared_data.* TO writer');
    await database.sql('GRANT SELECT ON shared_data.t TO inner_role', 'GRANT inner_role TO writer');
  });
  afterAll(() => database?.stop());
  beforeEach(async () => {
    turn += 1;
    name = `app${turn}`;
    adopted = await database.adopt(name);
    rotations = database.rotations(adopted);
  });
  afterEach(async () => {
    await rotations.rotator.release();
    await database.closeSessions();
  });

  describe('two users', () => {
    it('take turns after one that was made by hand, and each retired one is closed', async () => {
      const turns: string[] = [];
      for (let time = 0; time < 4; time += 1) {
        const old = rotations.current.value;
        const brought = await rotations.bringIn();
        turns.push(brought.preflight.candidate);
        expect(await rotations.test(brought)).toMatchObject({
          healthy: 1,
          parity: expect.arrayContaining(['privileges']),
        });
        expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
        expect(await rotations.probe(old)).toBe('refused');
      }
      expect(turns).toEqual([`${name}_a`, `${name}_b`, `${name}_a`, `${name}_b`]);
      expect(await locked()).toEqual({ [name]: true, [`${name}_a`]: true, [`${name}_b`]: false });
      // Who unlocks one does not bring its password back.
      await database.sql(`ALTER USER ${name} ACCOUNT UNLOCK`);
      expect(await rotations.probe(adopted.incumbent)).toBe('refused');
    });

    it('have the same privileges, roles and limits, whatever the incumbent got meanwhile', async () => {
      const account = `${name}@'%'`;
      await database.sql(
        `GRANT SELECT (a), INSERT (a, b), DELETE ON shared_data.t TO ${account} WITH GRANT OPTION`,
        `GRANT EXECUTE ON PROCEDURE shared_data.p TO ${account}`,
        `GRANT EXECUTE ON FUNCTION shared_data.f TO ${account} WITH GRANT OPTION`,
        'GRANT ALL ON `like\\_this%`.* TO ' + account,
        `GRANT ALL ON whole.* TO ${account} WITH GRANT OPTION`,
        `GRANT PROCESS, ${isMariadb ? 'CONNECTION ADMIN' : 'CONNECTION_ADMIN'} ON *.* TO ${account}`,
        `GRANT reader TO ${account}`,
        `GRANT writer TO ${account} WITH ADMIN OPTION`,
        `SET DEFAULT ROLE reader ${isMariadb ? 'FOR' : 'TO'} ${account}`,
        `ALTER USER ${account} REQUIRE NONE WITH MAX_USER_CONNECTIONS 70 MAX_QUERIES_PER_HOUR 90000 PASSWORD EXPIRE INTERVAL 90 DAY`,
      );
      const first = await rotate();
      expect(await grants(usernameOf(first))).toEqual(await grants(name));
      expect(await limits(usernameOf(first))).toEqual(await limits(name));
      await database.as(first, 'SELECT b FROM shared_data.t');
      const second = await rotate();
      await database.sql(
        `REVOKE ALL ON whole.* FROM ${name}_b@'%'`,
        `REVOKE GRANT OPTION ON whole.* FROM ${name}_b@'%'`,
        `GRANT SELECT ON whole.* TO ${name}_b@'%'`,
        `REVOKE DELETE ON shared_data.t FROM ${name}_b@'%'`,
        `REVOKE writer FROM ${name}_b@'%'`,
        `ALTER USER ${name}_b@'%' WITH MAX_USER_CONNECTIONS 0`,
        `SET DEFAULT ROLE NONE ${isMariadb ? 'FOR' : 'TO'} ${name}_b@'%'`,
      );
      const third = await rotate();
      expect(usernameOf(third)).toBe(`${name}_a`);
      expect(await grants(`${name}_a`)).toEqual(await grants(usernameOf(second)));
      expect(await limits(`${name}_a`)).toEqual(await limits(`${name}_b`));
    });

    it('do without privileges on what is gone', async () => {
      await database.sql(
        `CREATE TABLE ${name}_data.gone (a INT)`,
        `ALTER TABLE ${name}_data.things ADD COLUMN passing INT`,
        `CREATE PROCEDURE ${name}_data.going() SELECT 1`,
        `GRANT SELECT ON ${name}_data.gone TO ${name}@'%'`,
        `GRANT SELECT (passing), SELECT (id) ON ${name}_data.things TO ${name}@'%'`,
        `GRANT EXECUTE ON PROCEDURE ${name}_data.going TO ${name}@'%'`,
        `DROP TABLE ${name}_data.gone`,
        `ALTER TABLE ${name}_data.things DROP COLUMN passing`,
        `DROP PROCEDURE ${name}_data.going`,
      );
      await rotate();
      expect((await grants(`${name}_a`)).join('\n')).toContain('SELECT (`id`)');
      expect((await grants(`${name}_a`)).join('\n')).not.toMatch(/passing|gone|going/);
    });

    it('carry the other keys of the secret over, and get a password by the declared policy', async () => {
      const incumbent = database.secret({
        ...parsed(adopted.incumbent),
        dbname: `${name}_data`,
        team: { name: 'blue' },
      });
      const policy = { length: 40, require: ['upper', 'digit'] } as const;
      const { value } = await database.rotations({ ...adopted, incumbent }, { policy }).bringIn();
      expect(parsed(value)).toEqual({
        ...parsed(incumbent),
        username: `${name}_a`,
        password: expect.stringMatching(/^.{40}$/),
      });
    });

    it('keep what the retired one defined', async () => {
      const first = await rotate();
      await database.sql(`GRANT CREATE VIEW, SELECT ON ${name}_data.* TO ${name}_a@'%'`);
      await database.as(first, `CREATE VIEW ${name}_data.seen AS SELECT id FROM ${name}_data.things`);
      const second = await rotate();
      await database.as(second, `SELECT * FROM ${name}_data.seen`);
    });

    it('are only ever given hashes: nothing that the server logs holds a password', async () => {
      const values = [await rotate(), await rotate()];
      const log = await readFile(join(database.server.dataDirectory, LOG), 'latin1');
      expect(log).toContain(`${name}_b`);
      for (const value of values) expect(log).not.toContain(parsed(value).password);
    });
  });

  describe('names', () => {
    it('of users made by hand may look like one of two', async () => {
      const team = await database.adopt(`team${turn}_a`);
      const own = database.rotations(team);
      await own.rotate();
      await own.rotate();
      expect(own.known.map(({ identity }) => identity).sort()).toEqual([
        `team${turn}_a`,
        `team${turn}_a_a`,
        `team${turn}_a_b`,
      ]);
      // A registry that was lost: one of the two is all that is known, and becomes a base itself.
      const again = database.rotations({ ...team, name: 'elsewhere', incumbent: own.current.value });
      expect((await again.preflight('v1')).candidate).toBe(`team${turn}_a_b_a`);
    });

    it('stay two when they are too long', async () => {
      const long = `long${turn}`.padEnd(isMariadb ? 128 : 32, '漢');
      const incumbent = await database.createUser(long);
      const own = database.rotations({ ...adopted, incumbent });
      const [first, second] = [await own.rotate(), await own.rotate()].map(({ value }) => usernameOf(value));
      expect(first).not.toBe(second);
      for (const user of [first, second]) expect(user).toHaveLength(long.length);
      expect(usernameOf((await own.rotate()).value)).toBe(first);
    });
  });

  describe('the place of the candidate', () => {
    it('is not there while it is in its grace period, or another version has it', async () => {
      await rotate();
      await rotate();
      const replaced = rotations.promote(await rotations.bringIn());
      expect(await preflightFault()).toBeInstanceOf(RetirementPending);
      await rotations.retire(replaced);
      await rotations.bringIn();
      expect(await preflightFault()).toBeInstanceOf(SlotOccupied);
    });

    it('is not there while it may log in, has sessions, or an account for another host', async () => {
      const settings = { endSessions: false };
      rotations = database.rotations(adopted, settings);
      const first = await rotate();
      const session = await database.open(first);
      await rotate();
      expect(await preflightFault()).toMatchObject({
        name: 'SlotOccupied',
        safeMessage: expect.stringMatching(/1 of its sess/),
      });
      await session.end();
      await database.until('nothing', `SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = '${name}_a'`);
      await database.sql(`ALTER USER ${name}_a ACCOUNT UNLOCK`);
      expect(await preflightFault()).toMatchObject({
        name: 'SlotOccupied',
        safeMessage: expect.stringMatching(/lets it log in/),
      });
      await database.sql(`ALTER USER ${name}_a ACCOUNT LOCK`, `CREATE USER ${name}_a@'10.1.%'`);
      expect(await preflightFault()).toMatchObject({
        name: 'SlotOccupied',
        safeMessage: expect.stringContaining('10.1.%'),
      });
    });

    it.each([
      ['may log in', ''],
      ['is locked', 'ACCOUNT LOCK'],
    ])(
      'is not there on a later try, when somebody has made a user there that %s: it stays as it is',
      async (_, clauses) => {
        const versionId = crypto.randomUUID();
        rotations.journal(versionId, await rotations.preflight(versionId));
        const foreign = await database.createUser(`${name}_a`, clauses);
        const before = await database.stateOf(`${name}_a`);
        expect(await faultOf(rotations.bringIn(versionId))).toBeInstanceOf(SlotOccupied);
        expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: true });
        expect(await database.stateOf(`${name}_a`)).toBe(before);
        expect(await rotations.probe(foreign)).toBe(clauses === '' ? 'accepted' : 'refused');
      },
    );

    it('is not there while a locked user is not one that Rekey has closed for this secret', async () => {
      await rotate();
      await rotate();
      const closed = rotations.known.find(({ identity }) => identity === `${name}_a`);
      expect(closed?.state).toBe('retired');
      await rotations.preflight(crypto.randomUUID());
      const other = await database.adopt(`other${turn}`);
      const others = database.rotations({ ...other, incumbent: rotations.current.value });
      Object.defineProperty(others, 'known', { value: rotations.known });
      expect(await faultOf(others.preflight(crypto.randomUUID()))).toMatchObject({
        name: 'SlotOccupied',
        safeMessage: expect.stringMatching(/is locked, but not with/),
      });
      await database.sql(`DROP USER ${name}_a`);
      await database.createUser(`${name}_a`, 'ACCOUNT LOCK');
      expect(await preflightFault()).toMatchObject({
        name: 'SlotOccupied',
        safeMessage: expect.stringMatching(/is locked, but not with.*DROP USER/),
      });
      await database.sql(`DROP USER ${name}_a`);
      expect(usernameOf(await rotate())).toBe(`${name}_a`);
    });

    it('is for the same host as the incumbent, who has one account only', async () => {
      await database.sql(`RENAME USER ${name}@'%' TO ${name}@'127.0.0.%'`);
      await rotate();
      const hosts = `SELECT Host FROM mysql.user WHERE User = '${name}_a'`;
      expect(await database.sql(hosts)).toEqual([{ Host: '127.0.0.%' }]);
      await database.sql(`CREATE USER ${name}_a@'10.1.%'`);
      expect(await preflightFault()).toBeInstanceOf(Misconfigured);
    });
  });

  describe('an install that comes late', () => {
    let late: { readonly versionId: string; readonly startedAt: Date; readonly preflight: Preflight };
    beforeEach(async () => {
      const versionId = crypto.randomUUID();
      late = { versionId, startedAt: rotations.nextStart(), preflight: await rotations.preflight(versionId) };
    });

    it('is refused when a later rotation has the user, and changes nothing', async () => {
      await rotations.bringIn();
      await refused();
    });

    it('is refused also when the later one was rolled back', async () => {
      await rotations.retire((await rotations.bringIn()).versionId);
      await refused();
    });

    it('is refused also by a user of somebody else that has come meanwhile', async () => {
      await database.createUser(`${name}_a`);
      await refused();
    });

    it('is refused also when the later one comes first while it waits for its turn', async () => {
      const holder = await database.open(database.admin);
      await holder.query(`SELECT GET_LOCK('${lockName(name)}', 0)`);
      const ended = expect(install()).rejects.toBeInstanceOf(RotationEnded);
      await database.somebodyWaits();
      await database.createUser(`${name}_a`);
      const before = await database.stateOf(`${name}_a`);
      await holder.query(`SELECT RELEASE_LOCK('${lockName(name)}')`);
      await ended;
      expect(await database.stateOf(`${name}_a`)).toBe(before);
    });

    it('completes what an earlier try of it has begun', async () => {
      const brought = await rotations.bringIn(late.versionId, { times: 2, startedAt: late.startedAt });
      await database.sql(
        `ALTER USER ${name}_a ACCOUNT LOCK`,
        `REVOKE SELECT ON ${name}_data.* FROM ${name}_a@'%'`,
        `GRANT SELECT ON shared_data.* TO ${name}_a@'%'`,
      );
      const { fence } = await rotations.preflight(late.versionId);
      await install(
        { ...late, preflight: { ...late.preflight, ...(fence === undefined ? {} : { fence }) } },
        brought.value,
      );
      expect(await rotations.test(brought)).toMatchObject({ healthy: 1 });
    });

    it('is refused also when it is the same rotation, taken back meanwhile, however fresh its preflight is', async () => {
      const brought = await rotations.bringIn(late.versionId, { startedAt: late.startedAt });
      await rotations.retire(late.versionId, { forget: false });
      const before = await database.stateOf(`${name}_a`);
      await expect(install(late, brought.value)).rejects.toBeInstanceOf(RotationEnded);
      const preflight = await rotations.preflight(late.versionId);
      await expect(install({ ...late, preflight }, brought.value)).rejects.toBeInstanceOf(RotationEnded);
      expect(await database.stateOf(`${name}_a`)).toBe(before);
      expect(await rotations.probe(brought.value)).toBe('refused');
      await rotations.retire(late.versionId);
      expect(await database.stateOf(`${name}_a`)).toBe(before);
      expect(usernameOf(await rotate())).toBe(`${name}_a`);
    });

    it('is refused also when it was taken back before it came, where a closed user waits for it', async () => {
      await rotate();
      await rotate();
      const versionId = crypto.randomUUID();
      const preflight = await rotations.preflight(versionId);
      const value = propose(versionId, preflight);
      rotations.journal(versionId, preflight);
      await rotations.retire(versionId);
      const before = await database.stateOf(`${name}_a`);
      const coming = install({ versionId, startedAt: rotations.nextStart(), preflight }, value);
      await expect(coming).rejects.toBeInstanceOf(RotationEnded);
      expect(await database.stateOf(`${name}_a`)).toBe(before);
      expect(usernameOf(await rotate())).toBe(`${name}_a`);
    });

    async function refused(): Promise<void> {
      const before = await database.stateOf(name, `${name}_a`);
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
      expect(await database.stateOf(name, `${name}_a`)).toBe(before);
    }

    async function install(rotation = late, value?: SecretText): Promise<void> {
      const { rotator, settings } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      const { versionId, startedAt, preflight } = rotation;
      const values = { settings, admin: adopted.admin, incumbent: rotations.current.value, versionId };
      const candidate = value ?? propose(versionId, preflight);
      await rotator.install({ ...values, startedAt, candidate, fence: preflight.fence });
    }

    function propose(versionId: string, { candidate }: Preflight): SecretText {
      const { rotator, settings, current } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      return rotator.propose({ settings, admin: adopted.admin, incumbent: current.value, versionId, candidate });
    }
  });

  describe('the end of a user', () => {
    it('ends its sessions, unless told otherwise, and is done again where it was interrupted', async () => {
      const session = await database.open(adopted.incumbent);
      const ended = new Promise((resolve) => session.once('error', resolve));
      const brought = await rotations.bringIn();
      const newer = await database.open(brought.value);
      const replaced = rotations.promote(brought);
      const kept = database.rotations(adopted, { endSessions: false });
      const input = { ...retirement(name, replaced), value: adopted.incumbent, survivor: brought.value };
      expect(await kept.rotator.retire({ ...input, settings: kept.settings })).toMatchObject({
        endedSessions: 0,
        facts: { sessions: '1 left open, as configured' },
      });
      await session.query('SELECT 1');
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true, endedSessions: 1 });
      await ended;
      await newer.query('SELECT 1');
    });

    it('does not wait until the consumers leave a connection of the other free', async () => {
      await database.sql(`ALTER USER ${name}@'%' WITH MAX_USER_CONNECTIONS 2`);
      const brought = await rotations.bringIn();
      await database.openAll(brought.value);
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
    });

    it('ends its sessions also where somebody has made an account for another host, and tells of both', async () => {
      const session = await database.open(adopted.incumbent);
      const ended = new Promise((resolve) => session.once('error', resolve));
      const brought = await rotations.bringIn();
      const replaced = rotations.promote(brought);
      const foreign = `${name}@'10.9.%'`;
      await database.sql(`CREATE USER ${foreign} IDENTIFIED BY 'a person''s'`);
      const before = await database.sql(`SHOW CREATE USER ${foreign}`);
      // A try that died between the lock and the sessions.
      const kept = database.rotations(adopted, { endSessions: false });
      const input = { ...retirement(name, replaced), value: adopted.incumbent, survivor: brought.value };
      await kept.rotator.retire({ ...input, settings: kept.settings });
      expect(await rotations.retire(replaced)).toMatchObject({
        refusedLogin: true,
        endedSessions: 1,
        facts: { user: 'closed; for host 10.9.% it is not this credential: left alone', sessions: 'ended' },
      });
      await ended;
      expect(await database.sql(`SHOW CREATE USER ${foreign}`)).toEqual(before);
    });

    it('leaves sessions open that may be of an account for another host, and says so', async () => {
      const session = await database.open(adopted.incumbent);
      const brought = await rotations.bringIn();
      const replaced = rotations.promote(brought);
      await database.sql(`CREATE USER ${name}@'127.0.0._' IDENTIFIED BY 'a person''s'`);
      expect(await rotations.retire(replaced)).toMatchObject({
        refusedLogin: true,
        endedSessions: 0,
        facts: { sessions: 'ended; 1 left open, which may be of the other account' },
      });
      await session.query('SELECT 1');
    });

    it('leaves a user alone that is not it: a later rotation has it, or somebody else', async () => {
      const first = await rotations.rotate();
      await rotations.rotate();
      const third = await rotations.bringIn();
      expect(third.preflight.candidate).toBe(first.preflight.candidate);
      const before = await database.stateOf(`${name}_a`);
      const late = {
        ...retirement(`${name}_a`, first.versionId),
        value: first.value,
        survivor: rotations.current.value,
      };
      expect(await rotations.rotator.retire(late)).toMatchObject({
        refusedLogin: true,
        facts: { user: 'it is installed for another version: left alone' },
      });
      await expect(rotations.rotator.retire({ ...late, value: undefined })).resolves.toMatchObject({
        refusedLogin: false,
      });
      const unknown = { ...late, known: [], value: undefined };
      await expect(rotations.rotator.retire(unknown)).rejects.toBeInstanceOf(StillAlive);
      expect(await database.stateOf(`${name}_a`)).toBe(before);
      await database.sql(`DROP USER ${name}_b`);
      const absent = { ...retirement(`${name}_b`, 'v0'), value: undefined, survivor: third.value };
      expect(await rotations.rotator.retire(absent)).toMatchObject({
        refusedLogin: false,
        facts: { user: 'it does not exist' },
      });
    });

    it('ends nothing when the user that must go on is refused, or is the same', async () => {
      const brought = await rotations.bringIn();
      const before = await database.stateOf(name, `${name}_a`);
      const wrong = database.secret({ ...parsed(brought.value), password: 'not the one' });
      const work = { ...retirement(name, 'v0'), value: adopted.incumbent };
      await expect(rotations.rotator.retire({ ...work, survivor: wrong })).rejects.toBeInstanceOf(IncumbentRefused);
      await expect(rotations.rotator.retire({ ...work, survivor: adopted.incumbent })).rejects.toBeInstanceOf(
        SameAsSurvivor,
      );
      const other = { ...work, identity: 'another', survivor: brought.value };
      await expect(rotations.rotator.retire(other)).rejects.toBeInstanceOf(Misconfigured);
      expect(await database.stateOf(name, `${name}_a`)).toBe(before);
    });
  });

  describe('parity', () => {
    it.each([
      ['a privilege too few', (n: string) => `REVOKE DELETE ON ${n}_data.* FROM ${n}_a@'%'`, /DELETE on `app\d+_data`/],
      ['a privilege too many', (n: string) => `GRANT CREATE ON ${n}_data.* TO ${n}_a@'%'`, /CREATE on/],
      [
        'a grant option',
        (n: string) => `GRANT SELECT ON ${n}_data.* TO ${n}_a@'%' WITH GRANT OPTION`,
        /to be passed on/,
      ],
      ['a column', (n: string) => `GRANT SELECT (id) ON ${n}_data.things TO ${n}@'%'`, /SELECT \(`id`\) on/],
      ['a role', (n: string) => `GRANT reader TO ${n}@'%'`, /role `reader`/],
      ['a limit', (n: string) => `ALTER USER ${n}@'%' WITH MAX_USER_CONNECTIONS 5`, /limits/],
      ['a requirement', (n: string) => `ALTER USER ${n}@'%' REQUIRE SSL`, /limits and requirements/],
    ])('is missing by %s', async (_, statement, difference) => {
      const brought = await rotations.bringIn();
      await database.sql(statement(name));
      const fault = await faultOf(rotations.test(brought));
      expect(fault).toBeInstanceOf(CandidateUnproven);
      expect((fault as CandidateUnproven).safeMessage).toMatch(difference);
    });

    it('is missing by a default role', async () => {
      await database.sql(`GRANT reader TO ${name}@'%'`);
      const brought = await rotations.bringIn();
      await database.sql(`SET DEFAULT ROLE reader ${isMariadb ? 'FOR' : 'TO'} ${name}@'%'`);
      expect(await faultOf(rotations.test(brought))).toMatchObject({
        safeMessage: expect.stringContaining('default roles'),
      });
    });

    it('is looked at only when the candidate logs in as often as asked', async () => {
      rotations = database.rotations(adopted, { preheatSeconds: 0, healthyThreshold: 3 });
      const brought = await rotations.bringIn();
      expect(await rotations.test(brought)).toMatchObject({ healthy: 3 });
      await database.sql(`ALTER USER ${name}_a ACCOUNT LOCK`);
      expect(await faultOf(rotations.test(brought))).toMatchObject({
        name: 'CandidateUnproven',
        safeMessage: expect.stringContaining('refuses its login'),
      });
    });
  });

  describe('an administrator', () => {
    it('needs CREATE USER, SELECT on mysql.*, and with GRANT OPTION what the incumbent has', async () => {
      const admin = await database.createUser(`admin${turn}`);
      rotations = database.rotations({ ...adopted, admin });
      expect(await preflightFault()).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('CREATE USER'),
      });
      await database.sql(`GRANT CREATE USER ON *.* TO admin${turn}`, `GRANT SELECT ON mysql.* TO admin${turn}`);
      expect(await faultOf(rotations.bringIn())).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('GRANT OPTION'),
      });
      // What was begun is closed, and goes on when the right is there.
      expect(await locked()).toMatchObject({ [`${name}_a`]: true });
      await database.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}_data.* TO admin${turn} WITH GRANT OPTION`);
      const { versionId } = rotations.known.find(({ state }) => state === 'proposed') ?? {};
      await rotations.retire(versionId ?? '');
      await rotations.rotate();
      await database.sql(
        `GRANT PROCESS, ${isMariadb ? 'CONNECTION ADMIN' : 'CONNECTION_ADMIN'} ON *.* TO admin${turn}`,
      );
      await database.open(rotations.current.value);
      const brought = await rotations.bringIn();
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({
        refusedLogin: true,
        endedSessions: 1,
      });
    });

    it('is needed, and is somebody else', async () => {
      rotations = database.rotations({ ...adopted, admin: undefined });
      expect(await preflightFault()).toBeInstanceOf(Misconfigured);
      rotations = database.rotations({ ...adopted, admin: adopted.incumbent });
      expect(await preflightFault()).toBeInstanceOf(Misconfigured);
    });
  });

  describe('read_only', () => {
    const settings: Partial<RotatorSettings> = { privileges: 'read_only' };
    beforeEach(() => {
      rotations = database.rotations(adopted, settings);
    });

    it('only reads what the incumbent reads, itself or by its roles, and passes nothing on', async () => {
      await database.sql(
        `GRANT ALL ON ${name}_data.* TO ${name}@'%' WITH GRANT OPTION`,
        `GRANT SELECT (a), UPDATE (b) ON shared_data.t TO ${name}@'%'`,
        `GRANT EXECUTE ON PROCEDURE shared_data.p TO ${name}@'%'`,
        `GRANT writer TO ${name}@'%'`,
        `GRANT PROCESS ON *.* TO ${name}@'%'`,
      );
      const value = await rotate();
      expect(await grants(`${name}_a`)).toEqual([
        'GRANT SELECT, SELECT (`a`) ON `shared_data`.`t` TO `N`@`%`',
        `GRANT SELECT, SHOW VIEW ON \`${name}_data\`.* TO \`N\`@\`%\``,
        'GRANT USAGE ON *.* TO `N`@`%`',
      ]);
      await database.as(value, `SELECT * FROM ${name}_data.things`, 'SELECT a, b FROM shared_data.t');
      for (const write of [
        `INSERT INTO ${name}_data.things VALUES (1, 'x')`,
        `DELETE FROM ${name}_data.things`,
        'CALL shared_data.p()',
      ]) {
        await expect(database.as(value, write)).rejects.toThrow(/denied/);
      }
      expect(usernameOf(await rotate())).toBe(`${name}_b`);
      expect(await grants(`${name}_b`)).toEqual(await grants(`${name}_a`));
    });

    it("reads every database but the server's own, where the incumbent reads everywhere", async () => {
      await database.sql(`CREATE DATABASE \`odd_%name${turn}\``, `GRANT SELECT ON *.* TO ${name}@'%'`);
      const value = await rotate();
      const found = (await grants(`${name}_a`)).join('\n');
      expect(found).toContain('`odd\\_\\%name');
      expect(found).toContain('`shared\\_data`.*');
      await database.as(value, 'SELECT * FROM shared_data.t');
      await expect(database.as(value, 'SELECT * FROM mysql.user')).rejects.toThrow(/denied/);
    });

    it('is unproven when it may write, or reads less', async () => {
      const brought = await rotations.bringIn();
      expect(await rotations.test(brought)).toEqual({
        healthy: 1,
        parity: expect.arrayContaining(['a refused write']),
      });
      await database.sql(`GRANT INSERT ON ${name}_data.* TO ${name}_a`);
      expect(await faultOf(rotations.test(brought))).toBeInstanceOf(CandidateUnproven);
      await database.sql(`REVOKE INSERT, SELECT ON ${name}_data.* FROM ${name}_a`);
      expect(await faultOf(rotations.test(brought))).toMatchObject({ safeMessage: expect.stringMatching(/SELECT on/) });
    });

    it('is proved by a write that is refused, also where it reads no table', async () => {
      const bare = database.rotations({ ...adopted, incumbent: await database.createUser(`bare${turn}`) }, settings);
      expect(await bare.test(await bare.bringIn())).toMatchObject({ healthy: 1 });
    });

    it.each(['UPDATE', 'INSERT', 'DELETE', 'CREATE', 'EXECUTE'])(
      'is unproven where everybody has %s, which its own grants do not show',
      async (right) => {
        const brought = await rotations.bringIn();
        const everybody = isMariadb ? 'PUBLIC' : 'inner_role';
        const on = right === 'INSERT' ? '*.*' : `${name}_data.*`;
        await database.sql(`GRANT ${right} ON ${on} TO ${everybody}`);
        // Newer servers make them active for everybody at once; of older ones a session must ask for them.
        const isNew = (await database.sql("SHOW VARIABLES LIKE 'activate_mandatory_roles'")).length > 0;
        if (isNew) await database.sql('SET GLOBAL activate_mandatory_roles = OFF');
        if (!isMariadb) await database.sql("SET GLOBAL mandatory_roles = 'inner_role'");
        try {
          expect(await faultOf(rotations.test(brought))).toMatchObject({
            name: 'CandidateUnproven',
            safeMessage: expect.stringMatching(`may write .*: ${right} on`),
          });
        } finally {
          if (!isMariadb) await database.sql("SET GLOBAL mandatory_roles = ''");
          await database.sql(`REVOKE ${right} ON ${on} FROM ${everybody}`);
        }
        expect(await rotations.test(brought)).toMatchObject({ healthy: 1 });
      },
    );

    it.each([
      ['inserts into a table', ['Select', 'Insert'], 'shared_data'],
      ['changes rows of a table', ['Select', 'Update'], 'shared_data'],
      ['deletes from a table', ['Select', 'Delete'], 'shared_data'],
      ['deletes from a table of which it sees no column', ['Delete'], 'shared_data'],
      ['makes a database, and sees no table at all', ['Create'], 'mysql'],
    ])('is unproven where it %s by a right that no grant lists', async (_, rights, place) => {
      const bare = database.rotations({ ...adopted, incumbent: await database.createUser(`bare${turn}`) }, settings);
      const brought = await bare.bringIn();
      // A row for the anonymous user counts for everybody who has none of his own for that database.
      await database.sql(
        `INSERT INTO mysql.db SET Host = '%', Db = '${place}', User = '', ${rights.map((right) => `${right}_priv = 'Y'`).join()}`,
        'FLUSH PRIVILEGES',
      );
      try {
        expect(await faultOf(bare.test(brought))).toMatchObject({
          name: 'CandidateUnproven',
          safeMessage: expect.stringContaining(
            place === 'mysql' ? 'may write databases' : 'may write `shared_data`.`t`',
          ),
        });
      } finally {
        await database.sql("DELETE FROM mysql.db WHERE User = '' AND Host = '%'", 'FLUSH PRIVILEGES');
        await bare.rotator.release();
      }
    });

    it('is not turned back into the same by itself: a person says what is meant, and then it writes', async () => {
      const write = `INSERT INTO ${name}_data.things VALUES (1, 'x')`;
      await expect(database.as(await rotate(), write)).rejects.toThrow(/denied/);
      const back = database.rotations({ ...adopted, incumbent: rotations.current.value });
      expect(await faultOf(back.preflight(crypto.randomUUID()))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringMatching(
          `"${name}_a" only reads, where "${name}", which it replaced, can do more.*GRANT`,
        ),
      });
      await database.sql(`GRANT INSERT ON ${name}_data.* TO ${name}_a`);
      const { value } = await back.rotate();
      expect(usernameOf(value)).toBe(`${name}_b`);
      await database.as(value, write);
    });

    it('is not turned back also where only the ledger tells whom the user has replaced', async () => {
      const long = `long${turn}`.padEnd(isMariadb ? 128 : 32, 'x');
      const own = { ...adopted, incumbent: await database.createUser(long) };
      await database.sql(`GRANT SELECT, INSERT ON ${name}_data.* TO '${long}'@'%'`);
      rotations = database.rotations(own, settings);
      await rotate();
      const back = database.rotations({ ...own, incumbent: rotations.current.value });
      Object.defineProperty(back, 'known', { value: rotations.known });
      expect(await faultOf(back.preflight(crypto.randomUUID()))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining(`where "${long}"`),
      });
      await back.rotator.release();
    });

    it('is the same for a user that never did more', async () => {
      await database.sql(`REVOKE INSERT, UPDATE, DELETE ON ${name}_data.* FROM ${name}`);
      await rotate();
      const back = database.rotations({ ...adopted, incumbent: rotations.current.value });
      expect(usernameOf((await back.rotate()).value)).toBe(`${name}_b`);
    });
  });

  it('makes the first user of a secret without a value, with the declared role', async () => {
    const connection = database.connection({ ownerRole: 'reader' });
    const { rotator } = rotations;
    if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
    const versionId = crypto.randomUUID();
    const declared = { ...rotations.settings, secretId: `Green/Field-${turn}`, connection };
    const values = { settings: declared, admin: database.admin, incumbent: undefined, versionId };
    const { candidate: identity, fence } = await rotator.preflight({ ...values, known: [] });
    expect(identity).toBe(`green_field_${turn}_a`);
    const candidate = rotator.propose({ ...values, candidate: identity });
    for (const _ of [1, 2]) await rotator.install({ ...values, fence, startedAt: new Date(), candidate });
    expect(parsed(candidate)).toMatchObject({ engine: database.engine, host: '127.0.0.1', username: identity });
    await database.as(candidate, 'SELECT * FROM shared_data.t');
    const next = database.rotations({ ...adopted, name: declared.secretId, incumbent: candidate });
    const second = await next.rotate();
    expect(usernameOf(second.value)).toBe(`green_field_${turn}_b`);
    await database.as(second.value, 'SELECT * FROM shared_data.t');
    const lonely = { ...retirement(identity, versionId), value: candidate, survivor: undefined };
    expect(await rotator.retire(lonely)).toMatchObject({ refusedLogin: true });
  });

  async function rotate(): Promise<SecretText> {
    return (await rotations.rotate()).value;
  }

  async function preflightFault(): Promise<unknown> {
    return faultOf(rotations.preflight(crypto.randomUUID()));
  }

  function retirement(identity: string, versionId: string) {
    const { settings, current, known } = rotations;
    return { settings, admin: database.admin, identity, versionId, survivorVersionId: current.versionId, known };
  }

  /** Sorted, whoever has them, without limits. */
  async function grants(user: string): Promise<readonly string[]> {
    const lines = await database.grantsOf(user);
    return lines.map((line) => line.replace(/ WITH MAX_.*/, '').replaceAll(`\`${user}\`@`, '`N`@')).sort();
  }

  async function limits(user: string): Promise<unknown> {
    const [row] = await database.sql(
      `SELECT max_user_connections, max_questions, ssl_type, password_expired FROM mysql.user WHERE User = '${user}'`,
    );
    return row;
  }

  async function locked(): Promise<Readonly<Record<string, boolean>>> {
    const rows = await database.sql<{ user: string; locked: string | number | null }>(
      isMariadb
        ? `SELECT User AS user, JSON_VALUE(Priv, '$.account_locked') AS locked FROM mysql.global_priv WHERE User RLIKE '^${name}(_|$)'`
        : `SELECT User AS user, account_locked = 'Y' AS locked FROM mysql.user WHERE User RLIKE '^${name}(_|$)'`,
    );
    return Object.fromEntries(rows.map((row) => [row.user, Boolean(Number(row.locked ?? 0))]));
  }
}
