import { describe, expect, it } from 'vitest';
import { Misconfigured } from '../../../../shared/errors.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

describe('configure', () => {
  it('creates what is missing, without a value, and adopts what exists as it is', async () => {
    const world = new RotationWorld();
    const value = world.target.seed('app');
    const version = world.secretStore.seed('by_hand', value);
    const report = await world.configure([declaration({ name: 'new' }), declaration({ name: 'by_hand' })]);
    expect(report).toMatchObject({ created: ['new'], adopted: ['by_hand'], changed: [], orphaned: [] });
    expect(await world.secretStore.describe('new')).toMatchObject({ stagesByVersion: {} });
    expect(await world.secretStore.read('by_hand', { stage: 'AWSCURRENT' })).toMatchObject({ versionId: version });
  });

  it('changes nothing when it runs again with the same file', async () => {
    const world = await RotationWorld.adopted();
    const before = await world.record();
    const actions = await world.actions();
    expect(await world.configure([declaration()])).toMatchObject({ unchanged: [SECRET], changed: [], adopted: [] });
    expect(await world.record()).toEqual(before);
    expect(await world.actions()).toEqual(actions);
  });

  it('never deletes: what left the file is marked orphaned, reported every time, and no longer due', async () => {
    const world = await RotationWorld.adopted();
    const current = await world.current();
    expect(await world.configure([])).toMatchObject({ orphaned: [SECRET] });
    expect(await world.configure([])).toMatchObject({ orphaned: [SECRET] });
    const { status, dueAt } = await world.record();
    expect({ status, dueAt }).toEqual({ status: 'orphaned', dueAt: undefined });
    expect(await world.scheduled()).toEqual([]);
    expect(await world.current()).toEqual(current);
    expect((await world.actions()).filter((action) => action.endsWith('orphaned'))).toHaveLength(1);
  });

  it('takes an orphan back when it returns to the file', async () => {
    const world = await RotationWorld.adopted();
    await world.configure([]);
    expect(await world.configure([declaration()])).toMatchObject({ changed: [SECRET], orphaned: [] });
    expect((await world.record()).status).toBe('active');
    expect((await world.record()).dueAt).toBeDefined();
  });

  it('registers a type that this version does not rotate, and says so', async () => {
    const world = new RotationWorld();
    const report = await world.configure([declaration({ name: 'gh', type: 'github_token' })]);
    expect(report).toMatchObject({ created: ['gh'], unsupported: ['gh'] });
    expect(await world.scheduled()).toEqual([]);
  });

  it('takes a missing type from the engine field of the adopted value', async () => {
    const world = new RotationWorld();
    world.secretStore.seed(SECRET, world.target.seed('app'));
    const { type: _, ...untyped } = declaration();
    await world.configure([untyped]);
    expect((await world.record()).type).toBe('postgresql');
  });

  it.each(['not json', '{}', '{"engine":5}', 'null'])(
    'refuses a missing type when the value does not tell: %s',
    async (value) => {
      const world = new RotationWorld();
      world.secretStore.seed(SECRET, value);
      const { type: _, ...untyped } = declaration();
      await expect(world.configure([untyped])).rejects.toThrow(Misconfigured);
    },
  );

  it('starts a new schedule from now, and leaves a due time alone when only other fields changed', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    const { dueAt } = await world.record();
    await world.configure([declaration({ graceSeconds: 10 })]);
    expect((await world.record()).dueAt).toEqual(dueAt);
    await world.configure([declaration({ schedule: { kind: 'every', seconds: 3600 }, rotation: '1_hour' })]);
    const soon = (await world.record()).dueAt as Date;
    expect(soon.getTime() - world.clock.now().getTime()).toBeLessThanOrEqual(3600_000 * 1.05);
  });

  it('leaves the due time of a rotation that runs, so that the dispatcher finds it if it dies', async () => {
    const world = await RotationWorld.adopted();
    await generate(await world.due(), world);
    const { dueAt } = await world.record();
    const schedule = { kind: 'every', seconds: 90 * 86_400 } as const;
    await world.configure([declaration({ schedule })]);
    expect((await world.record()).dueAt).toEqual(dueAt);
    await world.configure([]);
    await world.configure([declaration({ schedule, scheduler: 'secrets_manager' })]);
    expect((await world.record()).dueAt).toEqual(world.clock.now());
  });

  it("has no due time of its own where Secrets Manager's scheduler begins, and one again when it does not", async () => {
    const world = await RotationWorld.adopted({ scheduler: 'secrets_manager' });
    expect((await world.record()).dueAt).toBeUndefined();
    await world.configure([declaration()]);
    expect((await world.record()).dueAt).toBeDefined();
    await world.configure([declaration({ scheduler: 'secrets_manager' })]);
    expect((await world.record()).dueAt).toBeUndefined();
  });

  it('waits for the schedule when the first rotation is not to run at once', async () => {
    const world = await RotationWorld.adopted({ rotateImmediately: false });
    expect(await world.scheduled()).toEqual([]);
    world.clock.advance(25.5 * 3600);
    expect(await world.scheduled()).toHaveLength(1);
  });
});
