import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { poll } from '../../infra/local/poll.ts';
import { systemClock } from '../../shared/clock.ts';
import type { KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { openedBefore } from '../../shared/rotators/redis/sessions.ts';
import { hasRedis, parsed, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import { type Brought, RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  /** Redis tells ages in whole seconds: two of them are surely told apart when they are this far from each other. */
  const APART_SECONDS = 3;

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

  /**
   * Rotations whose ledger says since when each candidate is there. Where it is `ahead`, so that every connection was opened
   * before, nobody has to wait until Redis tells two of them apart.
   */
  class Dated extends RotationByHand {
    readonly #since = new Map<string, Date>();
    ahead = true;

    override get known(): readonly KnownCredential[] {
      return super.known.map((entry): KnownCredential => {
        const since = this.#since.get(entry.versionId);
        return since === undefined ? entry : { ...entry, since };
      });
    }

    override bringIn(versionId: string = crypto.randomUUID()): Promise<Brought> {
      this.#since.set(versionId, new Date(Date.now() + (this.ahead ? 60_000 : 0)));
      return super.bringIn(versionId);
    }
  }

  const rotations = (settings: Partial<RotatorSettings> = {}): Dated =>
    new Dated(redis.rotator(systemClock), adopted, settings);

  async function clients(): Promise<readonly ReadonlyMap<string, string>[]> {
    const list = String(await redis.command(redis.server, ['CLIENT', 'LIST']));
    return list
      .split('\n')
      .map((line) => new Map(line.split(' ').map((field) => field.split('=', 2) as [string, string])))
      .filter((fields) => fields.get('user') === adopted.name);
  }

  /** Until everybody who is there has been there for so long. */
  async function aged(): Promise<void> {
    const old = async () =>
      (await clients()).every((fields) => Number(fields.get('age')) >= APART_SECONDS) ? true : undefined;
    expect(await poll(old, { withinMilliseconds: 10_000 })).toBe(true);
  }

  describe('connections at retirement', () => {
    it('end when they were opened before the candidate was there; those of the candidate go on without a pause', async () => {
      const dated = rotations();
      dated.ahead = false;
      const old = [await redis.connect(adopted.incumbent), await redis.connect(adopted.incumbent)];
      const subscriber = await redis.login(adopted.incumbent);
      const ended = new Promise<void>((resolve) => subscriber.once('error', () => resolve()));
      await subscriber.subscribe('news', () => undefined);
      await aged();
      const brought = await dated.bringIn();
      const kept = await redis.connect(brought.value);
      const undecided = await redis.connect(adopted.incumbent);
      const over = new AbortController();
      let operations = 0;
      const working = (async () => {
        while (!over.signal.aborted) {
          await kept.use();
          operations += 1;
        }
      })();
      const report = await dated.retire(dated.promote(brought));
      over.abort();
      await working;
      expect(operations).toBeGreaterThan(0);
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 3 });
      expect(report.facts['sessions']).toMatch(/^3 ended, opened before \S+Z; 2 opened later, left open$/);
      for (const connection of old) await expect(connection.use()).rejects.toThrow();
      await ended;
      await kept.use();
      // Redis does not say whose it is: it ends with the next retirement.
      await undecided.use();
      await aged();
      const next = await dated.bringIn();
      const last = await redis.connect(next.value);
      expect((await dated.retire(dated.promote(next))).endedSessions).toBe(2);
      await expect(undecided.use()).rejects.toThrow();
      await last.use();
    });

    it('stay when another credential of the user is alive that may have opened them', async () => {
      const dated = rotations();
      await redis.connect(adopted.incumbent);
      const first = await dated.bringIn();
      const adoptedVersion = dated.promote(first);
      await redis.connect(first.value);
      const second = await dated.bringIn();
      const inGrace = dated.promote(second);
      // The adopted one is in its grace too, and it was there before everything.
      expect(await dated.retire(inGrace)).toMatchObject({ refusedLogin: true, endedSessions: 0 });
      expect((await clients()).length).toBe(2);
      expect((await dated.retire(adoptedVersion)).endedSessions).toBe(2);
    });

    it('stay when a candidate is rolled back: they may be those of the incumbent', async () => {
      const dated = rotations();
      const kept = await redis.connect(adopted.incumbent);
      const brought = await dated.bringIn();
      const report = await dated.retire(brought.versionId);
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 0 });
      expect(report.facts['sessions']).toBe('1 left open: which credential opened them cannot be told');
      await kept.use();
    });

    it('stay where that is configured', async () => {
      const dated = rotations({ endSessions: false });
      const kept = await redis.connect(adopted.incumbent);
      const brought = await dated.bringIn();
      const report = await dated.retire(dated.promote(brought));
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 0 });
      expect(report.facts['sessions']).toBe('left open, as configured');
      await kept.use();
    });

    it('stay where they are those of a replica', async () => {
      adopted = await redis.adopt(`link${made}`, '+@all ~* &*');
      const dated = rotations();
      const brought = await dated.bringIn();
      const replica = await redis.login(adopted.incumbent);
      await replica.sendCommand(['PSYNC', '?', '-1']);
      await redis.connect(adopted.incumbent);
      const report = await dated.retire(dated.promote(brought));
      expect(report).toMatchObject({ refusedLogin: true, endedSessions: 1 });
      expect((await clients()).map((fields) => fields.get('flags'))).toEqual(['S']);
      replica.destroy();
    });

    it.each(['-client|list', '-client|kill', '-client|id'])(
      'stay, and the report says so, with an administrator who has %s',
      async (denied) => {
        const admin = `limited${made}`;
        await redis.command(redis.server, ['ACL', 'SETUSER', admin, 'on', '>limited', '+@all', denied]);
        adopted = { ...adopted, admin: redis.secret({ username: admin, password: 'limited' }) };
        const dated = rotations();
        const kept = await redis.connect(adopted.incumbent);
        const brought = await dated.bringIn();
        const report = await dated.retire(dated.promote(brought));
        expect(report).toMatchObject({ refusedLogin: true, endedSessions: 0 });
        expect(report.facts['sessions']).toMatch(/^left open: Rekey may not end them/);
        await kept.use();
      },
    );

    it('are not those of a user whose name begins the same, nor of the one who retires', async () => {
      const neighbour = await redis.adopt(`${adopted.name}x`);
      const other = await redis.connect(neighbour.incumbent);
      const self: Adopted = { ...(await redis.adopt(`self${made}`, '+@all ~* &*')), admin: undefined };
      const own = await redis.connect(self.incumbent);
      adopted = self;
      const dated = new Dated(redis.rotator(systemClock), self);
      const brought = await dated.bringIn();
      expect((await dated.retire(dated.promote(brought))).endedSessions).toBe(1);
      await expect(own.use()).rejects.toThrow();
      await other.use();
      expect(parsed(brought.value).username).toBe(self.name);
    });
  });

  describe('the time before which a connection is certainly not a living credential’s', () => {
    const at = (seconds: number): Date => new Date(seconds * 1000);
    const entry = (versionId: string, state: KnownCredential['state'], since?: Date): KnownCredential => ({
      identity: `app@${versionId}`,
      versionId,
      state,
      ...(since === undefined ? {} : { since }),
    });

    it('is when the first of the living ones was begun', () => {
      const known = [entry('a', 'grace'), entry('b', 'grace', at(200)), entry('c', 'current', at(300))];
      const who = { retired: 'a', survivor: 'c' };
      expect(openedBefore(known, who)).toEqual(at(200));
      expect(openedBefore([entry('z', 'retired'), ...known], who)).toEqual(at(200));
    });

    it('is never where a living one is older than Rekey, or the survivor is not known', () => {
      const known = [entry('a', 'grace'), entry('b', 'current', at(200))];
      expect(openedBefore(known, { retired: 'b', survivor: 'a' })).toBeUndefined();
      expect(openedBefore(known, { retired: 'a', survivor: 'c' })).toBeUndefined();
      expect(openedBefore(known, { retired: 'a', survivor: undefined })).toBeUndefined();
      expect(openedBefore([], { retired: 'a', survivor: 'b' })).toBeUndefined();
    });
  });
});
