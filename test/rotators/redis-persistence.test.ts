import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RedisOptions } from '../../infra/local/redis-server.ts';
import { systemClock } from '../../shared/clock.ts';
import { Misconfigured, RekeyError, TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { hasRedis, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import type { InstallReport } from '../../shared/rotators/rotator.ts';
import { type Brought, RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  const PASSWORD = 'the-first-password';

  let redis: RedisHarness;
  afterEach(() => redis.stop());

  /** A server with a user `app`, from its start on, and rotations of it. */
  async function start(options: RedisOptions, rule = `app on >${PASSWORD} ~* &* +@all`): Promise<RotationByHand> {
    redis = await RedisHarness.start({ ...options, users: [rule] });
    const [username = ''] = rule.split(' ');
    const incumbent = redis.secret({ username, password: PASSWORD });
    return rotationsOf({ name: username, declared: {}, incumbent, admin: redis.admin });
  }

  /** The same secret, of which it is declared that somebody else keeps the server's users. */
  function provided({ current }: RotationByHand, admin: SecretText = redis.admin): RotationByHand {
    const { host, port } = redis.server;
    const connection = { host, port, tls: 'prefer', usersKeptBy: 'provider' } as const;
    return rotationsOf({ name: 'app', declared: { connection }, incumbent: current.value, admin });
  }

  async function refusal(attempt: Promise<unknown>): Promise<string> {
    const fault = await attempt.catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Misconfigured);
    return (fault as RekeyError).safeMessage;
  }

  const rotationsOf = (adopted: Adopted) => new RotationByHand(redis.rotator(systemClock), adopted);

  /** Which of them open the server. */
  async function open(rotations: RotationByHand, ...values: readonly SecretText[]): Promise<readonly string[]> {
    return Promise.all(values.map((value) => rotations.probe(value)));
  }

  describe('a server with an ACL file', () => {
    it('comes back with both passwords, then with the new one, whenever it is started again', async () => {
      const rotations = await start({});
      const old = rotations.current.value;
      const brought = await rotations.bringIn();
      await redis.server.restart();
      expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'accepted']);
      const report = await rotations.retire(rotations.promote(brought));
      expect(report.facts['persistence']).toBe('ACL SAVE');
      await redis.server.restart();
      expect(await open(rotations, old, brought.value)).toEqual(['refused', 'accepted']);
      const taken = await rotations.bringIn();
      await rotations.retire(taken.versionId);
      await redis.server.restart();
      expect(await open(rotations, taken.value, brought.value)).toEqual(['refused', 'accepted']);
    });

    it('that it cannot write ends no step; the next try saves what this one has changed', async () => {
      const rotations = await start({});
      const { rotator, current, settings } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const versionId = crypto.randomUUID();
      const values = { settings, admin: redis.admin, incumbent: current.value, versionId, startedAt: new Date() };
      const candidate = rotator.propose({ ...values, candidate: '' });
      const locked = await lockAclFile();
      const failed = await rotator.install({ ...values, candidate }).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(TransientFailure);
      expect((failed as Error).message).toContain('ACL SAVE');
      await locked.open();
      expect((await rotator.install({ ...values, candidate })).facts['persistence']).toBe('ACL SAVE');
      await redis.server.restart();
      expect(await open(rotations, candidate)).toEqual(['accepted']);

      const again = await lockAclFile();
      const identity = `app@${versionId}`;
      const back = { settings, admin: redis.admin, identity, versionId, value: candidate, survivor: current.value };
      await expect(rotator.retire(back)).rejects.toBeInstanceOf(TransientFailure);
      await again.open();
      await rotator.retire(back);
      await redis.server.restart();
      expect(await open(rotations, candidate, current.value)).toEqual(['refused', 'accepted']);
    });
  });

  describe('a server whose users are in its configuration file', () => {
    it('has it rewritten, and comes back with what is current', async () => {
      const rotations = await start({ usersIn: 'configuration' });
      const old = rotations.current.value;
      const brought = await rotations.bringIn();
      expect(brought.preflight.facts['persistence']).toBe('CONFIG REWRITE');
      await redis.server.restart();
      expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'accepted']);
      const report = await rotations.retire(rotations.promote(brought));
      expect(report.facts['persistence']).toBe('CONFIG REWRITE');
      await redis.server.restart();
      expect(await open(rotations, old, brought.value)).toEqual(['refused', 'accepted']);
    });

    it('keeps the password of requirepass no longer than it is valid', async () => {
      const rotations = await start(
        { usersIn: 'configuration', settings: { requirepass: PASSWORD } },
        'somebody on >x ~* +@all',
      );
      const incumbent = redis.secret({ password: PASSWORD });
      const ofDefault = rotationsOf({ name: 'default', declared: {}, incumbent, admin: redis.admin });
      const { value } = await ofDefault.rotate();
      await redis.server.restart();
      expect(await open(rotations, incumbent, value)).toEqual(['refused', 'accepted']);
    });

    it('is not rewritten when a user has a quote, with which it would not start again', async () => {
      const undeclared = await start({ usersIn: 'configuration' });
      const file = join(redis.server.home, 'redis.conf');
      const before = await readFile(file, 'utf8');
      await redis.command(redis.server, ['ACL', 'SETUSER', 'neighbour', 'on', '>x', '~"quoted']);
      expect(await refusal(undeclared.bringIn())).toMatch(/restart .*not persisted: a user has a quote.*users_kept_by/);
      const rotations = provided(undeclared);
      const old = rotations.current.value;
      const brought = await rotations.bringIn();
      const report = await rotations.retire(rotations.promote(brought));
      expect(report.facts['persistence']).toMatch(/^not persisted: a user has a quote/);
      expect(await readFile(file, 'utf8')).toBe(before);
      await redis.server.restart();
      // As people were told.
      expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'refused']);
      // What it is kept from: the very same, rewritten.
      await redis.command(redis.server, ['ACL', 'SETUSER', 'neighbour', 'on', '>x', '~"quoted']);
      await redis.command(redis.server, ['CONFIG', 'REWRITE']);
      await expect(redis.server.restart()).rejects.toThrow(/did not start/);
    });

    it('that it cannot rewrite takes no candidate: it would go with a restart', async () => {
      const rotations = await start({ usersIn: 'configuration' });
      const file = join(redis.server.home, 'redis.conf');
      await rename(file, `${file}.away`);
      await mkdir(file);
      const versionId = crypto.randomUUID();
      expect(await refusal(rotations.bringIn(versionId))).toMatch(/not persisted: .* cannot rewrite\)/);
      const candidate = rotations.valueOf(versionId);
      expect(await open(rotations, candidate)).toEqual(['accepted']);
      const report = await rotations.retire(versionId);
      expect(report.facts['persistence']).toMatch(/^not persisted: .* cannot rewrite$/);
      expect(await open(rotations, candidate, rotations.current.value)).toEqual(['refused', 'accepted']);
    });

    it.each(['config|rewrite', 'acl|list'])('is not rotated by an administrator who may not run %s', async (denied) => {
      const rotations = await start({ usersIn: 'configuration' });
      const admin = await administrator('+@all', `-${denied}`);
      const refused = rotationsOf({ name: 'app', declared: {}, incumbent: rotations.current.value, admin });
      expect(await refusal(refused.preflight('v1'))).toContain(`give it +${denied}`);
      await provided(rotations, admin).preflight('v1');
    });
  });

  describe('a server that keeps its users in memory only', () => {
    it('is not rotated: a restart would bring the retired password back', async () => {
      const rotations = await start({ usersIn: 'memory' });
      const text = await refusal(rotations.preflight('v1'));
      expect(text).toMatch(/restart of 127\.0\.0\.1:\d+ would bring the old password back.*users_kept_by: provider/);
    });

    it('is rotated where somebody is declared to keep them, and people are told what a restart does', async () => {
      const rotations = provided(await start({ usersIn: 'memory' }));
      const old = rotations.current.value;
      const brought = await rotations.bringIn();
      expect(brought.preflight.facts['persistence']).toMatch(/^not persisted: users are kept in memory only/);
      expect(await installed(rotations, brought)).toMatchObject({
        warning: expect.stringMatching(/^not persisted: users are kept in memory only.*After a restart/) as string,
      });
      const report = await rotations.retire(rotations.promote(brought));
      expect(report.facts['persistence']).toBe(brought.preflight.facts['persistence']);
      expect(await open(rotations, old, brought.value)).toEqual(['refused', 'accepted']);
      await redis.server.restart();
      expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'refused']);
    });
  });

  describe('a server whose provider keeps its users', () => {
    it('is not rotated before that is declared: the right to save them may just be missing', async () => {
      const rotations = await start({});
      const admin = await administrator('+acl|getuser', '+acl|setuser', '+acl|dryrun');
      const undeclared = rotationsOf({ name: 'app', declared: {}, incumbent: rotations.current.value, admin });
      expect(await refusal(undeclared.preflight('v1'))).toContain('may not run ACL SAVE');
      const brought = await provided(rotations, admin).bringIn();
      expect(brought.preflight.facts['persistence']).toMatch(/^unknown: /);
    });

    it('takes no candidate either where preflight could not find out, and is as it was after a roll back', async () => {
      const rotations = await start({});
      // Without ACL DRYRUN nobody says what is allowed before it is done, as before Redis 7.0.
      const admin = await administrator('+acl|getuser', '+acl|setuser');
      const undeclared = rotationsOf({ name: 'app', declared: {}, incumbent: rotations.current.value, admin });
      const versionId = crypto.randomUUID();
      expect(await refusal(undeclared.bringIn(versionId))).toMatch(/not persisted: users are kept by whoever runs/);
      const candidate = undeclared.valueOf(versionId);
      await undeclared.retire(versionId);
      expect(await open(rotations, candidate, rotations.current.value)).toEqual(['refused', 'accepted']);
    });

    it('is rotated, and every step says that Rekey may not save them', async () => {
      const rotations = await start({});
      const admin = await administrator('+acl|getuser', '+acl|setuser');
      const declared = provided(rotations, admin);
      const brought = await declared.bringIn();
      expect(brought.preflight.facts['persistence']).toMatch(/^unknown: /);
      const warning: unknown = expect.stringMatching(/^not persisted: /);
      expect(await installed(declared, brought, admin)).toMatchObject({ warning });
      const report = await declared.retire(declared.promote(brought));
      expect(report.facts['persistence']).toMatch(/^not persisted: users are kept by whoever runs the server/);
    });

    it('needs no warning where Rekey may save them all the same', async () => {
      const rotations = provided(await start({}));
      const brought = await rotations.bringIn();
      expect(await installed(rotations, brought)).not.toHaveProperty('warning');
    });
  });

  /** An administrator with these rules only. */
  async function administrator(...rules: readonly string[]): Promise<SecretText> {
    await redis.command(redis.server, ['ACL', 'SETUSER', 'limited', 'on', '>limited', ...rules]);
    return redis.secret({ username: 'limited', password: 'limited' });
  }

  /** What `install` says of a candidate that is installed already. */
  async function installed(
    { rotator, settings, current }: RotationByHand,
    { versionId, value: candidate }: Brought,
    admin: SecretText = redis.admin,
  ): Promise<InstallReport> {
    if (rotator.kind !== 'chosen') throw new Error('chosen');
    const startedAt = new Date();
    return rotator.install({ settings, admin, incumbent: current.value, versionId, startedAt, candidate });
  }

  /** Puts a directory where the ACL file is, which root cannot replace either. */
  async function lockAclFile(): Promise<{ readonly open: () => Promise<void> }> {
    const file = join(redis.server.home, 'users.acl');
    await rename(file, `${file}.away`);
    await mkdir(join(file, 'full'), { recursive: true });
    return {
      open: async () => {
        await rm(file, { recursive: true });
        await rename(`${file}.away`, file);
      },
    };
  }
});
