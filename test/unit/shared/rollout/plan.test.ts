import { describe, expect, it } from 'vitest';
import type { Consumer } from '../../../../shared/rollout/consumer.ts';
import { planRollout } from '../../../../shared/rollout/plan.ts';
import { batchOf, positionOf } from '../../../../shared/rollout/position.ts';
import { declaration } from '../../../harness/rotation-world.ts';

const NOW = new Date('2026-03-01T12:00:00.000Z');
const ID = '00000000-0000-8000-8000-000000000001';

describe('a rollout plan', () => {
  it.each([
    ['250 consumers: a canary, then hundreds', 250, {}, [1, 100, 100, 49]],
    ['as many as fit behind the canary', 201, {}, [1, 100, 100]],
    ['one consumer: the canary alone', 1, {}, [1]],
    ['no consumer', 0, {}, []],
    ['a larger canary', 10, { canarySize: 4 }, [4, 6]],
    ['a canary that is everybody', 3, { canarySize: 50 }, [3]],
    ['no canary', 150, { canarySize: 0 }, [100, 50]],
    ['smaller batches', 10, { maxBatchSize: 3 }, [1, 3, 3, 3]],
    ['parallel_switch: false: one by one', 4, { parallelSwitch: false }, [1, 1, 1, 1]],
    ['rolling_update: false: no canary', 150, { rollingUpdate: false }, [100, 50]],
    ['zero_downtime: false: nobody before the switch', 150, { zeroDowntime: false }, []],
  ])('%s', (_, count, changes, sizes) => {
    const consumers = many(count);
    const plan = planRollout(declared(changes), { rotationId: ID, consumers, now: NOW, sequence: 0 });
    expect(plan.consumers).toBe(count);
    expect(plan.bounds).toHaveLength(sizes.length);
    const batches = consumers.map(({ consumerId }) => batchOf(plan, positionOf(ID, consumerId)));
    expect(sizes.map((_size, batch) => batches.filter((found) => found === batch).length)).toEqual(sizes);
  });

  it('makes batches larger where the history of the execution could not hold so many', () => {
    const settings = declared({ parallelSwitch: false });
    const { bounds } = planRollout(settings, { rotationId: ID, consumers: many(4000), now: NOW, sequence: 0 });
    expect(bounds.length).toBeLessThanOrEqual(1501);
    expect(bounds.length).toBeGreaterThan(1300);
  });

  it('hands nothing out before the switch in single_role mode, where the candidate opens nothing yet', () => {
    const settings = { ...declared({}), mode: 'single_role' as const };
    expect(planRollout(settings, { rotationId: ID, consumers: many(5), now: NOW, sequence: 0 }).bounds).toEqual([]);
  });

  it('hands nothing to running consumers with hot_reload: false', () => {
    const settings = { ...declared({}), reload: { hotReload: false, backwardsCompat: true, rollbackOnError: true } };
    expect(planRollout(settings, { rotationId: ID, consumers: many(5), now: NOW, sequence: 0 })).toMatchObject({
      consumers: 5,
      bounds: [],
    });
  });

  it('counts on nobody who has said nothing for more than two heartbeats, or longer than its own bound', () => {
    const ago = (seconds: number, boundSeconds = 3600) => ({
      ...(many(1)[0] as Consumer),
      consumerId: crypto.randomUUID(),
      seenAt: new Date(NOW.getTime() - seconds * 1000),
      boundSeconds,
    });
    const consumers = [ago(0), ago(149), ago(151), ago(40, 30)];
    expect(planRollout(declared({}), { rotationId: ID, consumers, now: NOW, sequence: 0 }).consumers).toBe(2);
  });

  it('does not count on who takes new versions only at its start', () => {
    const [first, ...others] = many(3);
    const consumers = [{ ...(first as Consumer), startsOnly: true as const }, ...others];
    expect(planRollout(declared({}), { rotationId: ID, consumers, now: NOW, sequence: 0 }).consumers).toBe(2);
  });

  it('makes somebody else the canary in another rotation', () => {
    const consumers = many(50);
    const canaries = Array.from({ length: 20 }, () => {
      const rotationId = crypto.randomUUID();
      const plan = planRollout(declared({}), { rotationId, consumers, now: NOW, sequence: 0 });
      return consumers.find(({ consumerId }) => batchOf(plan, positionOf(rotationId, consumerId)) === 0)?.consumerId;
    });
    expect(new Set(canaries).size).toBeGreaterThan(5);
  });

  it('puts who starts in the middle into a batch by its place, and the last batch takes every place', () => {
    const plan = planRollout(declared({}), { rotationId: ID, consumers: many(250), now: NOW, sequence: 0 });
    for (const { consumerId } of many(100)) expect(batchOf(plan, positionOf(ID, consumerId))).toBeDefined();
  });
});

function declared(changes: Partial<ReturnType<typeof declaration>['rollout']>) {
  const { rollout, reload, mode } = declaration();
  return { rollout: { ...rollout, ...changes }, reload, mode };
}

function many(count: number): readonly Consumer[] {
  return Array.from({ length: count }, () => ({
    secretId: 'a',
    consumerId: crypto.randomUUID(),
    agent: 'agent',
    host: 'host',
    startedAt: NOW,
    seenAt: NOW,
    boundSeconds: 3600,
    holds: ['v1'],
    sequence: 0,
  }));
}
