import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RedisOptions } from '../../infra/local/redis-server.ts';
import { systemClock } from '../../shared/clock.ts';
import { TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { RedisHarness } from './redis-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

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
    const rotations = await start({ usersIn: 'configuration' });
    const file = join(redis.server.home, 'redis.conf');
    const before = await readFile(file, 'utf8');
    await redis.command(redis.server, ['ACL', 'SETUSER', 'neighbour', 'on', '>x', '~"quoted']);
    const old = rotations.current.value;
    const brought = await rotations.bringIn();
    const report = await rotations.retire(rotations.promote(brought));
    expect(report.facts['persistence']).toMatch(/^not persisted: a user has a quote/);
    expect(await readFile(file, 'utf8')).toBe(before);
    await redis.server.restart();
    // As the audit entry has said.
    expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'refused']);
    // What it is kept from: the very same, rewritten.
    await redis.command(redis.server, ['ACL', 'SETUSER', 'neighbour', 'on', '>x', '~"quoted']);
    await redis.command(redis.server, ['CONFIG', 'REWRITE']);
    await expect(redis.server.restart()).rejects.toThrow(/did not start/);
  });

  it('that it cannot rewrite is said to be as it was', async () => {
    const rotations = await start({ usersIn: 'configuration' });
    const file = join(redis.server.home, 'redis.conf');
    await rename(file, `${file}.away`);
    await mkdir(file);
    const { versionId } = await rotations.bringIn();
    const report = await rotations.retire(versionId);
    expect(report.facts['persistence']).toMatch(/^not persisted: .* cannot rewrite$/);
  });
});

describe('a server that keeps its users in memory only', () => {
  it('is rotated, and preflight and every step say what a restart does', async () => {
    const rotations = await start({ usersIn: 'memory' });
    const old = rotations.current.value;
    const brought = await rotations.bringIn();
    expect(brought.preflight.facts['persistence']).toMatch(/^not persisted: users are kept in memory only/);
    const report = await rotations.retire(rotations.promote(brought));
    expect(report.facts['persistence']).toBe(brought.preflight.facts['persistence']);
    expect(await open(rotations, old, brought.value)).toEqual(['refused', 'accepted']);
    await redis.server.restart();
    expect(await open(rotations, old, brought.value)).toEqual(['accepted', 'refused']);
  });
});

describe('a server whose provider keeps its users', () => {
  it('is rotated, and every step says that Rekey may not save them', async () => {
    const rotations = await start({});
    await redis.command(redis.server, ['ACL', 'SETUSER', 'limited', 'on', '>limited', '+acl|getuser', '+acl|setuser']);
    const admin = redis.secret({ username: 'limited', password: 'limited' });
    const provided = rotationsOf({ name: 'app', declared: {}, incumbent: rotations.current.value, admin });
    const brought = await provided.bringIn();
    expect(brought.preflight.facts['persistence']).toMatch(/^unknown: /);
    const report = await provided.retire(provided.promote(brought));
    expect(report.facts['persistence']).toMatch(/^not persisted: users are kept by whoever runs the server/);
  });
});

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
