import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  IncumbentRefused,
  Misconfigured,
  RetirementPending,
  RotationEnded,
  SameAsSurvivor,
  SlotOccupied,
  StillAlive,
  TargetUnreachable,
  TransientFailure,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { REFUSING_PLUGINS } from '../../shared/rotators/mysql/tls.ts';
import { lockName } from '../../shared/rotators/mysql/turn.ts';
import type { Preflight } from '../../shared/rotators/rotator.ts';
import {
  connectTo,
  type DatabaseHarness,
  faultOf,
  mysqlBinaries,
  parsed,
  startMysqlHarness,
  usernameOf,
  WITH_MYSQL,
} from './mysql-harness.ts';
import { startFreezingProxy } from './mysql-proxy.ts';
import type { Brought, RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

let mysql: DatabaseHarness;
let turn = 0;
let name: string;
let adopted: Adopted;
let rotations: RotationByHand;

interface Kept {
  readonly metadata?: { readonly rekey?: Readonly<Record<string, unknown>>; readonly [key: string]: unknown };
  readonly additional_password?: string;
}

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  beforeAll(async () => {
    mysql = await startMysqlHarness();
  });
  afterAll(() => mysql?.stop());
  beforeEach(async () => {
    turn += 1;
    name = `app${turn}`;
    adopted = await mysql.adopt(name, `COMMENT 'of the shop'`);
    rotations = mysql.rotations(adopted);
  });
  afterEach(async () => {
    await rotations.rotator.release();
    await mysql.closeSessions();
  });

  describe('a user with two passwords', () => {
    it('is rotated without a second user, and each retired password is refused', async () => {
      const users = await mysql.sql('SELECT COUNT(*) AS users FROM mysql.user');
      for (let time = 0; time < 3; time += 1) {
        const old = rotations.current;
        const brought = await rotations.bringIn();
        expect(brought.preflight).toMatchObject({
          candidate: `${name}@${brought.versionId}`,
          incumbent: `${name}@${old.versionId}`,
          facts: { mode: 'dual_password', tls: 'none', server_version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
        });
        expect(usernameOf(brought.value)).toBe(name);
        expect(await mysql.alivePasswords(name)).toBe(2);
        expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
        expect(await rotations.probe(old.value)).toBe('refused');
        expect(await mysql.alivePasswords(name)).toBe(1);
      }
      expect(await mysql.sql('SELECT COUNT(*) AS users FROM mysql.user')).toEqual(users);
    });

    it('keeps what others keep with it, and says which version is which', async () => {
      await mysql.sql(`ALTER USER ${name} ATTRIBUTE '{"team": {"name": "blue"}, "rekeyed": null}'`);
      const first = rotations.current.versionId;
      const brought = await rotations.bringIn();
      expect(await kept()).toMatchObject({
        metadata: {
          comment: 'of the shop',
          team: { name: 'blue' },
          rekey: {
            secret: name,
            primary: brought.versionId,
            retained: first,
            installed: { versionId: brought.versionId },
          },
        },
        additional_password: expect.any(String),
      });
      await rotations.retire(rotations.promote(brought));
      const after = await kept();
      expect(after.metadata).toMatchObject({ comment: 'of the shop', team: { name: 'blue' } });
      expect(after.metadata?.rekey).toMatchObject({
        primary: brought.versionId,
        installed: { versionId: brought.versionId },
      });
      expect(after.metadata?.rekey).not.toHaveProperty('retained');
      expect(after.additional_password).toBeUndefined();
    });

    it('can do the same with the new password, and carries the other keys of the secret over', async () => {
      const incumbent = mysql.secret({ ...parsed(adopted.incumbent), dbname: `${name}_data`, team: { name: 'blue' } });
      rotations = mysql.rotations({ ...adopted, incumbent });
      const brought = await rotations.bringIn();
      expect(parsed(brought.value)).toEqual({ ...parsed(incumbent), password: expect.stringMatching(/^[\w-]{32}$/) });
      expect(await rotations.test(brought)).toEqual({ healthy: 1, parity: expect.arrayContaining(['privileges']) });
      await mysql.as(brought.value, `INSERT INTO ${name}_data.things VALUES (1, 'x')`);
    });

    it('opens two connections in preflight, one more in install that follows it, and ends them all', async () => {
      mysql.logins.splice(0);
      const brought = await rotations.bringIn();
      expect(mysql.logins.splice(0)).toEqual(['accepted', 'accepted', 'accepted']);
      await rotations.test(brought);
      await rotations.retire(rotations.promote(brought));
      expect(mysql.logins).toEqual(['accepted', 'accepted', 'accepted', 'refused']);
      await rotations.rotator.release();
      const left = `SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = '${name}'`;
      expect(await mysql.sql(left)).toEqual([]);
    });
  });

  describe('the other password of the user', () => {
    it('is waited for while it is in its grace period', async () => {
      rotations.promote(await rotations.bringIn());
      expect(await preflightFault()).toBeInstanceOf(RetirementPending);
    });

    it('is left alone when the ledger does not know it', async () => {
      const { password } = parsed(adopted.incumbent);
      await mysql.sql(`ALTER USER ${name} IDENTIFIED BY 'another'`);
      await mysql.sql(`ALTER USER ${name} IDENTIFIED BY '${password}' RETAIN CURRENT PASSWORD`);
      const before = await mysql.stateOf(name);
      expect(await preflightFault()).toBeInstanceOf(SlotOccupied);
      // Set by a person after Rekey's rotation: the incumbent's is the retained one then.
      await mysql.sql(`ALTER USER ${name} DISCARD OLD PASSWORD`);
      await rotations.rotate();
      await mysql.sql(`ALTER USER ${name} IDENTIFIED BY 'a person''s' RETAIN CURRENT PASSWORD`);
      expect(await preflightFault()).toBeInstanceOf(SlotOccupied);
      expect(await mysql.stateOf(name)).not.toBe(before);
      expect(await mysql.alivePasswords(name)).toBe(2);
    });

    it('is replaced when the ledger says that it is dead: a server brought back from a backup', async () => {
      const old = rotations.current.value;
      const brought = await rotations.bringIn();
      const then = await kept();
      await rotations.retire(rotations.promote(brought));
      await restore(then, parsed(brought.value).password, parsed(old).password);
      expect(await rotations.probe(old)).toBe('accepted');
      const next = await rotations.bringIn();
      expect(await rotations.probe(old)).toBe('refused');
      expect(await rotations.probe(brought.value)).toBe('accepted');
      expect(await rotations.probe(next.value)).toBe('accepted');
    });

    it('is one password when both are alike: a roll back that died between its statements', async () => {
      const { password } = parsed(adopted.incumbent);
      const brought = await rotations.bringIn();
      const [row] = await mysql.sql<{ hash: string }>(
        `SELECT HEX(User_attributes->>'$.additional_password') AS hash FROM mysql.user WHERE User = '${name}'`,
      );
      await mysql.sql(`ALTER USER ${name} IDENTIFIED WITH caching_sha2_password AS 0x${row?.hash}`);
      expect(await rotations.retire(brought.versionId)).toMatchObject({ refusedLogin: true });
      expect((await kept()).additional_password).toBeUndefined();
      await mysql.sql(
        `ALTER USER ${name} IDENTIFIED WITH caching_sha2_password AS 0x${row?.hash} RETAIN CURRENT PASSWORD`,
      );
      expect(parsed(rotations.current.value).password).toBe(password);
      await rotations.rotate();
      expect(await mysql.alivePasswords(name)).toBe(1);
    });
  });

  describe('an install that comes late', () => {
    let late: { readonly versionId: string; readonly startedAt: Date; readonly preflight: Preflight };
    beforeEach(async () => {
      const versionId = crypto.randomUUID();
      const startedAt = rotations.nextStart();
      late = { versionId, startedAt, preflight: await rotations.preflight(versionId) };
    });

    it('is refused when a later rotation has set its password, and changes nothing', async () => {
      await rotations.bringIn();
      const before = await mysql.stateOf(name);
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
      expect(await mysql.stateOf(name)).toBe(before);
    });

    it('is refused also when the later one was rolled back, or has ended', async () => {
      const brought = await rotations.bringIn();
      await rotations.retire(brought.versionId);
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
      await rotations.rotate();
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
      expect(await mysql.alivePasswords(name)).toBe(1);
    });

    it('is refused also when the later one comes first while it waits for its turn', async () => {
      const holder = await mysql.open(mysql.admin);
      await holder.query(`SELECT GET_LOCK('${lockName(name)}', 0)`);
      const refused = expect(install()).rejects.toBeInstanceOf(RotationEnded);
      await mysql.somebodyWaits();
      const startedAt = new Date(late.startedAt.getTime() + 1).toISOString();
      const installed = { versionId: 'v2', startedAt, server: 'x', upSince: 0, connection: 0 };
      const mark = JSON.stringify({ rekey: { secret: name, primary: 'v2', installed } });
      await mysql.sql(`ALTER USER ${name} ATTRIBUTE '${mark}'`);
      await holder.query(`SELECT RELEASE_LOCK('${lockName(name)}')`);
      await refused;
      expect(await mysql.alivePasswords(name)).toBe(1);
    });

    it('makes way when it was first: the next rotation takes its password off', async () => {
      const value = await install();
      rotations.journal(late.versionId, late.preflight);
      const ghost = late.versionId;
      // Its rotation was rolled back before it came: the ledger says that it is dead.
      await withRetired(ghost);
      expect(await rotations.probe(value)).toBe('accepted');
      const brought = await rotations.bringIn();
      expect(await rotations.probe(value)).toBe('refused');
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
      expect(await rotations.probe(brought.value)).toBe('accepted');
    });

    it('is refused also when it is the same rotation, taken back meanwhile', async () => {
      const brought = await rotations.bringIn(late.versionId, { startedAt: late.startedAt });
      await rotations.retire(brought.versionId);
      await expect(install(late, brought.value)).rejects.toBeInstanceOf(RotationEnded);
      expect(await mysql.alivePasswords(name)).toBe(1);
    });

    it('does not lose the incumbent when it comes between preflight and install of a later one', async () => {
      const versionId = crypto.randomUUID();
      const preflight = await rotations.preflight(versionId);
      await install();
      const later = { versionId, startedAt: rotations.nextStart(), preflight };
      await expect(install(later)).rejects.toBeInstanceOf(TransientFailure);
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
    });

    it('sets what it set before only once', async () => {
      const value = rotations.rotator;
      expect(value.kind).toBe('chosen');
      const brought = await rotations.bringIn(late.versionId, { times: 3, startedAt: late.startedAt });
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
      expect(await rotations.probe(brought.value)).toBe('accepted');
    });

    async function install(rotation = late, value?: SecretText): Promise<SecretText> {
      const { rotator, settings, current } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      const { versionId, startedAt, preflight } = rotation;
      const values = { settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId };
      const candidate = value ?? rotator.propose({ ...values, candidate: preflight.candidate });
      const { fence } = preflight;
      await rotator.install({ ...values, startedAt, candidate, incumbentVersionId: current.versionId, fence });
      return candidate;
    }

    /** The ledger after a roll back that found nothing to end. */
    async function withRetired(versionId: string): Promise<void> {
      const before = await kept();
      const value = mysql.secret({ username: name, password: 'was-never-set-at-the-server' });
      const input = { ...retirement(versionId), value, survivor: adopted.incumbent };
      await rotations.rotator.retire(input);
      expect(await kept()).toEqual(before);
      Object.defineProperty(rotations, 'known', {
        get: () => [
          {
            identity: `${name}@${rotations.current.versionId}`,
            versionId: rotations.current.versionId,
            state: 'current',
          },
          { identity: `${name}@${versionId}`, versionId, state: 'retired' },
        ],
      });
    }
  });

  describe('the end of a password', () => {
    it('leaves alone what a later rotation has set', async () => {
      const first = rotations.current;
      await rotations.rotate();
      const { versionId } = rotations.current;
      await rotations.bringIn();
      const before = await mysql.stateOf(name);
      const late = { ...retirement(first.versionId), value: first.value, survivor: rotations.current.value };
      const report = await rotations.rotator.retire({ ...late, survivorVersionId: versionId });
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 0 });
      expect(await mysql.stateOf(name)).toBe(before);
    });

    it('goes back to the old password after a switch, and on from there', async () => {
      const brought = await rotations.bringIn();
      const old = rotations.promote(brought);
      // A revert: the label goes back to the retained password, then the new one is ended.
      const work = { ...retirement(brought.versionId), value: brought.value, survivor: rotations.valueOf(old) };
      for (const _ of [1, 2]) {
        expect(await rotations.rotator.retire({ ...work, survivorVersionId: old })).toMatchObject({
          refusedLogin: true,
        });
      }
      expect((await kept()).metadata?.rekey).toMatchObject({
        primary: old,
        installed: { versionId: brought.versionId },
      });
      expect(await mysql.alivePasswords(name)).toBe(1);
      rotations = mysql.rotations(adopted);
      await rotations.rotate();
    });

    it('ends a password whose value nobody has, when the account says which it is', async () => {
      const brought = await rotations.bringIn();
      const work = { ...retirement(brought.versionId), value: undefined, survivor: adopted.incumbent };
      expect(await rotations.rotator.retire(work)).toMatchObject({ refusedLogin: false });
      expect(await rotations.probe(brought.value)).toBe('refused');
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
      const never = { ...retirement(crypto.randomUUID()), value: undefined, survivor: adopted.incumbent };
      const before = await mysql.stateOf(name);
      expect(await rotations.rotator.retire(never)).toMatchObject({ refusedLogin: false });
      expect(await mysql.stateOf(name)).toBe(before);
    });

    it('ends nothing when the password that must go on is refused, or is the same', async () => {
      const brought = await rotations.bringIn();
      const before = await mysql.stateOf(name);
      const wrong = mysql.secret({ username: name, password: 'not the one' });
      const work = { ...retirement(brought.versionId), value: brought.value };
      await expect(rotations.rotator.retire({ ...work, survivor: wrong })).rejects.toBeInstanceOf(IncumbentRefused);
      await expect(rotations.rotator.retire({ ...work, survivor: brought.value })).rejects.toBeInstanceOf(
        SameAsSurvivor,
      );
      expect(await mysql.stateOf(name)).toBe(before);
    });

    it('does not wait until the consumers leave a connection of the user free', async () => {
      await mysql.sql(`ALTER USER ${name} WITH MAX_USER_CONNECTIONS 4`);
      const brought = await rotations.bringIn();
      await rotations.rotator.release();
      await mysql.openAll(brought.value);
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
    });

    it('ends the sessions that are older than the new password, and no other', async () => {
      const older = await mysql.open(adopted.incumbent);
      const ended = new Promise((resolve) => older.once('error', resolve));
      const brought = await rotations.bringIn();
      const late = await mysql.open(adopted.incumbent);
      const newer = await mysql.open(brought.value);
      const replaced = rotations.promote(brought);
      expect(await rotations.retire(replaced, { forget: false })).toMatchObject({
        endedSessions: 1,
        facts: { sessions: expect.stringContaining('before the new password') },
      });
      await ended;
      for (const session of [late, newer]) await session.query('SELECT 1');
      expect(await rotations.retire(replaced)).toMatchObject({ endedSessions: 0 });
    });

    it('ends also the sessions that began while the new password was on its way', async () => {
      const versionId = crypto.randomUUID();
      const preflight = await rotations.preflight(versionId);
      const between = await mysql.open(adopted.incumbent);
      const ended = new Promise((resolve) => between.once('error', resolve));
      const brought = await install(versionId, preflight);
      const newer = await mysql.open(brought.value);
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ endedSessions: 1 });
      await ended;
      await newer.query('SELECT 1');
    });

    it('writes the moment down once: after the password, also when the first try died before', async () => {
      const brought = await rotations.bringIn();
      const marked = await installedMark();
      expect(marked).not.toHaveProperty('isBefore');
      // As that try has left it.
      const before = { connection: 1, isBefore: true };
      await mysql.sql(`ALTER USER ${name} ATTRIBUTE '${JSON.stringify({ rekey: { installed: before } })}'`);
      const older = await mysql.open(adopted.incumbent);
      await install(brought.versionId, brought.preflight, brought.value);
      const after = await installedMark();
      expect(after['connection']).toBeGreaterThan(older.threadId);
      expect(after).not.toHaveProperty('isBefore');
      // A later duplicate does not move it: by then consumers have the new password.
      await mysql.open(brought.value);
      await install(brought.versionId, brought.preflight, brought.value);
      expect(await installedMark()).toEqual(after);
    });

    async function installedMark(): Promise<Readonly<Record<string, unknown>>> {
      const { installed } = (await kept()).metadata?.rekey ?? {};
      return { ...(installed as object | undefined) };
    }

    it('leaves sessions open where that is configured, and on a roll back', async () => {
      const older = await mysql.open(adopted.incumbent);
      rotations = mysql.rotations(adopted, { endSessions: false });
      expect(await rotations.retire((await rotations.bringIn()).versionId)).toMatchObject({ endedSessions: 0 });
      await rotations.retire(rotations.promote(await rotations.bringIn()));
      await older.query('SELECT 1');
    });

    it('does not end sessions by numbers of another run of the server', async () => {
      const older = await mysql.open(adopted.incumbent);
      const brought = await rotations.bringIn();
      await mysql.sql(`ALTER USER ${name} ATTRIBUTE '{"rekey": {"installed": {"upSince": 1000}}}'`);
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ endedSessions: 0 });
      await older.query('SELECT 1');
    });

    it('tries no login where one failed login blocks the account', async () => {
      await mysql.sql(`ALTER USER ${name} FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED`);
      const brought = await rotations.bringIn();
      const report = await rotations.retire(rotations.promote(brought));
      expect(report.refusedLogin).toBe(false);
      expect(await mysql.alivePasswords(name)).toBe(1);
      expect(await rotations.probe(brought.value)).toBe('accepted');
    });

    it('begins the count of failed logins again', async () => {
      await mysql.sql(`ALTER USER ${name} FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME UNBOUNDED`);
      expect((await rotations.retire(rotations.promote(await rotations.bringIn()))).refusedLogin).toBe(true);
      // One more failure, by anybody, is only the first again.
      expect(await rotations.probe(mysql.secret({ username: name, password: 'wrong' }))).toBe('refused');
      expect(await rotations.probe(rotations.current.value)).toBe('accepted');
    });
  });

  describe('consumers without TLS and without the key of the server, which it lets in by its cache', () => {
    beforeEach(async () => {
      await mysql.as(adopted.incumbent, 'SELECT 1');
      expect(await byCache(adopted.incumbent)).toBe('accepted');
    });

    it('are let in with the old password when the new one is set, and with the new one once it is tested', async () => {
      const brought = await rotations.bringIn();
      expect(await byCache(adopted.incumbent)).toBe('accepted');
      await rotations.test(brought);
      const old = rotations.promote(brought);
      expect([await byCache(adopted.incumbent), await byCache(brought.value)]).toEqual(['accepted', 'accepted']);
      await rotations.retire(old);
      expect(await byCache(brought.value)).toBe('accepted');
    });

    it('are let in with the old one after a roll back', async () => {
      const brought = await rotations.bringIn();
      await rotations.test(brought);
      await rotations.retire(brought.versionId);
      expect(await byCache(adopted.incumbent)).toBe('accepted');
    });

    it('are let in also while they have all connections of the user in use', async () => {
      const versionId = crypto.randomUUID();
      await mysql.sql(`ALTER USER ${name} WITH MAX_USER_CONNECTIONS 3`);
      const preflight = await rotations.preflight(versionId);
      await mysql.openAll(adopted.incumbent);
      await install(versionId, preflight);
      await mysql.closeSessions();
      await mysql.until('nothing', `SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = '${name}'`);
      expect(await byCache(adopted.incumbent)).toBe('accepted');
    });

    it('are let in at the latest by the next try of an install that the server has left in between', async () => {
      const preflight = await rotations.preflight('v1');
      const proxy = await startFreezingProxy(mysql.server.port, ['RETAIN CURRENT PASSWORD', 'program_name']);
      const away = (value: SecretText) => mysql.secret({ ...parsed(value), port: proxy.port });
      const through = mysql.rotations(
        { ...adopted, incumbent: away(adopted.incumbent), admin: away(mysql.admin) },
        {},
        { limits: { connectMilliseconds: 1_000, queryMilliseconds: 1_000, leaveMilliseconds: 50 } },
      );
      expect(await faultOf(through.bringIn('v1'))).toBeInstanceOf(TargetUnreachable);
      await through.rotator.release();
      await proxy.stop();
      expect(await byCache(adopted.incumbent)).toBe('full login');
      const value = mysql.secret({ ...parsed(through.valueOf('v1')), port: mysql.server.port });
      await install('v1', preflight, value);
      expect(await byCache(adopted.incumbent)).toBe('accepted');
      expect(await rotations.probe(value)).toBe('accepted');
    });

    it('are not a matter of an install that comes after the old password was retired', async () => {
      const brought = await rotations.bringIn();
      await rotations.retire(rotations.promote(brought));
      const before = mysql.logins.filter((outcome) => outcome === 'refused').length;
      await install(brought.versionId, brought.preflight, brought.value);
      expect(mysql.logins.filter((outcome) => outcome === 'refused')).toHaveLength(before);
    });

    it('stand in the way of a rotation where Rekey is one of them', async () => {
      // An address that leads here, and that does not look like it.
      const remote = (value: SecretText) => mysql.secret({ ...parsed(value), host: '0.0.0.0' });
      const there = { ...adopted, incumbent: remote(adopted.incumbent), admin: remote(mysql.admin) };
      const before = await mysql.stateOf(name);
      expect(await faultOf(mysql.rotations(there).bringIn())).toMatchObject({
        name: 'TargetUnreachable',
        safeMessage: expect.stringContaining('declare tls: disable'),
      });
      expect(await mysql.stateOf(name)).toBe(before);
      const { host, port } = parsed(there.incumbent);
      const connection = { host: String(host), port: Number(port), tls: 'disable' } as const;
      await mysql.rotations(there, { connection }).rotate();
    });

    async function byCache(value: SecretText): Promise<'accepted' | 'full login'> {
      try {
        await (await connectTo(value, { authPlugins: REFUSING_PLUGINS })).end();
        return 'accepted';
      } catch (error) {
        if ((error as Error).name !== 'PlainPasswordAsked') throw error;
        return 'full login';
      }
    }
  });

  describe('the rights of who changes the passwords', () => {
    it('are CREATE USER and SELECT on mysql.user, with two more to end sessions', async () => {
      const admin = await mysql.createUser(`admin${turn}`);
      rotations = mysql.rotations({ ...adopted, admin });
      expect(await faultOf(rotations.preflight(crypto.randomUUID()))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('CREATE USER'),
      });
      await mysql.sql(`GRANT CREATE USER ON *.* TO admin${turn}`);
      expect(await faultOf(rotations.preflight(crypto.randomUUID()))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('reading the accounts'),
      });
      await mysql.sql(`GRANT SELECT ON mysql.user TO admin${turn}`);
      await mysql.open(adopted.incumbent);
      const first = await rotations.bringIn();
      expect(await rotations.retire(rotations.promote(first))).toMatchObject({
        refusedLogin: true,
        endedSessions: 0,
        facts: { sessions: expect.stringContaining('may not end sessions') },
      });
      await mysql.sql(`GRANT PROCESS, CONNECTION_ADMIN ON *.* TO admin${turn}`);
      await mysql.open(rotations.current.value);
      const second = await rotations.bringIn();
      expect(await rotations.retire(rotations.promote(second))).toMatchObject({ refusedLogin: true, endedSessions: 2 });
    });

    it('say so where sessions are seen and may not be ended, unless there is the procedure of RDS', async () => {
      const admin = await mysql.createUser(`admin${turn}`);
      await mysql.sql(`GRANT CREATE USER, PROCESS ON *.* TO admin${turn}`, `GRANT SELECT ON mysql.* TO admin${turn}`);
      rotations = mysql.rotations({ ...adopted, admin });
      const session = await mysql.open(adopted.incumbent);
      const replaced = rotations.promote(await rotations.bringIn());
      expect(await rotations.retire(replaced, { forget: false })).toMatchObject({
        endedSessions: 0,
        facts: { sessions: expect.stringContaining('may not end sessions') },
      });
      await session.query('SELECT 1');
      await mysql.sql('CREATE PROCEDURE mysql.rds_kill(id BIGINT) KILL id', `GRANT EXECUTE ON mysql.* TO admin${turn}`);
      expect(await rotations.retire(replaced)).toMatchObject({ endedSessions: 1 });
      await mysql.sql('DROP PROCEDURE mysql.rds_kill');
    });

    it('may be its own: without an administrator the user changes its own password', async () => {
      rotations = mysql.rotations({ ...adopted, admin: undefined });
      expect(await preflightFault()).toBeInstanceOf(Misconfigured);
      await mysql.sql(
        `GRANT CREATE USER, APPLICATION_PASSWORD_ADMIN ON *.* TO ${name}`,
        `GRANT SELECT ON mysql.user TO ${name}`,
      );
      const first = await rotations.rotate();
      await rotations.rotate();
      expect(await rotations.probe(first.value)).toBe('refused');
    });

    it('are not those of the same user in another secret', async () => {
      const administrator = { ...adopted, admin: adopted.incumbent };
      expect(await faultOf(mysql.rotations(administrator).preflight('v1'))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('leave admin_secret out'),
      });
    });
  });

  describe('preflight', () => {
    it('refuses a user with accounts for several hosts', async () => {
      await mysql.sql(`CREATE USER ${name}@'10.1.%' IDENTIFIED BY 'x'`);
      expect(await preflightFault()).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('"10.1.%"'),
      });
    });

    it('refuses a user that another secret of Rekey has', async () => {
      await rotations.rotate();
      const other = mysql.rotations({ ...adopted, name: 'another', incumbent: rotations.current.value });
      expect(await faultOf(other.preflight('v1'))).toMatchObject({
        name: 'Misconfigured',
        safeMessage: expect.stringContaining('another secret'),
      });
    });

    it('takes a mark that somebody has broken for none', async () => {
      await rotations.rotate();
      await mysql.sql(`ALTER USER ${name} ATTRIBUTE '{"rekey": {"installed": {"startedAt": "soon"}}}'`);
      await rotations.rotate();
      expect((await kept()).metadata?.rekey).toMatchObject({ secret: name });
    });
  });

  describe('a secret without a value', () => {
    it('gets a user of its own, with the declared role, and two passwords from then on', async () => {
      await mysql.sql(`CREATE ROLE team${turn}`, `GRANT INSERT ON ${name}_data.* TO team${turn}`);
      const settings = { ...rotations.settings, secretId: `Green/Field-${turn}` };
      const connection = mysql.connection({ ownerRole: `team${turn}`, dbname: `${name}_data` });
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
      const versionId = crypto.randomUUID();
      const values = { settings: { ...settings, connection }, admin: mysql.admin, incumbent: undefined, versionId };
      const { candidate: identity, fence } = await rotator.preflight({ ...values, known: [] });
      expect(identity).toBe(`green_field_${turn}@${versionId}`);
      const candidate = rotator.propose({ ...values, candidate: identity });
      expect(parsed(candidate)).toMatchObject({
        engine: 'mysql',
        dbname: `${name}_data`,
        username: `green_field_${turn}`,
      });
      const startedAt = new Date();
      const install = () => rotator.install({ ...values, fence, startedAt, candidate });
      const proposed = { identity, versionId, state: 'proposed' } as const;
      const work = {
        ...retirement(versionId, identity),
        settings: values.settings,
        value: candidate,
        survivor: undefined,
      };
      await install();
      expect(await rotator.probe(candidate, values.settings)).toBe('accepted');
      expect(await rotator.retire(work)).toMatchObject({ refusedLogin: true });
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
      await expect(rotator.preflight({ ...values, known: [] })).rejects.toBeInstanceOf(SlotOccupied);
      const known = [{ ...proposed, state: 'retired' as const }];
      const again = { ...values, versionId: crypto.randomUUID() };
      const { candidate: identity2, fence: fresh } = await rotator.preflight({ ...again, known });
      const second = rotator.propose({ ...again, candidate: identity2 });
      for (const _ of [1, 2]) await rotator.install({ ...again, fence: fresh, startedAt, candidate: second });
      await mysql.as(second, `INSERT INTO ${name}_data.things VALUES (1, 'x')`);
      const next = mysql.rotations({
        name: settings.secretId,
        declared: { connection },
        incumbent: second,
        admin: mysql.admin,
      });
      await next.rotate();
      expect(await next.probe(second)).toBe('refused');
      await mysql.as(next.current.value, `INSERT INTO ${name}_data.things VALUES (2, 'y')`);
    });

    it('does not take a user that is there already', async () => {
      const settings = { ...rotations.settings, secretId: name, connection: mysql.connection() };
      const input = { settings, admin: mysql.admin, incumbent: undefined, versionId: 'v1', known: [] };
      await expect(rotations.rotator.preflight(input)).rejects.toBeInstanceOf(SlotOccupied);
    });
  });

  it('moves to two users, and back, when the declaration changes', async () => {
    await rotations.rotate();
    const reading = mysql.rotations({ ...adopted, incumbent: rotations.current.value }, { privileges: 'read_only' });
    const old = rotations.current.value;
    await reading.rotate();
    expect(usernameOf(reading.current.value)).toBe(`${name}_a`);
    expect(await reading.probe(old)).toBe('refused');
    const back = mysql.rotations({ ...adopted, incumbent: reading.current.value });
    // What read_only took away, a person gives again.
    expect(await faultOf(back.preflight('v8'))).toMatchObject({
      name: 'Misconfigured',
      safeMessage: expect.stringContaining(`GRANT "${name}_a"`),
    });
    await mysql.sql(`GRANT INSERT ON ${name}_data.* TO ${name}_a`);
    const brought = await back.rotate();
    expect(brought.preflight.candidate).toBe(`${name}_a@${brought.versionId}`);
    await mysql.as(brought.value, `INSERT INTO ${name}_data.things VALUES (1, 'x')`);
    const pending = mysql.rotations({ ...adopted, incumbent: back.current.value }, { privileges: 'read_only' });
    await mysql.sql(`ALTER USER ${name}_a IDENTIFIED BY 'x' RETAIN CURRENT PASSWORD`);
    expect(await faultOf(pending.preflight('v9'))).toBeInstanceOf(SlotOccupied);
  });

  it('never calls alive what it can neither end nor try', async () => {
    const survivor = await mysql.createUser(`other${turn}`);
    const work = { ...retirement('v0', name), value: undefined, survivor };
    await expect(rotations.rotator.retire(work)).rejects.toBeInstanceOf(StillAlive);
  });

  async function install(versionId: string, preflight: Preflight, value?: SecretText): Promise<Brought> {
    const { rotator, settings, current } = rotations;
    if (rotator.kind !== 'chosen') throw new Error('not a chosen rotator');
    rotations.journal(versionId, preflight);
    const values = { settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId };
    const candidate = value ?? rotator.propose({ ...values, candidate: preflight.candidate });
    const { fence } = preflight;
    const incumbentVersionId = current.versionId;
    await rotator.install({ ...values, startedAt: rotations.nextStart(), candidate, incumbentVersionId, fence });
    return { versionId, value: candidate, preflight };
  }

  async function preflightFault(): Promise<unknown> {
    return faultOf(rotations.preflight(crypto.randomUUID()));
  }

  function retirement(versionId: string, identity = `${name}@${versionId}`) {
    const { settings, current } = rotations;
    return { settings, admin: mysql.admin, identity, versionId, survivorVersionId: current.versionId };
  }

  async function kept(): Promise<Kept> {
    const [row] = await mysql.sql<{ User_attributes: Kept | null }>(
      `SELECT User_attributes FROM mysql.user WHERE User = '${name}'`,
    );
    return row?.User_attributes ?? {};
  }

  /** The user as it was when `retained` was its second password. */
  async function restore({ metadata }: Kept, primary: string, retained: string): Promise<void> {
    await mysql.sql(
      `ALTER USER ${name} IDENTIFIED BY '${retained}'`,
      `ALTER USER ${name} IDENTIFIED BY '${primary}' RETAIN CURRENT PASSWORD ATTRIBUTE '${JSON.stringify(metadata)}'`,
    );
  }
});
