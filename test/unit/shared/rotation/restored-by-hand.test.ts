import { beforeEach, describe, expect, it } from 'vitest';
import type { SecretDeclaration } from '../../../../shared/config/declaration.ts';
import { IncumbentRefused, Misconfigured, RetirementPending, StillHeld, Throttled } from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import type { RetirementInput, RotationInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { credentialRotator } from '../../../../shared/rotators/credential/credential-rotator.ts';
import type { Rotator } from '../../../../shared/rotators/rotator.ts';
import { InMemoryIssuer } from '../../../fakes/in-memory-issuer.ts';
import { RolloutWorld } from '../../../harness/rollout-world.ts';
import { declaration, ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const DAY = 86_400;
const HOUR = 3600;

/** The value of an earlier version, or another one, put in force by `put-secret-value`. Answers its version. */
async function setByHand(world: RotationWorld, value: string): Promise<string> {
  const { versionId: from } = await world.current();
  const to = crypto.randomUUID();
  await world.secretStore.putPending(SECRET, to, new SecretText(value));
  await world.secretStore.promote(SECRET, { from, to });
  await world.secretStore.clearPending(SECRET, to);
  return to;
}

/** Retirements as the sweep starts them, until there is nothing left to start. */
async function sweepAndRetire(world: RotationWorld): Promise<void> {
  const started: RetirementInput[] = [];
  const startRetirement = async (_: string, input: RetirementInput) => void started.push(input);
  const { clock, registry, secretStore, auditTrail } = world;
  await sweep({ clock, registry, secretStore, auditTrail, startRetirement }, ENVIRONMENT);
  world.clock.advance(2 * HOUR);
  for (const input of started) await retire(input, world);
}

const states = async (world: RotationWorld) =>
  Object.fromEntries((await world.record()).ledger.map(({ versionId, state }) => [versionId, state]));

describe('an old value that somebody puts back', () => {
  let world: RotationWorld;
  let old: { readonly versionId: string; readonly value: string };
  let retirement: RetirementInput;

  async function rotatedOnce(changes: Partial<SecretDeclaration> = {}): Promise<void> {
    world = await RotationWorld.adopted(changes);
    old = await world.current();
    ({ retirement } = (await world.rotate(await world.due())) as { readonly retirement: RetirementInput });
  }
  beforeEach(() => rotatedOnce());

  it('is never ended: its retirement gives it to the version that is current, and the one between is ended', async () => {
    const replaced = (await world.current()).versionId;
    const restored = await setByHand(world, old.value);
    world.clock.advance(2 * HOUR);
    expect(await retire(retirement, world)).toEqual({ outcome: 'kept' });
    expect(await states(world)).toEqual({ [replaced]: 'current', [restored]: 'current' });
    expect(await world.actions()).toContain('rotation.retire.superseded');
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    await sweepAndRetire(world);
    expect(await states(world)).toEqual({ [replaced]: 'retired', [restored]: 'current' });
    expect(await world.currentOpensTarget()).toBe(true);
    world.clock.advance(DAY);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
    expect((await world.current()).value).not.toBe(old.value);
  });

  it('does not stop rotation although its retirement was lost', async () => {
    await setByHand(world, old.value);
    world.clock.advance(2 * DAY);
    // The place of the candidate is the one that was current in between: its grace period begins now.
    const first = await world.due();
    await expect(generate(first, world)).rejects.toBeInstanceOf(RetirementPending);
    await rollBack({ ...first, fault: { Error: 'RetirementPending' } }, world);
    expect(await world.currentOpensTarget()).toBe(true);
    world.clock.advance(2 * HOUR);
    await world.rotate(await world.due());
    expect(JSON.parse((await world.current()).value)).toMatchObject({ username: 'app_a' });
    expect(await world.currentOpensTarget()).toBe(true);
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('keeps its own grace period when the next rotation comes before the old one is over', async () => {
    await rotatedOnce({ graceSeconds: 5 * DAY });
    const restored = await setByHand(world, old.value);
    world.clock.advance(2 * DAY);
    const early = await world.due();
    await expect(generate(early, world)).rejects.toBeInstanceOf(RetirementPending);
    await rollBack({ ...early, fault: { Error: 'RetirementPending' } }, world);
    expect((await world.record()).ledger).toContainEqual(
      expect.objectContaining({ versionId: restored, identity: 'app', state: 'current' }),
    );
    world.clock.advance(3 * DAY + HOUR);
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' }); // It has no entry any more.
    expect(world.target.opens(old.value)).toBe(true);
    world.clock.advance(2 * DAY);
    await world.rotate(await world.due());
    expect(world.target.opens(old.value)).toBe(true);
    expect((await states(world))[restored]).toBe('grace');
  });

  it('is known again when it is written in another way', async () => {
    await rotatedOnce({ graceSeconds: 5 * DAY });
    const { engine, username, password } = JSON.parse(old.value) as Record<string, string>;
    const restored = await setByHand(world, JSON.stringify({ password, username, engine }, undefined, 2));
    world.clock.advance(2 * DAY);
    await expect(generate(await world.due(), world)).rejects.toBeInstanceOf(RetirementPending);
    expect((await states(world))[restored]).toBe('current');
    expect((await states(world))[old.versionId]).toBeUndefined();
  });

  it('that no longer opens the target changes nothing in the ledger', async () => {
    const before = await states(world);
    const { username } = JSON.parse(old.value) as { readonly username: string };
    await setByHand(world, JSON.stringify({ engine: 'postgres', username, password: 'mistyped' }));
    world.clock.advance(2 * HOUR);
    await expect(retire(retirement, world)).rejects.toThrow('is refused');
    world.clock.advance(DAY);
    await expect(generate(await world.due(), world)).rejects.toThrow('refused the incumbent');
    const after = await states(world);
    for (const [versionId, state] of Object.entries(before)) expect(after[versionId]).toBe(state);
  });

  it('gives way to the version itself when somebody moves the label back', async () => {
    const { versionId: from } = await world.current();
    await world.secretStore.promote(SECRET, { from, to: old.versionId });
    world.clock.advance(2 * DAY);
    await expect(generate(await world.due(), world)).rejects.toBeInstanceOf(RetirementPending);
    expect(await states(world)).toMatchObject({ [old.versionId]: 'current', [from]: 'grace' });
  });
});

describe('a value that somebody has set', () => {
  it('of their own is followed: what was current before is ended after a grace period, and rotation goes on', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    const { versionId: replaced } = await world.current();
    await setByHand(world, world.target.seed('by_hand'));
    world.clock.advance(2 * DAY);
    await expect(generate(await world.due(), world)).rejects.toBeInstanceOf(RetirementPending);
    expect((await states(world))[replaced]).toBe('grace');
    expect(await world.actions()).toContain(`rotation.generate.replaced_${replaced}`);
    world.clock.advance(2 * DAY);
    const [input] = await world.scheduled();
    await world.rotate(input as RotationInput);
    expect(JSON.parse((await world.current()).value)).toMatchObject({ username: 'app_a' });
    expect(await world.currentOpensTarget()).toBe(true);
  });
});

describe('consumers', () => {
  it('are told of a value that a person has set when what they use is to be retired', async () => {
    const world = await RolloutWorld.withConsumers(['acknowledges']);
    const { versionId: replaced } = await world.current();
    const theirs = await setByHand(world, world.target.seed('by_hand'));
    const input = await world.due();
    await expect(generate(input, world)).rejects.toBeInstanceOf(RetirementPending);
    await rollBack({ ...input, fault: { Error: 'RetirementPending' } }, world);
    const { retireAt } = (await world.record()).ledger.find(({ versionId }) => versionId === replaced) ?? {};
    const retirement = {
      environment: ENVIRONMENT,
      secretId: SECRET,
      rotationId: replaced,
      versionId: replaced,
      retireAt: retireAt?.toISOString() ?? '',
    };
    world.clock.advance(HOUR);
    await world.followers[0]?.beat();
    await expect(retire(retirement, world)).rejects.toBeInstanceOf(StillHeld);
    await world.everybodyLooks();
    expect(world.followers[0]?.holds).toBe(theirs);
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
  });

  it('do not keep a version from being kept: they may use what carries the label', async () => {
    const world = await RolloutWorld.withConsumers([]);
    const { versionId: before } = await world.current();
    const { retirements } = await world.rotateWithWorkflow();
    const { versionId: from } = await world.current();
    await world.secretStore.promote(SECRET, { from, to: before });
    world.clock.advance(HOUR);
    await world.join('started-since');
    expect(await retire(retirements[0] as RetirementInput, world)).toEqual({ outcome: 'kept' });
  });
});

describe('where the target gives credentials no place', () => {
  class ValueWorld extends RotationWorld {
    override readonly rotatorFor = async (): Promise<Rotator> => credentialRotator({ clock: this.clock });
    override readonly isRotatable = () => true;
  }

  it('the next rotation replaces the value at once, and the old version is not retired for it', async () => {
    const world = new ValueWorld();
    const old = 'old-value-old-value-1234';
    const adopted = world.secretStore.seed(SECRET, old);
    await world.configure([declaration({ type: 'credential', graceSeconds: 5 * DAY })]);
    const { retirement } = await world.rotate(await world.due());
    const { versionId: between } = await world.current();
    const restored = await setByHand(world, old);
    world.clock.advance(2 * DAY);
    await world.rotate(await world.due());
    expect(await states(world)).toMatchObject({ [restored]: 'grace', [between]: 'grace' });
    expect((await world.record()).ledger).toContainEqual(
      expect.objectContaining({ versionId: restored, identity: `credential@${restored}` }),
    );
    expect((await states(world))[adopted]).toBeUndefined();
    world.clock.advance(3 * DAY + HOUR);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect((await states(world))[restored]).toBe('grace');
  });
});

describe('where the provider names its keys', () => {
  class IssuingWorld extends RotationWorld {
    readonly issuer = new InMemoryIssuer(new Map(), 'deployer', 3);
    override readonly rotatorFor = async (): Promise<Rotator> => this.issuer;
    override readonly isRotatable = () => true;
  }

  it('a value with the same key in it is the same key, whatever else it says', async () => {
    const world = new IssuingWorld();
    const old = world.issuer.seed();
    const adopted = world.secretStore.seed(SECRET, old);
    await world.configure([declaration({ type: 'iam', graceSeconds: 5 * DAY })]);
    await world.rotate(await world.due());
    const restored = await setByHand(world, old);
    // As if it were written in a way that only the provider can tell to be the same.
    const read = world.secretStore.read.bind(world.secretStore);
    world.secretStore.read = async (secretId, which) =>
      'versionId' in which && which.versionId === adopted ? undefined : read(secretId, which);
    world.clock.advance(2 * DAY);
    await generate(await world.due(), world);
    expect(await states(world)).toMatchObject({ [restored]: 'current' });
    expect((await states(world))[adopted]).toBeUndefined();
    expect(await world.actions()).toContain(`rotation.generate.superseded_${adopted}`);
    expect(world.issuer.idOf(old)).toBeDefined();
  });
});

describe('an overdue credential that cannot be ended', () => {
  let world: RotationWorld;
  beforeEach(async () => {
    world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    world.clock.advance(2 * DAY);
  });

  it('does not stop a rotation that does not need its place', async () => {
    world.target.retire = () => Promise.reject(new Misconfigured('The value does not belong to it.'));
    await world.rotate(await world.due());
    expect(JSON.parse((await world.current()).value)).toMatchObject({ username: 'app_b' });
    expect((await world.record()).ledger).toContainEqual(expect.objectContaining({ identity: 'app', state: 'grace' }));
  });

  it('is tried again by the same step when the fault is a passing one', async () => {
    world.target.retire = () => Promise.reject(new Throttled('Not so fast.'));
    await expect(generate(await world.due(), world)).rejects.toBeInstanceOf(Throttled);
  });
});

it('an old version, retired long ago, that people make work again and put in force is followed, and ended in its turn', async () => {
  const world = await RotationWorld.adopted();
  const old = await world.current();
  for (const _ of ['first', 'second']) {
    const { retirement } = await world.rotate(await world.due());
    world.clock.advance(2 * HOUR);
    await retire(retirement as RetirementInput, world);
    world.clock.advance(DAY);
  }
  const { username, password } = JSON.parse(old.value) as { readonly username: string; readonly password: string };
  world.target.accounts.set(username, { password, sessions: 0 });
  await world.secretStore.promote(SECRET, { from: (await world.current()).versionId, to: old.versionId });
  const { retirement } = await world.rotate(await world.due());
  expect(retirement?.versionId).toBe(old.versionId);
  world.clock.advance(2 * HOUR);
  await retire(retirement as RetirementInput, world);
  await sweepAndRetire(world);
  expect(await world.currentOpensTarget()).toBe(true);
  expect(world.target.opens(old.value)).toBe(false);
  expect(Object.values(await states(world)).filter((state) => state !== 'retired')).toEqual(['current']);
  let proofs = 0;
  for await (const { action, context } of world.auditTrail.read(SECRET)) {
    if (action.endsWith('proved_dead') && context['version_id'] === old.versionId) proofs += 1;
  }
  expect(proofs).toBe(2);
});

it('an earlier version with the label is kept, although it opens nothing: the next rotation says what is wrong', async () => {
  const world = await RotationWorld.adopted();
  const old = await world.current();
  const { retirement } = await world.rotate(await world.due());
  await world.secretStore.promote(SECRET, { from: (await world.current()).versionId, to: old.versionId });
  world.target.accounts.delete((JSON.parse(old.value) as { readonly username: string }).username);
  world.clock.advance(2 * HOUR);
  expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'kept' });
  world.clock.advance(DAY);
  await expect(generate(await world.due(), world)).rejects.toBeInstanceOf(IncumbentRefused);
});
