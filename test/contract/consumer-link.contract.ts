import { describe, expect, it } from 'vitest';
import type { Answer, ConsumerWord, UseReport } from '../../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../../shared/rollout/notice.ts';
import type { RolloutStore } from '../../shared/rollout/rollout-store.ts';

/** Times that the link translates into AWS's, whose answers say whole seconds. */
const TOLERANCE_MILLISECONDS = 3000;

/** Both sides of one empty table, and what has been reported of uses. */
export interface LinkUnderTest {
  readonly link: ConsumerLink;
  readonly rollouts: Pick<RolloutStore, 'notice' | 'post' | 'consumers' | 'answers'>;
  readonly uses: (secretId: string) => Promise<readonly UseReport[]>;
}

/** What every ConsumerLink promises. */
export function consumerLinkContract(name: string, make: () => Promise<LinkUnderTest>): void {
  describe(`${name} keeps the contract of a consumer link`, () => {
    it('reads what Rekey posted, one by one and together, and nothing where there is nothing', async () => {
      const { link, rollouts } = await make();
      const rolling: RolloutNotice = {
        ...notice('prod/a', 1),
        state: 'rolling',
        bounds: ['00ff', '7fff', 'ffff'],
        released: 2,
      };
      expect(await rollouts.post(rolling)).toBe('posted');
      expect(await rollouts.post(notice('b', 1))).toBe('posted');
      expect(await link.notice('prod/a')).toEqual(rolling);
      expect(await link.notice('c')).toBeUndefined();
      expect(await link.notices(['prod/a', 'b', 'c'])).toEqual(
        new Map([
          ['prod/a', rolling],
          ['b', notice('b', 1)],
        ]),
      );
      expect(await link.notices([])).toEqual(new Map());
    });

    it('shows Rekey a consumer as it reported itself, seen now', async () => {
      const { link, rollouts } = await make();
      await link.report(word({ holds: ['*'] }));
      await link.report(word({ holds: ['v2', 'v1'], sequence: 7 }));
      const [consumer, ...others] = await rollouts.consumers('a');
      expect(others).toEqual([]);
      expect(consumer).toMatchObject({ ...word(), startedAt: expect.any(Date), sequence: 7, holds: expect.any(Array) });
      expect([...(consumer?.holds ?? [])].sort()).toEqual(['v1', 'v2']);
      expectAbout(consumer?.seenAt, new Date());
      expectAbout(consumer?.startedAt, STARTED);
    });

    it('keeps the consumers of several secrets and runs apart', async () => {
      const { link, rollouts } = await make();
      await link.report(word());
      await link.report(word({ consumerId: 'two' }));
      await link.report(word({ secretId: 'b' }));
      expect((await rollouts.consumers('a')).map(({ consumerId }) => consumerId).sort()).toEqual(['one', 'two']);
      expect(await rollouts.consumers('b')).toHaveLength(1);
    });

    it('announces only under the notice that stands', async () => {
      const { link, rollouts } = await make();
      expect(await link.announce(word({ holds: ['v1'], sequence: 0 }))).toBe('announced');
      await rollouts.post(notice('a', 1));
      expect(await link.announce(word({ holds: ['v1', 'v2'], sequence: 0 }))).toBe('superseded');
      expect(await link.announce(word({ holds: ['v1', 'v2'], sequence: 2 }))).toBe('superseded');
      expect(await rollouts.consumers('a')).toMatchObject([{ holds: ['v1'], sequence: 0 }]);
      expect(await link.announce(word({ holds: ['v3'], sequence: 1 }))).toBe('announced');
      expect(await rollouts.consumers('a')).toMatchObject([{ holds: ['v3'], sequence: 1 }]);
    });

    it('announces nothing for a secret without a notice under a number', async () => {
      const { link, rollouts } = await make();
      expect(await link.announce(word({ sequence: 3 }))).toBe('superseded');
      expect(await rollouts.consumers('a')).toEqual([]);
    });

    it('writes an answer with the consumer’s own item, and the second answer replaces the first', async () => {
      const { link, rollouts } = await make();
      const said = 'DatabaseError: permission denied for table “orders”';
      await link.answer(word({ holds: ['v1'] }), answer({ outcome: 'refused', said }));
      const [refused] = await rollouts.answers('a', 'r1');
      expect(refused).toMatchObject({ ...answer({ outcome: 'refused', said }), answeredAt: expect.any(Date) });
      expectAbout(refused?.answeredAt, new Date());
      await link.answer(word({ holds: ['r1'], sequence: 4 }), answer());
      expect(await rollouts.answers('a', 'r1')).toMatchObject([{ outcome: 'acknowledged', said: '' }]);
      expect(await rollouts.consumers('a')).toMatchObject([{ holds: ['r1'], sequence: 4 }]);
      expect(await rollouts.answers('a', 'r2')).toEqual([]);
    });

    it('takes a report of uses once under each number', async () => {
      const { link, uses } = await make();
      await link.reportUse(report());
      await link.reportUse(report({ dropped: 99 }));
      await link.reportUse(report({ number: 2, uses: [] }));
      const stored = await uses('a');
      expect(stored.map(({ number, dropped, uses: { length } }) => [number, dropped, length])).toEqual([
        [1, 3, 1],
        [2, 3, 0],
      ]);
      expect(stored[0]).toMatchObject({ ...report(), from: expect.any(Date), to: expect.any(Date) });
      expectAbout(stored[0]?.from, report().from);
    });

    it('takes its own item away, also when there is none', async () => {
      const { link, rollouts } = await make();
      await link.report(word());
      await link.report(word({ consumerId: 'two' }));
      await link.leave('a', 'one');
      await link.leave('a', 'one');
      expect((await rollouts.consumers('a')).map(({ consumerId }) => consumerId)).toEqual(['two']);
    });
  });
}

const STARTED = new Date();

export function word(changes: Partial<ConsumerWord> = {}): ConsumerWord {
  return {
    secretId: 'a',
    consumerId: 'one',
    agent: 'billing',
    host: 'host-7 (pid 12)',
    startedAt: STARTED,
    boundSeconds: 3600,
    holds: ['v1'],
    sequence: 0,
    ...changes,
  };
}

export function notice(secretId: string, sequence: number): RolloutNotice {
  return { secretId, sequence, state: 'settled', rotationId: 'r1', versionId: 'r1', bounds: [], released: 0 };
}

function answer(changes: Partial<Answer> = {}): Answer {
  return {
    secretId: 'a',
    rotationId: 'r1',
    consumerId: 'one',
    agent: 'billing',
    host: 'host-7 (pid 12)',
    versionId: 'r1',
    outcome: 'acknowledged',
    said: '',
    answeredAt: new Date(),
    ...changes,
  };
}

function report(changes: Partial<UseReport> = {}): UseReport {
  return {
    secretId: 'a',
    consumerId: 'one',
    agent: 'billing',
    host: 'host-7 (pid 12)',
    ipAddress: '10.0.0.7',
    number: 1,
    from: new Date(STARTED.getTime() - 60_000),
    to: STARTED,
    uses: [{ action: 'accessed', reason: 'fetch_releases', versionId: 'v1', count: 12 }],
    dropped: 3,
    ...changes,
  };
}

function expectAbout(actual: Date | undefined, expected: Date): void {
  expect(Math.abs((actual?.getTime() ?? 0) - expected.getTime())).toBeLessThan(TOLERANCE_MILLISECONDS);
}
