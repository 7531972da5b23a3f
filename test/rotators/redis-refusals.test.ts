import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { poll } from '../../infra/local/poll.ts';
import { startRedis } from '../../infra/local/redis-server.ts';
import { systemClock } from '../../shared/clock.ts';
import {
  AdminRefused,
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  RekeyError,
  TargetUnreachable,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { Connector } from '../../shared/rotators/redis/connect.ts';
import { readServer } from '../../shared/rotators/redis/server-facts.ts';
import { hasRedis, parsed, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import { startProxy } from './redis-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  const PASSWORD = 'a-leaked-password';

  /** Else a primary waits five seconds for more replicas. */
  const AT_ONCE = { 'repl-diskless-sync-delay': '0' };

  let redis: RedisHarness;
  let made = 0;
  let adopted: Adopted;

  beforeAll(async () => {
    redis = await RedisHarness.start();
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    made += 1;
    adopted = await redis.adopt(`app${made}`);
  });

  const preflight = (more: Partial<Adopted> = {}) =>
    new RotationByHand(redis.rotator(systemClock), { ...adopted, ...more }).preflight('v1');
  const changed = (value: SecretText, more: object): SecretText =>
    new SecretText(JSON.stringify({ ...parsed(value), ...more }));
  const rule = (...rules: readonly string[]): Promise<unknown> =>
    redis.command(redis.server, ['ACL', 'SETUSER', adopted.name, ...rules]);

  /** The one fault of a preflight, which must quote no password. */
  async function faultOf(attempt: Promise<unknown>): Promise<RekeyError> {
    const fault = await attempt.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(fault).toBeInstanceOf(RekeyError);
    expect((fault as RekeyError).safeMessage).not.toContain(PASSWORD);
    expect((fault as RekeyError).safeMessage).not.toContain(parsed(adopted.incumbent).password);
    return fault as RekeyError;
  }

  describe('preflight', () => {
    it('tells a wrong administrator, a wrong incumbent and a closed port from one another', async () => {
      const admin = changed(redis.admin, { password: PASSWORD });
      expect(await faultOf(preflight({ admin }))).toBeInstanceOf(AdminRefused);
      const incumbent = changed(adopted.incumbent, { password: PASSWORD });
      expect(await faultOf(preflight({ incumbent }))).toBeInstanceOf(IncumbentRefused);
      expect(await faultOf(preflight({ incumbent, admin: undefined }))).toBeInstanceOf(IncumbentRefused);
      const away = { incumbent: redis.unreachable(adopted.incumbent), admin: redis.unreachable(redis.admin) };
      expect(await faultOf(preflight(away))).toBeInstanceOf(TargetUnreachable);
      const nowhere = { host: 'no-such-host.invalid' };
      const unknown = { incumbent: changed(adopted.incumbent, nowhere), admin: changed(redis.admin, nowhere) };
      expect(await faultOf(preflight(unknown))).toBeInstanceOf(TargetUnreachable);
    });

    it('refuses a user that takes any password, is off, or does not exist', async () => {
      await rule('nopass');
      const fault = await faultOf(preflight());
      expect(fault).toBeInstanceOf(Misconfigured);
      expect(fault.safeMessage).toContain('nopass');
      // As itself it may log in: with any password.
      expect((await faultOf(preflight({ admin: undefined }))).name).toBe('Misconfigured');
      await rule('off');
      expect((await faultOf(preflight())).name).toBe('Misconfigured');
      await rule('resetpass', `>${parsed(adopted.incumbent).password}`);
      expect(await faultOf(preflight())).toBeInstanceOf(IncumbentRefused);
      await redis.command(redis.server, ['ACL', 'DELUSER', adopted.name]);
      expect(await faultOf(preflight())).toBeInstanceOf(IncumbentRefused);
    });

    it('refuses an administrator who may not change users, or not save them, and says what to give', async () => {
      const admin = redis.secret({ username: `limited${made}`, password: PASSWORD });
      const limit = (...rules: readonly string[]) =>
        redis.command(redis.server, ['ACL', 'SETUSER', `limited${made}`, 'reset', 'on', `>${PASSWORD}`, ...rules]);
      await limit('+@all', '-acl|setuser');
      expect((await faultOf(preflight({ admin }))).safeMessage).toContain('+acl|setuser');
      await limit('+@all', '-acl|save');
      expect((await faultOf(preflight({ admin }))).safeMessage).toContain('+acl|save');
      await limit('+@all', '-acl');
      expect(await faultOf(preflight({ admin }))).toBeInstanceOf(Misconfigured);
      expect(await faultOf(preflight({ admin: undefined }))).toBeInstanceOf(Misconfigured);
      // What is only looked at may be closed.
      await limit('+acl|getuser', '+acl|setuser', '+acl|save');
      const { facts } = await preflight({ admin });
      expect(facts).toMatchObject({
        server_version: 'unknown',
        persistence: expect.stringMatching(/^unknown/) as string,
      });
      const rotations = new RotationByHand(redis.rotator(systemClock), { ...adopted, admin });
      const { value } = await rotations.rotate();
      await redis.use(value);
    });

    it('does not take the administrator to another server than its secret or the configuration names', async () => {
      const admin = changed(redis.admin, { host: 'redis.example.com' });
      expect((await faultOf(preflight({ admin }))).safeMessage).toContain('does not name this server');
      const { host: _, ...nameless } = parsed(redis.admin);
      expect((await faultOf(preflight({ admin: new SecretText(JSON.stringify(nameless)) }))).name).toBe(
        'Misconfigured',
      );
      const { host, port } = redis.server;
      const declared: Adopted['declared'] = { connection: { host, port, tls: 'prefer' } };
      expect((await preflight({ admin, declared })).candidate).toContain(adopted.name);
    });

    it('refuses a secret in which another key holds the password too', async () => {
      const { username, password, host, port } = parsed(adopted.incumbent);
      const twice = changed(adopted.incumbent, { url: `redis://${username}:${password}@${host}:${port}` });
      expect((await faultOf(preflight({ incumbent: twice }))).safeMessage).toContain('"url"');
      const deeper = changed(adopted.incumbent, { read: { from: [password] } });
      expect((await faultOf(preflight({ incumbent: deeper }))).safeMessage).toContain('"read"');
    });

    it('logs in with the incumbent: that the user has its hash is not enough', async () => {
      const { password } = parsed(adopted.incumbent);
      const { port, stop } = await startProxy(redis.server.port, async (chunk) =>
        chunk.includes('AUTH') ? chunk.replace(password, '-'.repeat(password.length)) : undefined,
      );
      try {
        const [incumbent, admin] = [adopted.incumbent, redis.admin].map((value) => changed(value, { port }));
        if (incumbent === undefined) throw new Error('an incumbent');
        expect(await faultOf(preflight({ incumbent, admin }))).toBeInstanceOf(IncumbentRefused);
      } finally {
        await stop();
      }
    });

    it('takes a password that is the name of the user too', async () => {
      adopted = { ...adopted, incumbent: redis.secret({ username: 'cache-user', password: 'cache-user' }) };
      await redis.command(redis.server, ['ACL', 'SETUSER', 'cache-user', 'on', '>cache-user']);
      expect((await preflight()).incumbent).toMatch(/^cache-user@/);
    });

    it.each<[string, object]>([
      ['an engine of others', { engine: 'postgres' }],
      ['a blank in the name', { username: 'a b' }],
      ['a newline in the name', { username: 'a\n+@all' }],
      ['a NUL in the name', { username: 'a\0' }],
      ['no name', { username: '' }],
      ['a name of 600 bytes', { username: 'ä'.repeat(300) }],
      ['half a character in the name', { username: 'a\ud800' }],
      ['half a character in the password', { password: `${PASSWORD}\udfff` }],
      ['an empty password', { password: '' }],
      ['a password that is longer than a login may be', { password: PASSWORD.repeat(1000) }],
      ['a path for a host', { host: '/run/redis.sock' }],
      ['no number for a port', { port: PASSWORD }],
      ['a port that does not exist', { port: 65_536 }],
      ['a text for ssl', { ssl: PASSWORD }],
    ])('refuses a secret with %s', async (_, more) => {
      const fault = await faultOf(preflight({ incumbent: changed(adopted.incumbent, more) }));
      expect(fault).toBeInstanceOf(Misconfigured);
      expect(fault.safeMessage).toContain(Object.keys(more)[0] ?? '');
    });

    it.each(['redis-2', 'redis-2:0', 'redis-2:70000', '::1:6379', 'a b:6379', 'redis://h:1'])(
      'refuses the node %s',
      async (node) => {
        const { host, port } = redis.server;
        const declared: Adopted['declared'] = { connection: { host, port, tls: 'prefer', nodes: [node] } };
        expect((await faultOf(preflight({ declared }))).safeMessage).toContain('host:port');
      },
    );
  });

  describe('servers that are more than is declared', () => {
    it('are refused: a replica that takes over would not know the candidate', async () => {
      const primary = await RedisHarness.start({ settings: AT_ONCE });
      const { host, port, adminUser, adminPassword } = primary.server;
      const replica = await startRedis({
        settings: { replicaof: `${host} ${port}`, masteruser: adminUser, masterauth: adminPassword },
        users: [`app on >${PASSWORD} ~* &* +@all`],
      });
      try {
        await linked(primary);
        await primary.command(primary.server, ['ACL', 'SETUSER', 'app', 'on', `>${PASSWORD}`, '~*', '&*', '+@all']);
        const incumbent = primary.secret({ username: 'app', password: PASSWORD });
        const alone = new RotationByHand(primary.rotator(systemClock), {
          name: 'app',
          declared: {},
          incumbent,
          admin: undefined,
        });
        const fault = await faultOf(alone.preflight('v1'));
        expect(fault).toBeInstanceOf(Misconfigured);
        expect(fault.safeMessage).toContain('name every one under nodes');

        const nodes = [`${replica.host}:${replica.port}`];
        const declared: Adopted['declared'] = { connection: { host, port, tls: 'prefer', nodes } };
        const both = new RotationByHand(primary.rotator(systemClock), {
          name: 'app',
          declared,
          incumbent,
          admin: undefined,
        });
        const replaced = both.current.value;
        expect((await both.preflight('v1')).facts['nodes']).toBe('2');
        const { value } = await both.rotate();
        for (const at of [port, replica.port]) {
          await primary.login(value, at);
          await expect(primary.login(replaced, at)).rejects.toThrow('WRONGPASS');
        }
      } finally {
        await replica.stop();
        await primary.stop();
      }
    });

    it('are not backups that are just being taken, which have no port', async () => {
      const info = ['role:master', 'slave0:ip=10.0.0.1,port=0,state=wait_bgsave', 'slave1:ip=10.0.0.2,port=6379', ''];
      const { host, port } = redis.server;
      const seen = await new Connector().during(
        { host, port, username: 'admin', password: new SecretText(redis.server.adminPassword), tls: 'disable' },
        () => new Error('refused'),
        (session) => readServer({ ...session, attempt: async () => ({ allowed: true, reply: info.join('\r\n') }) }),
      );
      expect(seen).toMatchObject({ replicas: 1, isReplica: false, version: 'unknown', configurationFile: undefined });
    });

    it('are refused where they log in as the very user: their configuration cannot follow', async () => {
      const primary = await RedisHarness.start({ settings: AT_ONCE, users: [`link on >${PASSWORD} ~* &* +@all`] });
      const { host, port } = primary.server;
      const replica = await startRedis({
        settings: { replicaof: `${host} ${port}`, masteruser: 'link', masterauth: PASSWORD },
      });
      try {
        await linked(primary);
        const incumbent = primary.secret({ username: 'link', password: PASSWORD });
        const link = { name: 'link', declared: {}, incumbent, admin: primary.admin };
        const fault = await faultOf(new RotationByHand(primary.rotator(systemClock), link).preflight('v1'));
        expect(fault).toBeInstanceOf(Misconfigured);
        expect(fault.safeMessage).toContain('masterauth');
      } finally {
        await replica.stop();
        await primary.stop();
      }
    });

    it('are refused where Sentinels log in as the very user', async () => {
      const sentinel = await redis.login(adopted.incumbent);
      await sentinel.sendCommand(['CLIENT', 'SETNAME', 'sentinel-0f2c4a6b-cmd']);
      expect((await faultOf(preflight())).safeMessage).toContain('auth-pass');
      sentinel.destroy();
    });

    it('are refused in a cluster', async () => {
      const cluster = await RedisHarness.start({ settings: { 'cluster-enabled': 'yes' } }, 2);
      try {
        const [first, second] = cluster.servers;
        if (first === undefined || second === undefined) throw new Error('two servers');
        await cluster.command(first, ['CLUSTER', 'MEET', second.host, String(second.port)]);
        const met = async () =>
          String(await cluster.command(first, ['CLUSTER', 'INFO'])).includes('cluster_known_nodes:2')
            ? true
            : undefined;
        expect(await poll(met, { withinMilliseconds: 10_000 })).toBe(true);
        const app: Adopted = { ...(await cluster.adopt('app')), declared: {} };
        const admin = redis.secret({
          host: first.host,
          port: first.port,
          username: 'admin',
          password: first.adminPassword,
        });
        const alone = new RotationByHand(cluster.rotator(systemClock), { ...app, admin });
        expect((await faultOf(alone.preflight('v1'))).safeMessage).toContain('The cluster has 2 nodes');
      } finally {
        await cluster.stop();
      }
    });
  });

  describe('test', () => {
    it('waits for a candidate that is refused, and says so when the time is over', async () => {
      let now = Date.now();
      const waits: number[] = [];
      let onWait = (): Promise<unknown> => Promise.resolve();
      const clock = {
        now: () => new Date(now),
        sleep: async (milliseconds: number) => {
          now += milliseconds;
          waits.push(milliseconds);
          await onWait();
        },
      };
      const rotations = new RotationByHand(redis.rotator(clock), adopted, { preheatSeconds: 1, healthyThreshold: 3 });
      const brought = await rotations.bringIn();
      expect(await rotations.test(brought)).toMatchObject({ healthy: 3 });
      await rule('off');
      await expect(rotations.test(brought)).rejects.toBeInstanceOf(CandidateUnproven);
      expect(waits).toEqual([250, 250, 250, 250]);
      onWait = () => rule('on');
      redis.logins.splice(0);
      expect(await rotations.test(brought)).toMatchObject({ healthy: 3 });
      expect(redis.logins).toEqual(['refused', 'accepted', 'accepted', 'accepted']);
    });

    it('counts from the beginning again after a failure', async () => {
      let logins = 0;
      const { port, stop } = await startProxy(redis.server.port, async (chunk) => {
        if (!chunk.includes('AUTH')) return undefined;
        logins += 1;
        await rule(logins === 2 ? 'off' : 'on');
        return undefined;
      });
      try {
        const given = { healthyThreshold: 2, connection: { host: redis.server.host, port, tls: 'disable' as const } };
        const { rotator, settings } = new RotationByHand(redis.rotator(systemClock), adopted, given);
        const candidate = changed(adopted.incumbent, { port });
        redis.logins.splice(0);
        expect(await rotator.test({ settings, candidate, incumbentIdentity: undefined })).toMatchObject({ healthy: 2 });
        expect(redis.logins).toEqual(['accepted', 'refused', 'accepted', 'accepted']);
      } finally {
        await stop();
      }
    });

    it('does not prove a candidate of another user than the incumbent', async () => {
      const { rotator, settings } = new RotationByHand(redis.rotator(systemClock), adopted);
      const input = { settings, candidate: adopted.incumbent, incumbentIdentity: 'another@v0' };
      await expect(rotator.test(input)).rejects.toBeInstanceOf(CandidateUnproven);
      const lookalike = { ...input, incumbentIdentity: `${adopted.name}@x@v0` };
      await expect(rotator.test(lookalike)).rejects.toBeInstanceOf(CandidateUnproven);
    });
  });

  describe('a server that answers', () => {
    const servers: Server[] = [];
    const sockets: Socket[] = [];
    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    });

    /** The port of something that answers everything like this; `undefined`: nothing at all. */
    async function answering(answer: string | undefined): Promise<number> {
      const server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined);
        socket.on('data', () => void (answer === undefined ? undefined : socket.write(answer)));
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as { readonly port: number }).port;
    }

    it.each<[string, typeof RekeyError.name, RegExp]>([
      ['-LOADING Redis is loading the dataset in memory', TransientFailure.errorName, /LOADING/],
      ['-ERR max number of clients reached', TransientFailure.errorName, /no logins now/],
      ['-DENIED Redis is running in protected mode', Misconfigured.errorName, /protected mode/],
      ["-ERR wrong number of arguments for 'auth' command", Misconfigured.errorName, /needs Redis 6.0/],
    ])('%s', async (answer, name, message) => {
      const port = await answering(`${answer}\r\n`);
      const fault = await faultOf(redis.rotator(systemClock).probe(changed(adopted.incumbent, { port }), settings()));
      expect(fault.name).toBe(name);
      expect(fault.safeMessage).toMatch(message);
    });

    it('nothing, within a time limit', async () => {
      const { host, port: own } = redis.server;
      const login = { host, port: own, username: 'u', password: new SecretText(PASSWORD), tls: 'disable' as const };
      const hasty = new Connector(undefined, {
        connectMilliseconds: 1_000,
        answerMilliseconds: 100,
        pingMilliseconds: 100,
      });
      const silent = await answering(undefined);
      const fault = await faultOf(hasty.login({ ...login, port: silent }));
      expect(fault).toBeInstanceOf(TargetUnreachable);
      expect(fault.safeMessage).toContain('time limit');
    });

    const settings = () => new RotationByHand(redis.rotator(systemClock), adopted).settings;
  });

  async function linked(primary: RedisHarness): Promise<void> {
    const online = async () =>
      String(await primary.command(primary.server, ['INFO', 'replication'])).includes('state=online')
        ? true
        : undefined;
    expect(await poll(online, { withinMilliseconds: 15_000 })).toBe(true);
  }
});
