import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../infra/local/redis-server.ts';
import { systemClock } from '../../shared/clock.ts';
import { IncumbentRefused, Misconfigured, TargetUnreachable, TransientFailure } from '../../shared/errors.ts';
import { nodesOf, onEvery, together } from '../../shared/rotators/redis/nodes.ts';
import { hashOf, hasRedis, parsed, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import { startProxy } from './redis-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  let redis: RedisHarness;
  let first: RedisServer;
  let second: RedisServer;
  let made = 0;
  let adopted: Adopted;
  let rotations: RotationByHand;

  beforeAll(async () => {
    redis = await RedisHarness.start({}, 2);
    const [one, other] = redis.servers;
    if (one === undefined || other === undefined) throw new Error('two servers');
    [first, second] = [one, other];
    // One administrator for all, as where one file is given to every server.
    await redis.command(second, ['ACL', 'SETUSER', 'admin', `>${first.adminPassword}`]);
    await redis.command(second, ['ACL', 'SAVE']);
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    made += 1;
    adopted = await redis.adopt(`app${made}`);
    for (const server of redis.servers) await redis.command(server, ['ACL', 'SAVE']);
    rotations = new RotationByHand(redis.rotator(systemClock), adopted);
  });

  /** What each server has as passwords of the user. */
  const passwords = async (): Promise<readonly (readonly string[])[]> => [
    await redis.hashes(first, adopted.name),
    await redis.hashes(second, adopted.name),
  ];
  const hashOfCurrent = (): string => hashOf(rotations.current.value);

  describe('a user of several servers', () => {
    it('is changed, tried and ended on every one', async () => {
      const old = hashOfCurrent();
      const { value, versionId, preflight } = await rotations.bringIn();
      expect(preflight.facts).toMatchObject({ nodes: '2', persistence: 'ACL SAVE', tls: 'none' });
      expect(await passwords()).toEqual([
        [old, hashOf(value)],
        [old, hashOf(value)],
      ]);
      await rotations.test({ value });
      for (const { port } of [first, second]) await redis.login(value, port);
      const report = await rotations.retire(rotations.promote({ value, versionId, preflight }));
      expect(report).toMatchObject({ refusedLogin: true, facts: { nodes: '2' } });
      expect(await passwords()).toEqual([[hashOf(value)], [hashOf(value)]]);
    });

    it('stops in preflight when one does not answer, or does not take the incumbent', async () => {
      const before = await redis.state(adopted);
      await second.restart(async () => {
        await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(TargetUnreachable);
      });
      expect(await redis.state(adopted)).toBe(before);
      await redis.command(second, ['ACL', 'SETUSER', adopted.name, 'resetpass', '>another']);
      const fault = await rotations.preflight('v1').catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(IncumbentRefused);
      expect((fault as Error).message).toContain(`127.0.0.1:${second.port}`);
      await redis.command(second, ['ACL', 'SETUSER', adopted.name, 'nopass']);
      await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
    });

    it('is not said to be installed while one does not answer; the next try completes it', async () => {
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const { settings, current } = rotations;
      const versionId = crypto.randomUUID();
      const values = { settings, admin: adopted.admin, incumbent: current.value, versionId, startedAt: new Date() };
      const candidate = rotator.propose({ ...values, candidate: '' });
      const old = hashOfCurrent();
      await second.restart(async () => {
        await expect(rotator.install({ ...values, candidate })).rejects.toBeInstanceOf(TargetUnreachable);
      });
      expect(await passwords()).toEqual([[old, hashOf(candidate)], [old]]);
      await expect(rotator.probe(candidate, settings)).rejects.toBeInstanceOf(TransientFailure);
      expect((await rotator.install({ ...values, candidate })).facts).toMatchObject({ nodes: '2' });
      expect(await rotator.probe(candidate, settings)).toBe('accepted');
    });

    it('is not said to be dead while one does not answer; the next try completes it', async () => {
      const brought = await rotations.bringIn();
      const old = hashOfCurrent();
      const replaced = rotations.promote(brought);
      const fresh = hashOf(brought.value);
      await second.restart(async () => {
        await expect(rotations.retire(replaced, { forget: false })).rejects.toBeInstanceOf(TargetUnreachable);
      });
      expect(await passwords()).toEqual([
        [old, fresh],
        [old, fresh],
      ]);
      // It goes away between the look at the survivor and the change.
      await redis.command(first, ['ACL', 'SETUSER', adopted.name, `!${old}`]);
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
      expect(await passwords()).toEqual([[fresh], [fresh]]);
    });

    it('takes no late candidate where one of them has another password than when its rotation began', async () => {
      const { rotator, settings } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('chosen');
      const versionId = crypto.randomUUID();
      const { fence, candidate: identity } = await rotations.preflight(versionId);
      const values = { settings, admin: adopted.admin, incumbent: adopted.incumbent, versionId, fence };
      const candidate = rotator.propose({ ...values, candidate: identity });
      await redis.command(second, ['ACL', 'SETUSER', adopted.name, '>of-another']);
      const late = rotator.install({ ...values, candidate, startedAt: new Date() });
      await expect(late).rejects.toThrow(new RegExp(`other passwords at .*:${second.port} than when`));
      expect((await passwords())[1]).toHaveLength(2);
    });

    it('goes back on every one, also where the candidate has come to one only', async () => {
      const brought = await rotations.bringIn();
      const old = hashOfCurrent();
      await redis.command(first, ['ACL', 'SETUSER', adopted.name, `!${hashOf(brought.value)}`]);
      await rotations.retire(brought.versionId);
      expect(await passwords()).toEqual([[old], [old]]);
    });

    it('is ended where it was, when its secret has been moved to another server', async () => {
      const moved = redis.secret({ ...parsed(adopted.incumbent), port: second.port, password: 'of-the-second' });
      await redis.command(second, ['ACL', 'SETUSER', adopted.name, 'resetpass', '>of-the-second']);
      const { rotator, settings, current } = new RotationByHand(redis.rotator(systemClock), {
        ...adopted,
        declared: {},
      });
      const identity = `${adopted.name}@${current.versionId}`;
      const retirement = { settings, identity, versionId: current.versionId, value: current.value, survivor: moved };
      expect(await rotator.retire({ ...retirement, admin: adopted.admin })).toMatchObject({ refusedLogin: true });
      expect((await passwords()).map(({ length }) => length)).toEqual([0, 1]);
    });

    it('acts as itself there without an administrator: the new server’s password is not shown to the old one', async () => {
      const own = { ...(await redis.adopt(`self${made}`, '+@all ~* &*')), admin: undefined, declared: {} };
      const proxy = await startProxy(first.port);
      try {
        const incumbent = redis.secret({ ...parsed(own.incumbent), port: proxy.port });
        const moved = redis.secret({ ...parsed(own.incumbent), port: second.port, password: 'of-the-second' });
        await redis.command(second, ['ACL', 'SETUSER', own.name, 'resetpass', '>of-the-second']);
        const { rotator, settings, current } = new RotationByHand(redis.rotator(systemClock), { ...own, incumbent });
        const { versionId, value } = current;
        const identity = `${own.name}@${versionId}`;
        const retirement = { settings, admin: undefined, identity, versionId, value, survivor: moved };
        // Twice: an earlier try has done it.
        for (let time = 0; time < 2; time += 1) {
          expect(await rotator.retire(retirement)).toMatchObject({ refusedLogin: true });
        }
        expect(proxy.sent()).toContain(parsed(own.incumbent).password);
        expect(proxy.sent()).not.toContain('of-the-second');
        expect(await redis.hashes(first, own.name)).toEqual([]);
        expect(await redis.hashes(second, own.name)).toEqual([hashOf(moved)]);
      } finally {
        await proxy.stop();
      }
    });

    it('leaves a password that only one knows where it is', async () => {
      await redis.command(second, ['ACL', 'SETUSER', adopted.name, '>foreign']);
      await rotations.rotate();
      expect((await passwords()).map(({ length }) => length)).toEqual([1, 2]);
      expect(await redis.unaccounted(adopted, rotations.accounted)).toEqual([
        `password 1 of ${adopted.name} at port ${second.port}`,
      ]);
    });
  });

  describe('the nodes of a connection', () => {
    const node = { host: 'a.example', port: 6379, tls: 'require' as const, certificateAuthority: 'PEM' };

    it('are twenty at a time at most, none after a fault, and all when there is none', async () => {
      const nodes = Array.from({ length: 100 }, (_, index) => ({ ...node, port: index + 1 }));
      let [open, most, begun] = [0, 0, 0];
      const work = async ({ port }: { readonly port: number }): Promise<string> => {
        begun += 1;
        open += 1;
        most = Math.max(most, open);
        for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
        open -= 1;
        if (port === 30) throw new Error('the thirtieth');
        return String(port);
      };
      await expect(onEvery(nodes, work)).rejects.toThrow('the thirtieth');
      expect([open, most]).toEqual([0, 20]);
      expect(begun).toBeLessThan(60);
      const others = nodes.filter(({ port }) => port !== 30);
      expect(await onEvery(others, work)).toEqual(others.map(({ port }) => String(port)));
      expect(await onEvery([], work)).toEqual([]);
    });

    it('are named where they differ, the first five of each kind', () => {
      const nodes = Array.from({ length: 8 }, (_, index) => ({ ...node, port: index + 1 }));
      const found = nodes.map(({ port }) => (port === 8 ? 'x' : 'y'));
      const named = [1, 2, 3, 4, 5].map((port) => `a.example:${port}`).join(', ');
      expect(together(nodes, found)).toBe(`${named} and 2 more: y; a.example:8: x`);
      expect(
        together(
          nodes,
          Array.from(nodes, () => 'z'),
        ),
      ).toBe('z');
    });

    it('are left in peace before a fault of one of them goes on', async () => {
      const steps: string[] = [];
      const work = async ({ port }: { readonly port: number }): Promise<void> => {
        if (port === 1) throw new Error('the first');
        for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
        steps.push(`${port} has ended`);
      };
      const all = onEvery(
        [
          { ...node, port: 1 },
          { ...node, port: 2 },
        ],
        work,
      );
      await expect(all.finally(() => steps.push('a fault goes on'))).rejects.toThrow('the first');
      expect(steps).toEqual(['2 has ended', 'a fault goes on']);
    });

    it('are the one that the credential names and the declared ones, each once', () => {
      const nodes = ['B.example:6380', 'A.example:6379', 'b.example:6380', '[::1]:6379'];
      const found = nodesOf(node, { host: 'ignored', tls: 'prefer', nodes });
      expect(found).toEqual([node, { ...node, host: 'B.example', port: 6380 }, { ...node, host: '::1' }]);
      expect(nodesOf(node, undefined)).toEqual([node]);
    });
  });
});
