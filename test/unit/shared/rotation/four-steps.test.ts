import { describe, expect, it } from 'vitest';
import { type FourStepEvent, fourStepEvent, fourSteps } from '../../../../shared/rotation/four-steps.ts';
import type { RetirementInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { InMemorySecretStore } from '../../../fakes/in-memory-secret-store.ts';
import { ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;

/** As Secrets Manager's scheduler begins: the version is there, `AWSPENDING`, without a value. */
class ScheduledStore extends InMemorySecretStore {
  readonly pending = new Map<string, string>();
  stage = 'AWSPENDING';

  override async describe(secretId: string) {
    const described = await super.describe(secretId);
    const token = this.pending.get(secretId);
    if (described === undefined || token === undefined) return described;
    return { ...described, stagesByVersion: { [token]: [this.stage], ...described.stagesByVersion } };
  }
}

class ScheduledWorld extends RotationWorld {
  override readonly secretStore = new ScheduledStore();
  readonly started: RetirementInput[] = [];
  readonly startRetirement = async (_: string, input: RetirementInput) => void this.started.push(input);

  static async begun(): Promise<{ readonly world: ScheduledWorld; readonly token: string }> {
    const world = new ScheduledWorld();
    await world.adopt();
    world.secretStore.rotated.add(SECRET);
    const token = crypto.randomUUID();
    world.secretStore.pending.set(SECRET, token);
    return { world, token };
  }

  step(Step: FourStepEvent['Step'], ClientRequestToken: string) {
    return fourSteps({ Step, SecretId: SECRET, ClientRequestToken }, this, ENVIRONMENT);
  }
}

describe("Secrets Manager's four steps", () => {
  it('are a rotation with journal, evidence, message and retirement', async () => {
    const { world, token } = await ScheduledWorld.begun();
    const before = await world.current();
    for (const step of STEPS) {
      expect(await world.step(step, token)).toEqual({ outcome: 'done' });
      expect(await world.currentOpensTarget()).toBe(true);
      expect(world.target.opens(before.value)).toBe(true);
    }
    expect((await world.current()).versionId).toBe(token);
    expect(world.alerts.published).toMatchObject([{ kind: 'rotation_succeeded' }]);
    const record = await world.record();
    expect(record.rotation).toMatchObject({ status: 'succeeded', rotationId: token });
    expect(record.lease).toBeUndefined();
    world.clock.advance(3600);
    expect(await retire(world.started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before.value)).toBe(false);
  });

  it('may each run twice, in the spelling of AWS or of its forks', async () => {
    const { world, token } = await ScheduledWorld.begun();
    for (const step of ['create_secret', 'set_secret', 'test_secret'] as const) {
      await world.step(step, token);
      await world.step(step, token);
    }
    await world.step('finish_secret', token);
    expect(await world.step('finish_secret', token)).toEqual({ outcome: 'already_current' });
    expect(world.alerts.published).toHaveLength(1);
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('do nothing for a token that is current already', async () => {
    const { world, token } = await ScheduledWorld.begun();
    for (const step of STEPS) await world.step(step, token);
    const { revision } = await world.record();
    for (const step of STEPS) expect(await world.step(step, token)).toEqual({ outcome: 'already_current' });
    expect((await world.record()).revision).toBe(revision);
  });

  it('complete in finishSecret what a crash after the switch left open', async () => {
    const { world, token } = await ScheduledWorld.begun();
    for (const step of STEPS.slice(0, 3)) await world.step(step, token);
    const { alerts } = world;
    const publish = alerts.publish.bind(alerts);
    alerts.publish = async () => {
      throw new Error('died here');
    };
    await expect(world.step('finishSecret', token)).rejects.toThrow();
    expect((await world.current()).versionId).toBe(token);
    alerts.publish = publish;
    await world.step('finishSecret', token);
    expect(world.started).toHaveLength(1);
    expect(await world.record()).toMatchObject({ rotation: { status: 'succeeded' } });
  });

  it.each(STEPS)('refuse %s where rotation is not enabled, the token unknown, or not pending', async (step) => {
    const { world, token } = await ScheduledWorld.begun();
    world.secretStore.rotated.delete(SECRET);
    await expect(world.step(step, token)).rejects.toThrow('not enabled');
    world.secretStore.rotated.add(SECRET);
    await expect(world.step(step, crypto.randomUUID())).rejects.toThrow('has no version');
    world.secretStore.pending.set(SECRET, token);
    world.secretStore.stage = 'AWSPREVIOUS';
    await expect(world.step(step, token)).rejects.toThrow('is not AWSPENDING');
    await expect(
      fourSteps({ Step: step, SecretId: 'nobody', ClientRequestToken: token }, world, ENVIRONMENT),
    ).rejects.toThrow('does not exist');
    expect(world.target.loginNames()).toEqual(['app']);
  });

  it('take the field that another account adds, and no other event', () => {
    const event = { Step: 'createSecret', SecretId: 'arn', ClientRequestToken: crypto.randomUUID() };
    expect(fourStepEvent.safeParse({ ...event, RotationToken: 'x' }).success).toBe(true);
    expect(fourStepEvent.safeParse({ ...event, Step: 'dropSecret' }).success).toBe(false);
    expect(fourStepEvent.safeParse({ ...event, ClientRequestToken: 'short' }).success).toBe(false);
  });
});
