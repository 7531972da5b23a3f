import { describe, expect, it } from 'vitest';
import { HeldTooLong, LeaseHeld, StillHeld } from '../../../../shared/errors.ts';
import { ANY_VERSION } from '../../../../shared/rollout/consumer.ts';
import { releaseBatch } from '../../../../shared/rollout/release-batch.ts';
import { reload } from '../../../../shared/rollout/reload.ts';
import { positionOf } from '../../../../shared/rollout/position.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { declaration, ENVIRONMENT, SECRET } from '../../../harness/rotation-world.ts';
import { RolloutWorld } from '../../../harness/rollout-world.ts';
import type { Manner } from '../../../harness/simulated-consumer.ts';

const many = (count: number, manner: Manner = 'acknowledges'): Manner[] => Array.from({ length: count }, () => manner);

describe('a rollout', () => {
  it('moves AWSCURRENT only after every consumer has acknowledged, the canary first', async () => {
    const world = await RolloutWorld.withConsumers(many(250));
    const before = await world.current();
    const heldAtSwitch: string[] = [];
    world.secretStore.onPromote = () => void heldAtSwitch.push(...world.followers.map(({ holds }) => holds));
    const { outcome, retirements } = await world.rotateWithWorkflow();
    expect(outcome.status).toBe('succeeded');
    const after = await world.current();
    expect(after.versionId).not.toBe(before.versionId);
    expect(new Set(heldAtSwitch)).toEqual(new Set([after.versionId]));
    expect(world.batchesSeen.map((batch) => batch.length)).toEqual([1, 100, 100, 49]);
    expect(retirements).toHaveLength(1);
    expect(await world.rollouts.notice(SECRET)).toMatchObject({ state: 'settled', versionId: after.versionId });
  });

  it('says before the switch who will be affected, and afterwards in the alert', async () => {
    const world = await RolloutWorld.withConsumers(many(3));
    await world.rotateWithWorkflow();
    const recorded = world.auditTrail.entries(SECRET).findLast(({ action }) => action.endsWith('switch_recorded'));
    expect(recorded?.context).toMatchObject({ affected: ['billing-agent: 3'], batches: 2 });
    expect(world.alerts.published.at(-1)?.body).toContain(
      '3 of them were handed the new value before the switch, in 2 batches',
    );
  });

  it.each([
    ['in the canary', 0],
    ['in a later batch', 120],
  ])('goes back when one consumer refuses %s', async (_, place) => {
    const world = await RolloutWorld.withConsumers(many(250));
    const before = await world.current();
    const run = await world.rotateWithWorkflow(({ rotationId }) => {
      const placeOf = (consumerId: string) => positionOf(rotationId, consumerId);
      const order = world.followers.toSorted((a, b) => (placeOf(a.consumerId) < placeOf(b.consumerId) ? -1 : 1));
      const refuser = order[place];
      if (refuser !== undefined) refuser.manner = 'refuses';
    });
    expect(run.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
    expect(await world.current()).toEqual(before);
    expect(world.batchesSeen.map((batch) => batch.length)).toEqual(place === 0 ? [1] : [1, 100, 100]);
  });

  it('tells the consumers that have the candidate to go back, and ends it when they have', async () => {
    const world = await RolloutWorld.withConsumers([...many(20), 'refuses']);
    const before = await world.current();
    const { outcome, retirements } = await world.rotateWithWorkflow();
    expect(outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
    expect(await world.current()).toEqual(before);
    const { rotation } = await world.record();
    expect(rotation?.fault?.name).toBe('ConsumersRefused');
    expect(rotation?.fault?.message).toContain('billing-agent on host-1 said: ECONNREFUSED: no route to the database');
    expect(world.alerts.published.at(-1)?.body).toContain('said: ECONNREFUSED');

    const [retirement] = retirements;
    const candidates = world.followers.filter(({ holds }) => holds === rotation?.rotationId);
    if (candidates.length > 0) {
      const returning = { state: 'returning', versionId: rotation?.rotationId };
      expect(await world.rollouts.notice(SECRET)).toMatchObject(returning);
      if (retirement === undefined) throw new Error('a candidate that is held has a retirement');
      await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(StillHeld);
      expect(world.target.loginNames()).toHaveLength(2);
      await world.everybodyLooks();
      expect(await world.retireNow(retirement)).toEqual({ outcome: 'retired' });
    }
    expect(await world.rollouts.notice(SECRET)).toMatchObject({ state: 'settled', versionId: before.versionId });
    expect(world.followers.every(({ holds }) => holds === before.versionId)).toBe(true);
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('goes on past silence that is tolerated, and tells hanging from vanished when it is not', async () => {
    const tolerant = await RolloutWorld.withConsumers([...many(100), 'hangs', 'vanishes', 'vanishes']);
    expect((await tolerant.rotateWithWorkflow()).outcome.status).toBe('succeeded');

    const strict = await RolloutWorld.withConsumers([...many(10), 'hangs', 'vanishes', 'vanishes']);
    const { outcome } = await strict.rotateWithWorkflow();
    expect(outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
    const { rotation } = await strict.record();
    expect(rotation?.fault?.name).toBe('ConsumersSilent');
    expect(rotation?.fault?.message).toMatch(/did not finish their proof in time|were not heard of again/);
  });

  it('counts no answer to another rotation, and none of a consumer whose batch has not been released', async () => {
    const world = await RolloutWorld.withConsumers(many(5));
    const { outcome } = await world.rotateWithWorkflow();
    expect(outcome.status).toBe('succeeded');
    const [stale] = world.rollouts.given;
    if (stale === undefined) throw new Error('there are answers');
    world.clock.advance(2 * 86_400);
    for (const follower of world.followers) await follower.beat();
    for (const follower of world.followers) follower.manner = 'vanishes';
    world.rollouts.given.push(stale);
    const second = await world.rotateWithWorkflow();
    expect(second.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
  });

  it('gives a consumer that starts in the middle the version that is current, and waits for it before retiring that', async () => {
    const world = await RolloutWorld.withConsumers(many(3));
    const before = await world.current();
    let late: Awaited<ReturnType<RolloutWorld['join']>> | undefined;
    world.secretStore.onPromote = async () => {
      late ??= await world.join('latecomer');
    };
    const { retirements } = await world.rotateWithWorkflow();
    expect(late?.holds).toBe(before.versionId);
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    world.clock.advance(7200);
    for (const follower of world.followers) await follower.beat();
    await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(HeldTooLong);
    await world.everybodyLooks();
    expect(late?.holds).toBe((await world.current()).versionId);
    expect(await world.retireNow(retirement)).toEqual({ outcome: 'retired' });
  });

  it('tells consumers of a switch that happened before anybody was there, when their version is to be retired', async () => {
    const world = await RolloutWorld.withConsumers([], { graceSeconds: 0 });
    const before = await world.current();
    world.secretStore.onPromote = async () => {
      await world.join('latecomer');
    };
    const { retirements } = await world.rotateWithWorkflow();
    expect(await world.rollouts.notice(SECRET)).toBeUndefined();
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(StillHeld);
    await world.everybodyLooks();
    expect(world.followers.map(({ holds }) => holds)).not.toContain(before.versionId);
    expect(await world.retireNow(retirement)).toEqual({ outcome: 'retired' });
  });

  it('waits for a consumer that has announced that it is starting, and not for one past its bound', async () => {
    const world = await RolloutWorld.withConsumers(many(1), { graceSeconds: 0 });
    const { retirements } = await world.rotateWithWorkflow();
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    const starting = await world.join('starting', 'vanishes', 30);
    starting.holds = ANY_VERSION;
    await starting.beat();
    await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(StillHeld);
    world.clock.advance(30 + 31);
    expect(await world.retireNow(retirement)).toEqual({ outcome: 'retired' });
  });

  it('releases a batch twice without asking anybody twice, and wakes the task of the second time', async () => {
    const world = await RolloutWorld.withConsumers(many(3));
    const input = await world.due();
    const woken: string[] = [];
    const ports = { ...world.ports(), taskTokens: { succeed: async (token: string) => void woken.push(token) } };
    await startUntilAudit(world, input);
    await releaseBatch({ ...input, batch: 0, token: 'first' }, ports);
    const { sequence } = (await world.rollouts.notice(SECRET)) ?? { sequence: 0 };
    await world.everybodyLooks();
    await releaseBatch({ ...input, batch: 0, token: 'second' }, ports);
    expect(woken).toEqual(['second']);
    expect((await world.rollouts.notice(SECRET))?.sequence).toBe(sequence);
  });
});

describe('a release that comes too late', () => {
  it('hands nothing out once its rotation has been rolled back, nor in the place of a later one', async () => {
    const world = await RolloutWorld.withConsumers(many(3));
    const before = await world.current();
    const input = await world.due();
    await startUntilAudit(world, input);
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const rollouts = new Proxy(world.rollouts, {
      get: (target, key) =>
        key === 'openBatch'
          ? async (batch: Parameters<typeof target.openBatch>[0]) => {
              reached.resolve();
              await held.promise;
              return target.openBatch(batch);
            }
          : (Reflect.get(target, key) as () => void).bind(target),
    });
    const taskTokens = { succeed: async () => undefined };
    const late = releaseBatch({ ...input, batch: 0, token: 'late' }, { ...world.ports(), rollouts, taskTokens });
    await reached.promise;
    await rollBack({ ...input, fault: { Error: 'Execution.ABORTED' } }, world);
    const standing = await world.rollouts.notice(SECRET);
    held.resolve();
    await late;
    expect(await world.rollouts.notice(SECRET)).toEqual(standing);
    await world.everybodyLooks();
    expect(world.followers.every(({ holds }) => holds === before.versionId)).toBe(true);
  });
});

describe('the flags of a rollout', () => {
  it('zero_downtime: false moves AWSCURRENT first and tells consumers afterwards', async () => {
    const world = await RolloutWorld.withConsumers(many(3), withRollout({ zeroDowntime: false }));
    const before = await world.current();
    await world.rotateWithWorkflow();
    expect(world.followers.every(({ holds }) => holds === before.versionId)).toBe(true);
    await world.everybodyLooks();
    expect(new Set(world.followers.map(({ holds }) => holds))).toEqual(new Set([(await world.current()).versionId]));
  });

  it('hot_reload: false tells running consumers nothing, and waits for them before it retires what they have', async () => {
    const reloadSettings = { hotReload: false, backwardsCompat: true, rollbackOnError: true };
    const world = await RolloutWorld.withConsumers(many(3), { reload: reloadSettings, graceSeconds: 0 });
    const { retirements } = await world.rotateWithWorkflow();
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(StillHeld);
    expect(await world.rollouts.notice(SECRET)).toBeUndefined();
    for (const { consumerId } of world.followers) await world.rollouts.leave(SECRET, consumerId);
    expect(await world.retireNow(retirement)).toEqual({ outcome: 'retired' });
  });

  it('rollback_on_error: false goes on past a refusal; who refused keeps what it has, and it stays alive', async () => {
    const reloadSettings = { hotReload: true, backwardsCompat: true, rollbackOnError: false };
    const world = await RolloutWorld.withConsumers([...many(3), 'refuses'], { reload: reloadSettings });
    const before = await world.current();
    const { outcome, retirements } = await world.rotateWithWorkflow();
    expect(outcome.status).toBe('succeeded');
    expect(world.followers.filter(({ holds }) => holds === before.versionId)).toHaveLength(1);
    const [retirement] = retirements;
    if (retirement === undefined) throw new Error('the incumbent is to be retired');
    await expect(world.retireNow(retirement)).rejects.toBeInstanceOf(StillHeld);
    expect(world.target.opens(before.value)).toBe(true);
  });

  it('rolling_update: false releases every batch side by side', async () => {
    const world = await RolloutWorld.withConsumers(many(5), withRollout({ rollingUpdate: false, maxBatchSize: 2 }));
    const { outcome } = await world.rotateWithWorkflow();
    expect(outcome.status).toBe('succeeded');
    expect((await world.record()).rotation?.rollout?.bounds).toHaveLength(3);
  });
});

describe('a reload on request', () => {
  it('makes consumers look at AWSCURRENT again, once for one request', async () => {
    const world = await RolloutWorld.withConsumers(many(2));
    const request = {
      environment: ENVIRONMENT,
      secretId: SECRET,
      requestId: crypto.randomUUID(),
      requestedBy: 'cli:me',
    };
    const { versionId } = await world.current();
    const first = await reload(request, world);
    expect(first).toEqual({ versionId, sequence: 1 });
    expect(await reload(request, world)).toEqual(first);
    expect(await reload({ ...request, requestId: crypto.randomUUID() }, world)).toMatchObject({ sequence: 2 });
    expect((await world.actions()).filter((action) => action === 'rotation.reload.requested')).toHaveLength(2);
  });

  it('is refused while a rotation runs', async () => {
    const world = await RolloutWorld.withConsumers(many(2));
    await generate(await world.due(), world);
    const request = {
      environment: ENVIRONMENT,
      secretId: SECRET,
      requestId: crypto.randomUUID(),
      requestedBy: 'cli:me',
    };
    await expect(reload(request, world)).rejects.toBeInstanceOf(LeaseHeld);
  });
});

async function startUntilAudit(world: RolloutWorld, input: Awaited<ReturnType<RolloutWorld['due']>>): Promise<void> {
  const { test } = await import('../../../../shared/rotation/test.ts');
  const { audit } = await import('../../../../shared/rotation/audit.ts');
  await generate(input, world);
  await test(input, world);
  await audit(input, world);
}

function withRollout(changes: object) {
  return { rollout: { ...declaration().rollout, ...changes } };
}
