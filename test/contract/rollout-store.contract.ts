import { describe, expect, it } from 'vitest';
import type { Answer, Consumer } from '../../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../../shared/rollout/notice.ts';
import type { OpenBatch, RolloutStore } from '../../shared/rollout/rollout-store.ts';

const NOW = new Date('2026-03-01T12:00:00.000Z');
const ROTATION = '00000000-0000-8000-8000-000000000001';
const OTHER = '00000000-0000-8000-8000-000000000002';

/** What every RolloutStore promises; `link` writes what consumers write. */
export function rolloutStoreContract(
  name: string,
  make: () => Promise<{ readonly rollouts: RolloutStore; readonly link: ConsumerLink }>,
): void {
  describe(`${name} keeps the contract of a rollout store`, () => {
    it('posts a notice by compare-and-swap, from the first one on', async () => {
      const { rollouts } = await make();
      expect(await rollouts.notice('a')).toBeUndefined();
      expect(await rollouts.post(notice({ sequence: 2 }))).toBe('conflict');
      expect(await rollouts.post(notice())).toBe('posted');
      expect(await rollouts.post(notice())).toBe('conflict');
      expect(await rollouts.notice('a')).toEqual(notice());
      const settled = notice({ sequence: 2, state: 'settled', bounds: [], released: 0 });
      const raced = await Promise.all(Array.from({ length: 5 }, () => rollouts.post(settled)));
      expect(raced.filter((outcome) => outcome === 'posted')).toHaveLength(1);
      expect(await rollouts.notice('a')).toEqual(settled);
      expect(await rollouts.notice('b')).toBeUndefined();
    });

    it('reads every consumer of a secret, and nobody of another', async () => {
      const { rollouts, link } = await make();
      expect(await rollouts.consumers('a')).toEqual([]);
      for (const consumerId of ['one', 'two']) await link.report(consumer({ consumerId, holds: ['v1', 'v2'] }));
      await link.report(consumer({ secretId: 'ab', consumerId: 'three' }));
      const found = await rollouts.consumers('a');
      expect(found.map(({ consumerId }) => consumerId).sort()).toEqual(['one', 'two']);
      expect(found[0]).toMatchObject({ agent: 'agent', host: 'host', boundSeconds: 60, holds: ['v1', 'v2'] });
      await link.report({ ...consumer({ consumerId: 'two' }), startsOnly: true });
      expect((await rollouts.consumers('a')).find(({ consumerId }) => consumerId === 'two')?.startsOnly).toBe(true);
      await link.leave('a', 'one');
      expect((await rollouts.consumers('a')).map(({ consumerId }) => consumerId)).toEqual(['two']);
    });

    it('keeps what was answered when a batch gets a new token', async () => {
      const { rollouts } = await make();
      expect(await rollouts.openBatch(batch())).toEqual({ ...batch(), acknowledged: [], refused: [] });
      expect(await rollouts.addAnswers(batch(), { acknowledged: ['one'], refused: ['two'] })).toMatchObject({
        token: 'first',
        acknowledged: ['one'],
        refused: ['two'],
      });
      const later = new Date(NOW.getTime() + 1000);
      expect(await rollouts.openBatch(batch({ token: 'second', openedAt: later }))).toEqual({
        ...batch({ token: 'second' }),
        acknowledged: ['one'],
        refused: ['two'],
      });
    });

    it('counts a consumer once for each outcome, whoever else adds at the same time', async () => {
      const { rollouts } = await make();
      await rollouts.openBatch(batch());
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          rollouts.addAnswers(batch(), { acknowledged: [`consumer-${index % 10}`], refused: [] }),
        ),
      );
      const [only] = await rollouts.batches('a', ROTATION);
      expect(only?.acknowledged).toHaveLength(10);
    });

    it('answers nothing for a batch that was never opened', async () => {
      const { rollouts } = await make();
      const nowhere = { secretId: 'a', rotationId: OTHER, number: 7 };
      expect(await rollouts.addAnswers(nowhere, { acknowledged: ['one'], refused: [] })).toBeUndefined();
      expect(await rollouts.batches('a', OTHER)).toEqual([]);
    });

    it('lists the batches of one rollout in order, also one without anybody', async () => {
      const { rollouts } = await make();
      for (const number of [11, 2, 0]) await rollouts.openBatch(batch({ number, expected: number === 0 ? [] : ['x'] }));
      await rollouts.openBatch(batch({ rotationId: OTHER }));
      const found = await rollouts.batches('a', ROTATION);
      expect(found.map(({ number }) => number)).toEqual([0, 2, 11]);
      expect(found[0]?.expected).toEqual([]);
    });

    it('reads the last word of each consumer to one rollout', async () => {
      const { rollouts, link } = await make();
      await link.answer(consumer(), answer({ outcome: 'refused', said: 'no' }));
      await link.answer(consumer(), answer());
      await link.answer(consumer({ consumerId: 'two' }), answer({ consumerId: 'two', rotationId: OTHER }));
      expect(await rollouts.answers('a', ROTATION)).toMatchObject([{ consumerId: 'one', outcome: 'acknowledged' }]);
    });
  });
}

function notice(changes: Partial<RolloutNotice> = {}): RolloutNotice {
  return {
    secretId: 'a',
    sequence: 1,
    state: 'rolling',
    rotationId: ROTATION,
    versionId: ROTATION,
    bounds: ['3'.repeat(16), 'f'.repeat(16)],
    released: 1,
    ...changes,
  };
}

function batch(changes: Partial<OpenBatch> = {}): OpenBatch {
  return {
    secretId: 'a',
    rotationId: ROTATION,
    number: 0,
    expected: ['one', 'two'],
    stopsOnRefusal: true,
    token: 'first',
    openedAt: NOW,
    ...changes,
  };
}

function consumer(changes: Partial<Consumer> = {}): Omit<Consumer, 'seenAt'> {
  return {
    secretId: 'a',
    consumerId: 'one',
    agent: 'agent',
    host: 'host',
    startedAt: NOW,
    boundSeconds: 60,
    holds: ['v1'],
    sequence: 0,
    ...changes,
  };
}

function answer(changes: Partial<Answer> = {}): Answer {
  return {
    secretId: 'a',
    rotationId: ROTATION,
    consumerId: 'one',
    agent: 'agent',
    host: 'host',
    versionId: ROTATION,
    outcome: 'acknowledged',
    said: '',
    answeredAt: NOW,
    ...changes,
  };
}
