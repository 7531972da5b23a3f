import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { IncumbentRefused, Misconfigured, RotationEnded, StillAlive, TransientFailure } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { hashOf, hasRedis, parsed, RedisHarness, usernameOf, WITH_REDIS } from './redis-harness.ts';
import { startProxy } from './redis-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  let redis: RedisHarness;
  let made = 0;
  let adopted: Adopted;
  let rotations: RotationByHand;

  beforeAll(async () => {
    redis = await RedisHarness.start();
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    made += 1;
    adopted = await redis.adopt(`app${made}`);
    rotations = rotationsOf(adopted);
  });

  const rotationsOf = (of: Adopted): RotationByHand => new RotationByHand(redis.rotator(systemClock), of);
  const hashes = (): Promise<readonly string[]> => redis.hashes(redis.server, usernameOf(adopted.incumbent));
  /** A user made by `lines` of ACL rules, with a secret that has `password`. */
  async function user(name: string, password: string, rules: readonly string[]): Promise<Adopted> {
    await redis.command(redis.server, ['ACL', 'SETUSER', name, ...rules]);
    return { name, declared: {}, incumbent: redis.secret({ username: name, password }), admin: redis.admin };
  }

  describe('a rotation of a Redis user', () => {
    it('adds one hash, takes one away, and changes nothing else of any user', async () => {
      const rules = [
        'on',
        '>first-password',
        '+@read',
        '+set|get',
        '-keys',
        '~app:*',
        '%R~shared:*',
        '&news.*',
        '(+get ~x:*)',
      ];
      adopted = await user(`ruled${made}`, 'first-password', rules);
      rotations = rotationsOf(adopted);
      const before = await redis.everythingBut(redis.server, adopted.name);
      for (let turn = 0; turn < 2; turn += 1) {
        const replaced = rotations.current.value;
        const brought = await rotations.bringIn();
        expect(await hashes()).toEqual([hashOf(replaced), hashOf(brought.value)]);
        expect(await redis.everythingBut(redis.server, adopted.name)).toBe(before);
        await rotations.retire(rotations.promote(brought));
        expect(await hashes()).toEqual([hashOf(brought.value)]);
        expect(await redis.everythingBut(redis.server, adopted.name)).toBe(before);
      }
    });

    it('is named by user and version, tells how it was made, and carries the other keys of the secret over', async () => {
      const incumbent = redis.secret({ ...parsed(adopted.incumbent), db: 3, tags: ['a'], ssl: false });
      rotations = rotationsOf({ ...adopted, incumbent });
      const incumbentVersionId = rotations.current.versionId;
      const { preflight, value, versionId } = await rotations.bringIn();
      expect(preflight).toEqual({
        candidate: `${adopted.name}@${versionId}`,
        incumbent: `${adopted.name}@${incumbentVersionId}`,
        facts: {
          server_version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
          tls: 'none',
          nodes: '1',
          persistence: 'ACL SAVE',
        },
        fence: expect.stringMatching(/^\{"127\.0\.0\.1:\d+":"[0-9a-f]{32}"\}$/) as string,
      });
      expect(parsed(value)).toEqual({ ...parsed(incumbent), password: expect.stringMatching(/^[\w-]{32}$/) as string });
      expect((await rotations.test({ value })).parity).toEqual(['user', 'commands', 'keys', 'channels', 'selectors']);
    });

    it('makes passwords by the declared policy', async () => {
      const policy = { length: 12, alphabet: 'abc123', require: ['digit'] as const };
      const { value } = await new RotationByHand(rotations.rotator, adopted, { policy }).bringIn();
      expect(parsed(value).password).toMatch(/^[abc123]{12}$/);
      await redis.use(value);
    });

    it('leaves a password alone that Rekey does not know, which the harness finds', async () => {
      await redis.command(redis.server, ['ACL', 'SETUSER', adopted.name, '>from-another-team']);
      const foreign = redis.secret({ username: adopted.name, password: 'from-another-team' });
      const strange = [`password 2 of ${adopted.name} at port ${redis.server.port}`];
      const current = { identity: '', versionId: '', value: adopted.incumbent };
      expect(await redis.unaccounted(adopted, [current])).toEqual(strange);
      for (let turn = 0; turn < 3; turn += 1) {
        const brought = await rotations.bringIn();
        await redis.use(foreign);
        await rotations.retire(rotations.promote(brought));
        await redis.use(foreign);
        expect(await redis.unaccounted(adopted, rotations.accounted)).toHaveLength(1);
      }
      const taken = await rotations.bringIn();
      await rotations.retire(taken.versionId);
      await redis.use(foreign);
    });

    it('is done by the user itself where there is no administrator and it may', async () => {
      adopted = { ...(await redis.adopt(`self${made}`, '+@all ~* &*')), admin: undefined };
      rotations = rotationsOf(adopted);
      const replaced = rotations.current.value;
      await rotations.rotate();
      await rotations.rotate();
      expect(await rotations.probe(replaced)).toBe('refused');
      const last = rotations.current;
      const retirement = {
        settings: rotations.settings,
        admin: undefined,
        identity: `${adopted.name}@${last.versionId}`,
        versionId: last.versionId,
        value: last.value,
        survivor: undefined,
      };
      // Nobody else is there to do it, and a second run finds it done.
      for (const _ of [1, 2]) expect(await rotations.rotator.retire(retirement)).toMatchObject({ refusedLogin: true });
      expect(await hashes()).toEqual([]);
    });

    it('puts a first password beside none, for a user that is declared', async () => {
      const name = `first${made}`;
      await redis.command(redis.server, ['ACL', 'SETUSER', name, 'on', '+@all', '~*']);
      const { host, port } = redis.server;
      const connection = { host, port, tls: 'disable' as const, ownerRole: name };
      const settings = { ...rotations.settings, connection };
      const input = { settings, admin: redis.admin, incumbent: undefined, versionId: 'v1', startedAt: new Date() };
      const { rotator } = rotations;
      const preflight = await rotator.preflight({ ...input, known: [] });
      expect(preflight).toMatchObject({ candidate: `${name}@v1`, incumbent: undefined });
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const candidate = rotator.propose({ ...input, candidate: preflight.candidate });
      await rotator.install({ ...input, candidate });
      expect(await rotator.test({ settings, candidate, incumbentIdentity: undefined })).toEqual({
        healthy: 1,
        parity: [],
      });
      await redis.use(candidate);
      expect(parsed(candidate)).toMatchObject({ engine: 'redis', host, port, username: name, ssl: false });
      const unnamed = { ...settings, connection: { host, port, tls: 'prefer' as const } };
      await expect(rotator.preflight({ ...input, settings: unnamed, known: [] })).rejects.toThrow(/owner_role/);
      await expect(rotator.preflight({ ...input, admin: undefined, known: [] })).rejects.toThrow(/admin_secret/);
    });
  });

  describe('the default user', () => {
    it('rotates with a secret that has only a password', async () => {
      const server = await RedisHarness.start({ users: ['default on >only-a-password ~* &* +@all'] });
      try {
        const { host, port } = server.server;
        const incumbent = new SecretText(JSON.stringify({ password: 'only-a-password' }));
        const declared: Adopted['declared'] = { connection: { host, port, tls: 'disable' } };
        const rotations = new RotationByHand(server.rotator(systemClock), {
          name: 'only',
          declared,
          incumbent,
          admin: undefined,
        });
        const brought = await rotations.bringIn();
        const { value, preflight } = brought;
        expect(preflight.incumbent).toMatch(/^default@/);
        expect(Object.keys(parsed(value))).toEqual(['password']);
        await rotations.retire(rotations.promote(brought));
        expect(await rotations.probe(incumbent)).toBe('refused');
        expect(await rotations.probe(value)).toBe('accepted');
      } finally {
        await server.stop();
      }
    });
  });

  describe('what is sent', () => {
    it('changes users by hash alone: a password is sent only to log in', async () => {
      const { sent, port, stop } = await startProxy(redis.server.port);
      try {
        const incumbent = redis.secret({ ...parsed(adopted.incumbent), port });
        const admin = redis.secret({ ...parsed(redis.admin), port });
        rotations = rotationsOf({ ...adopted, incumbent, admin });
        const replaced = rotations.current.versionId;
        const brought = await rotations.bringIn();
        const installed = sent();
        const { password } = parsed(brought.value);
        expect(installed).toContain(`#${hashOf(brought.value)}`);
        expect(installed).not.toContain(password);
        await rotations.test(brought);
        rotations.promote(brought);
        await rotations.retire(replaced);
        const everything = sent();
        expect(everything).toContain(`!${hashOf(incumbent)}`);
        for (const value of [password, parsed(incumbent).password]) {
          const logins = everything.split(
            `AUTH\r\n$${adopted.name.length}\r\n${adopted.name}\r\n$${value.length}\r\n${value}`,
          );
          expect(logins.length).toBeGreaterThan(1);
          expect(logins.join('')).not.toContain(value);
        }
      } finally {
        await stop();
      }
    });
  });

  describe('install', () => {
    it('ends when it comes late, once its incumbent is retired, and adds nothing', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const versionId = crypto.randomUUID();
      const values = { settings: rotations.settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId };
      const candidate = rotator.propose({ ...values, candidate: `${adopted.name}@${versionId}` });
      await rotations.rotate();
      const before = await redis.state(adopted);
      const late = { ...values, startedAt: new Date(), candidate };
      await expect(rotator.install(late)).rejects.toBeInstanceOf(RotationEnded);
      expect(await redis.state(adopted)).toBe(before);
    });

    it('ends when it comes late, also while its incumbent is still alive, and adds nothing', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const versionId = crypto.randomUUID();
      const { fence, candidate: identity } = await rotations.preflight(versionId);
      const values = {
        settings: rotations.settings,
        admin: adopted.admin,
        incumbent: adopted.incumbent,
        versionId,
        fence,
      };
      const candidate = rotator.propose({ ...values, candidate: identity });
      const late = { ...values, startedAt: new Date(), candidate };
      const later = await rotations.bringIn();
      for (const step of [() => undefined, () => rotations.promote(later)]) {
        step();
        const before = await redis.state(adopted);
        await expect(rotator.install(late)).rejects.toBeInstanceOf(RotationEnded);
        expect(await redis.state(adopted)).toBe(before);
      }
      expect(await redis.unaccounted(adopted, rotations.accounted)).toEqual([]);
    });

    it('may be installed twice by what one preflight saw, and again by what another saw after it', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const versionId = crypto.randomUUID();
      const { fence, candidate: identity } = await rotations.preflight(versionId);
      const values = { settings: rotations.settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId };
      const input = {
        ...values,
        candidate: rotator.propose({ ...values, candidate: identity }),
        startedAt: new Date(),
      };
      await rotator.install({ ...input, fence });
      await rotator.install({ ...input, fence });
      const again = await rotations.preflight(versionId);
      expect(again.fence).not.toBe(fence);
      await rotator.install({ ...input, fence: again.fence });
      expect(await redis.hashes(redis.server, adopted.name)).toHaveLength(2);
    });

    it('is tried again when somebody else has changed the user at the same time', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const { port, stop } = await startProxy(redis.server.port, async (chunk) => {
        if (chunk.includes('SETUSER')) await redis.command(redis.server, ['ACL', 'SETUSER', adopted.name, '-get']);
        return undefined;
      });
      try {
        const at = (value: SecretText) => redis.secret({ ...parsed(value), port });
        const { settings } = rotations;
        const values = { settings, admin: at(redis.admin), incumbent: at(adopted.incumbent), versionId: 'v1' };
        const candidate = rotator.propose({ ...values, candidate: '' });
        const input = { ...values, candidate, startedAt: new Date() };
        await expect(rotator.install(input)).rejects.toBeInstanceOf(TransientFailure);
        await rotator.install(input);
        expect(await hashes()).toEqual([hashOf(adopted.incumbent), hashOf(candidate)]);
      } finally {
        await stop();
      }
    });

    it('does not give a password to another user than the incumbent', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const other = await redis.adopt(`other${made}`);
      const { settings, current } = rotations;
      const input = { settings, admin: adopted.admin, incumbent: current.value, versionId: 'v', startedAt: new Date() };
      await expect(rotator.install({ ...input, candidate: other.incumbent })).rejects.toBeInstanceOf(Misconfigured);
      expect(await redis.hashes(redis.server, other.name)).toHaveLength(1);
    });
  });

  describe('retire', () => {
    it('ends nothing when the survivor is refused', async () => {
      const brought = await rotations.bringIn();
      const replaced = rotations.promote(brought);
      await redis.command(redis.server, ['ACL', 'SETUSER', adopted.name, `!${hashOf(brought.value)}`]);
      await expect(rotations.retire(replaced)).rejects.toBeInstanceOf(IncumbentRefused);
      await redis.use(adopted.incumbent);
    });

    it('keeps a password that the survivor has too, and a value that is not of the credential', async () => {
      const { versionId, value } = rotations.current;
      const identity = `${adopted.name}@${versionId}`;
      const retirement = { settings: rotations.settings, admin: adopted.admin, identity, versionId, value };
      await expect(rotations.rotator.retire({ ...retirement, survivor: value })).rejects.toThrow(/must go on working/);
      const wrong = { ...retirement, versionId: 'another', survivor: undefined };
      await expect(rotations.rotator.retire(wrong)).rejects.toThrow(/does not belong/);
      await redis.use(value);
    });

    it('has nothing to do for a candidate whose value was never stored', async () => {
      const versionId = crypto.randomUUID();
      rotations.journal(versionId, await rotations.preflight(versionId));
      const before = await redis.state(adopted);
      expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: false, endedSessions: 0 });
      expect(await redis.state(adopted)).toBe(before);
    });

    it('looks for a candidate whose value was stored, and is no longer', async () => {
      const { versionId } = await rotations.bringIn();
      const { settings, current, known } = rotations;
      const identity = `${adopted.name}@${versionId}`;
      const lost = { settings, admin: adopted.admin, identity, versionId, value: undefined, survivor: current.value };
      await expect(rotations.rotator.retire({ ...lost, known })).rejects.toBeInstanceOf(StillAlive);
      expect(known).toContainEqual(expect.objectContaining({ versionId, state: 'proposed', wasStored: true }));
    });

    it('does not call a credential dead that it cannot look for, unless no other password is left', async () => {
      const brought = await rotations.bringIn();
      const versionId = rotations.promote(brought);
      const known = rotations.known;
      const retirement = {
        settings: rotations.settings,
        admin: adopted.admin,
        identity: `${adopted.name}@${versionId}`,
        versionId,
        value: undefined,
        survivor: brought.value,
        known,
      };
      await expect(rotations.rotator.retire(retirement)).rejects.toBeInstanceOf(StillAlive);
      await redis.use(adopted.incumbent);
      await redis.command(redis.server, ['ACL', 'SETUSER', adopted.name, `!${hashOf(adopted.incumbent)}`]);
      expect(await rotations.rotator.retire(retirement)).toMatchObject({ refusedLogin: false });
    });

    it('finds it dead when somebody else takes the password away at the same time', async () => {
      const brought = await rotations.bringIn();
      const replaced = rotations.promote(brought);
      const gone = ['ACL', 'SETUSER', adopted.name, `!${hashOf(adopted.incumbent)}`];
      let times = 0;
      const { port, stop } = await startProxy(redis.server.port, async (chunk) => {
        if (chunk.includes('SETUSER')) times += Number((await redis.command(redis.server, gone)) === 'OK');
        return undefined;
      });
      try {
        const at = (value: SecretText) => redis.secret({ ...parsed(value), port });
        const retirement = {
          settings: rotations.settings,
          admin: at(redis.admin),
          identity: `${adopted.name}@${replaced}`,
          versionId: replaced,
          value: at(adopted.incumbent),
          survivor: at(brought.value),
        };
        expect(await rotations.rotator.retire(retirement)).toMatchObject({ refusedLogin: true });
        expect(times).toBe(1);
      } finally {
        await stop();
      }
    });

    it('says that a credential lives when something else lets its password in', async () => {
      const brought = await rotations.bringIn();
      const replaced = rotations.promote(brought);
      // Whoever has logged in once more as the user gives it back at every turn.
      const { password } = parsed(adopted.incumbent);
      const back = ['ACL', 'SETUSER', adopted.name, `>${password}`];
      const { port, stop } = await startProxy(redis.server.port, async (chunk) => {
        if (chunk.includes('SAVE')) await redis.command(redis.server, back);
        return undefined;
      });
      try {
        const at = (value: SecretText) => redis.secret({ ...parsed(value), port });
        const retirement = {
          settings: rotations.settings,
          admin: at(redis.admin),
          identity: `${adopted.name}@${replaced}`,
          versionId: replaced,
          value: at(adopted.incumbent),
          survivor: at(brought.value),
          known: rotations.known,
        };
        await expect(rotations.rotator.retire(retirement)).rejects.toBeInstanceOf(StillAlive);
      } finally {
        await stop();
      }
    });
  });
});
