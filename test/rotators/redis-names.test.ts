import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { Misconfigured } from '../../shared/errors.ts';
import * as fc from '../harness/properties.ts';
import { hashOf, hasRedis, parsed, RedisHarness, WITH_REDIS } from './redis-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  let redis: RedisHarness;
  let made = 0;
  beforeAll(async () => {
    redis = await RedisHarness.start();
  });
  afterAll(() => redis.stop());

  const RULES = '+@all -@all ~* &* %RW~* allkeys nopass resetpass reset on off'.split(' ');
  const MARKS = `()|><#!"'\\$=@:/%*?[]{};,`.split('');
  const PIECES = RULES.concat(MARKS, 'aZ0`é\u0301\u200b\ufeff\u0085\u00a0\u2028\x7f\x1b'.split(''), '😀');
  const REFUSED = [' ', '\t', '\n', '\r', '\v', '\f', '\0', '\r\n*1\r\n$4\r\nPING\r\n', ' on nopass ~* +@all'];
  const allowed = fc.string({ unit: fc.constantFrom(...PIECES), minLength: 1, maxLength: 12 });
  const anything = fc.string({ unit: fc.constantFrom(...PIECES, ...REFUSED), minLength: 1, maxLength: 20 });
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

  /** A user of this name and password, made by hand, and the secret that has them. */
  async function adopt(username: string, password: string): Promise<Adopted> {
    const rules = ['on', `#${sha256(password)}`, '+get', '~only:*'];
    await redis.command(redis.server, ['ACL', 'SETUSER', username, ...rules]);
    const declared: Adopted['declared'] = { policy: { length: 24, alphabet: `${PIECES.join('')} \n\0`, require: [] } };
    return { name: 'named', declared, incumbent: redis.secret({ username, password }), admin: redis.admin };
  }

  describe('names and passwords of any kind', () => {
    it('change no rule of any user, but one password of one', async () => {
      await fc.assert(
        fc.asyncProperty(allowed, anything, async (name, password) => {
          made += 1;
          const username = `${name}${made}`;
          const adopted = await adopt(username, password);
          const before = await redis.everythingBut(redis.server, username);
          const rotations = new RotationByHand(redis.rotator(systemClock), adopted);
          const brought = await rotations.bringIn();
          expect(await redis.everythingBut(redis.server, username)).toBe(before);
          expect(await redis.hashes(redis.server, username)).toEqual([sha256(password), hashOf(brought.value)]);
          await rotations.test(brought);
          expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
          expect(await redis.everythingBut(redis.server, username)).toBe(before);
          expect(await redis.hashes(redis.server, username)).toEqual([hashOf(brought.value)]);
          expect(parsed(brought.value)).toMatchObject({ username });
          await redis.command(redis.server, ['ACL', 'DELUSER', username]);
        }),
        { numRuns: 40 },
      );
      // And the ACL file with such a name is one that Redis reads.
      await adopt('"(on~*', 'x');
      await redis.command(redis.server, ['ACL', 'SAVE']);
      await redis.server.restart();
      expect(await redis.hashes(redis.server, '"(on~*')).toEqual([sha256('x')]);
    });

    it('are refused before anything is sent where Redis has no such name', async () => {
      const broken = fc
        .tuple(allowed, fc.constantFrom(...REFUSED), fc.option(allowed, { nil: '' }))
        .map((parts) => parts.join(''));
      const everyone = await redis.everythingBut(redis.server, '');
      await fc.assert(
        fc.asyncProperty(broken, anything, async (username, password) => {
          const make = redis.command(redis.server, ['ACL', 'SETUSER', username, 'on']);
          await expect(make).rejects.toThrow(/can't contain spaces or null/);
          const adopted = {
            name: 'x',
            declared: {},
            incumbent: redis.secret({ username, password }),
            admin: redis.admin,
          };
          const logins = redis.logins.length;
          const rotations = new RotationByHand(redis.rotator(systemClock), adopted);
          await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
          expect(redis.logins.length).toBe(logins);
        }),
        { numRuns: 100 },
      );
      expect(await redis.everythingBut(redis.server, '')).toBe(everyone);
    });

    it('may be as long as Rekey takes them', async () => {
      const adopted = await adopt('é'.repeat(256), 'p'.repeat(16_384));
      const rotations = new RotationByHand(redis.rotator(systemClock), adopted);
      const { value } = await rotations.rotate();
      await redis.login(value);
    });
  });
});
