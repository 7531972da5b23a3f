import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Misconfigured, RekeyError } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { candidateAfter } from '../../shared/rotators/rabbitmq/user-names.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import * as fc from '../harness/properties.ts';
import { hasRabbitmq, parsed, RabbitmqHarness, WITH_RABBITMQ } from './rabbitmq-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

describe.skipIf(!hasRabbitmq)(WITH_RABBITMQ, () => {
  let rabbitmq: RabbitmqHarness;

  beforeAll(async () => {
    rabbitmq = await RabbitmqHarness.start();
  });
  afterAll(() => rabbitmq?.stop());

  /** Names are made of these: what paths, URLs, JSON, patterns and lists of tags read, and what looks alike. */
  const PIECES = [
    '/ // .. /../ %2F %2e%2e %00 % \\ " \' ? # & = ; : @ + { } [ * .* $ ^ ( | ~ - _a _b , administrator A z 0 é 漢 😀',
    'e\u0301 \u202e \ufeff \u0001 \u007f',
  ].flatMap((line) => line.split(' '));
  const piece = fc.constantFrom(...PIECES, ' ', '\n', '\r\n', '\t');
  const hostile = fc
    .array(piece, { minLength: 1, maxLength: 12 })
    .map((parts) => parts.join(''))
    .filter((name) => Buffer.byteLength(name) <= 100);

  /** Every user but these, with all that the broker knows of it. */
  async function others(...names: readonly string[]): Promise<string> {
    const rest = (await rabbitmq.usernames()).filter((name) => !names.includes(name)).sort();
    return rabbitmq.stateOf(...rest);
  }

  it('rotates users of any name, in virtual hosts of any name, and touches no other user', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, hostile, async (name, inVhost, password, pattern) => {
        run += 1;
        // Each run has names of its own.
        const [username, vhost] = [`${name}${run}`, `${inVhost}${run}`];
        const [a, b] = [candidateAfter(username), candidateAfter(candidateAfter(username))];
        // What the names would mean if their encoding were undone once too often, or not at all.
        for (const near of [encodeURIComponent(a), decoded(a)]) {
          if (![username, a, b].includes(near))
            await rabbitmq.api('PUT', ['users', near], { password_hash: '', tags: '' });
        }
        await rabbitmq.api('PUT', ['vhosts', vhost]);
        const user = await rabbitmq.createUser(username, password);
        await rabbitmq.api('PUT', ['permissions', vhost, username], { configure: '', write: '.*', read: '' });
        const topic = { exchange: pattern, write: '{username}', read: '' };
        await rabbitmq.api('PUT', ['topic-permissions', vhost, username], topic);
        const incumbent = rabbitmq.secret({ ...parsed(user), vhost });
        const before = await others(username, a, b);

        const adopted = { ...(await adoption()), name: `secret ${run}`, incumbent };
        const rotations = new RotationByHand(rabbitmq.rotator(new ManualClock()), adopted);
        const first = await rotations.rotate();
        const second = await rotations.rotate();

        expect([first, second].map(({ value }) => parsed(value).username)).toEqual([a, b]);
        expect(await rotations.probe(second.value)).toBe('accepted');
        for (const old of [incumbent, first.value]) expect(await rotations.probe(old)).toBe('refused');
        expect(await rabbitmq.api('GET', ['users', b, 'topic-permissions'])).toContainEqual({
          user: b,
          vhost,
          ...topic,
        });
        expect(await others(username, a, b)).toBe(before);
        await rabbitmq.api('DELETE', ['vhosts', vhost]);
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  async function adoption() {
    return { declared: { connection: rabbitmq.connection() }, admin: rabbitmq.admin };
  }

  function decoded(name: string): string {
    try {
      return decodeURIComponent(name);
    } catch {
      return `${name} `;
    }
  }

  describe('what the management API cannot address', () => {
    it.each(['.', '..'])('is left alone: a user named %j', async (username) => {
      const incumbent = rabbitmq.secret({ username, password: 'a-leaked-value' });
      const error = await preflight(incumbent);
      expect(error).toBeInstanceOf(Misconfigured);
      expect((error as RekeyError).safeMessage).not.toContain('a-leaked-value');
    });

    it('is left alone: permissions in a virtual host named ".."', async () => {
      const user = await rabbitmq.createUser('dots');
      // Only rabbitmqctl and definitions can make one.
      await rabbitmq.define({
        vhosts: [{ name: '..' }],
        permissions: [{ user: 'dots', vhost: '..', configure: '', write: '', read: '' }],
      });
      const error = await preflight(user);
      expect(error).toBeInstanceOf(Misconfigured);
      expect((error as RekeyError).safeMessage).toMatch(/cannot address what is named "\.\."/);
      expect(await rabbitmq.user('dots_a')).toBeUndefined();
    });

    it.each(['without-permissions', 'bulk-delete'])('is left alone: a user named %j', async (username) => {
      const incumbent = rabbitmq.secret({ username, password: 'a-leaked-value' });
      expect(await preflight(incumbent)).toBeInstanceOf(RekeyError);
    });
  });

  it('stops at a secret of another shape, and repeats nothing of it', async () => {
    const shapes = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .record({ username: fc.anything(), password: fc.anything(), host: fc.anything(), port: fc.anything() })
        .map((value) => JSON.stringify(value)),
      fc.constantFrom(
        '{"engine":"postgres","username":"a","password":"a-leaked-value","host":"127.0.0.1","dbname":"x"}',
        '{"AccessKeyId":"a-leaked-value","SecretAccessKey":"a-leaked-value"}',
        '{"username":"a","password":"a-leaked-value","host":"127.0.0.1/a-leaked-value"}',
        '{"username":"a","password":"a-leaked-value","host":"a-leaked-value\\r\\nx: y"}',
        '{"username":"a","password":"a-leaked-value","host":"a@127.0.0.1","port":5672}',
        '{"username":"a","password":"a-leaked-value","vhost":"a-leaked-value\\u0000"}',
        '{"username":"a","password":"a-leaked-value","ssl":"a-leaked-value"}',
        '{"username":"","password":"a-leaked-value"}',
        '{"username":"a","password":""}',
        JSON.stringify({ username: 'a'.repeat(256), password: 'a-leaked-value' }),
        JSON.stringify({ username: 'a', password: 'a-leaked-value'.repeat(200) }),
        JSON.stringify({ username: 'a', password: 'a-leaked-value', [`"a-leaked-value"\n`]: 'x a-leaked-value' }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        const error = await preflight(new SecretText(shape));
        expect(error).toBeInstanceOf(RekeyError);
        expect((error as RekeyError).safeMessage).not.toContain('a-leaked-value');
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    '127.0.0.1/x',
    'x@127.0.0.1',
    '127.0.0.1\r\nx: y',
    '127.0.0.1 ',
    '[::1]',
    'http://127.0.0.1',
    '127.0.0.1\0',
    '',
  ])('connects to no host %j', async (host) => {
    const value = rabbitmq.secret({ username: 'a', password: 'a-leaked-value', host });
    const adopted = { ...(await adoption()), name: 'host', incumbent: value };
    const probing = new RotationByHand(rabbitmq.rotator(new ManualClock()), adopted).probe(value);
    await expect(probing).rejects.toThrow(/: host missing or of a wrong form\.$/);
  });

  /** What preflight threw. */
  async function preflight(incumbent: SecretText): Promise<unknown> {
    const adopted = { ...(await adoption()), name: 'shape', incumbent };
    const rotations = new RotationByHand(rabbitmq.rotator(new ManualClock()), adopted);
    return rotations.preflight('v1').then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  describe('the name of the candidate', () => {
    it('alternates between two, which fit into the broker and differ for users that differ', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 400 }), (name) => {
          fc.pre(Buffer.byteLength(name) <= 255);
          const a = candidateAfter(name);
          const b = candidateAfter(a);
          expect(Buffer.byteLength(a)).toBeLessThanOrEqual(255);
          expect(candidateAfter(b)).toBe(a);
          expect(new Set([name, a]).size).toBe(2);
          expect(candidateAfter(`${name}x`)).not.toBe(a);
        }),
      );
      const long = 'ü'.repeat(127);
      expect(candidateAfter(`${long}1`)).not.toBe(candidateAfter(`${long}2`));
    });

    it('makes a user that was made by hand under such a name one of the two', () => {
      expect(candidateAfter('data_b')).toBe('data_a');
      expect(candidateAfter('data_a')).toBe('data_b');
      expect(candidateAfter('_a')).toBe('_a_a');
    });
  });
});
