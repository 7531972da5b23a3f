import { beforeEach, describe, expect, it } from 'vitest';
import {
  AdminRefused,
  RotationEnded,
  StillAlive,
  TargetUnreachable,
  TransientFailure,
} from '../../../../shared/errors.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { owed } from '../../../../shared/rotation/owed.ts';
import type { RetirementInput, RollBackResult, RotationInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import type { Rotator } from '../../../../shared/rotators/rotator.ts';
import { InMemoryIssuer } from '../../../fakes/in-memory-issuer.ts';
import { declaration, ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const HOUR = 3600;

class IssuingWorld extends RotationWorld {
  readonly issuer = new InMemoryIssuer(new Map(), 'deployer', 5);
  override readonly rotatorFor = async (): Promise<Rotator> => this.issuer;
  override readonly isRotatable = () => true;

  override async adopt(): Promise<void> {
    this.secretStore.seed(SECRET, this.issuer.seed());
    await this.configure([declaration({ type: 'iam' })]);
  }
}

interface Late {
  readonly world: RotationWorld;
  readonly input: RotationInput;
  /** Names of what opens the target. */
  readonly alive: () => readonly string[];
  /** Calls `meanwhile` within the next making of a candidate, before or after it is there. */
  readonly within: (when: 'before' | 'after', meanwhile: () => Promise<unknown>) => void;
  readonly rotator: Rotator;
}

async function chosen(): Promise<Late> {
  const world = await RotationWorld.adopted();
  const { target } = world;
  const within: Late['within'] = (when, meanwhile) => {
    const install = target.install.bind(target);
    target.install = async (given) => {
      target.install = install;
      if (when === 'before') await meanwhile();
      const report = await install(given);
      if (when === 'after') await meanwhile();
      return report;
    };
  };
  return { world, input: await world.due(), alive: () => target.loginNames(), within, rotator: target };
}

async function issued(): Promise<Late> {
  const world = new IssuingWorld();
  await world.adopt();
  const { issuer } = world;
  const within: Late['within'] = (when, meanwhile) => {
    const issue = issuer.issue.bind(issuer);
    issuer.issue = async (given) => {
      issuer.issue = issue;
      if (when === 'before') await meanwhile();
      const report = await issue(given);
      if (when === 'after') await meanwhile();
      return report;
    };
  };
  return { world, input: await world.due(), alive: () => issuer.ids(), within, rotator: issuer };
}

const entryOf = async ({ world, input }: Late) =>
  (await world.record()).ledger.find(({ versionId }) => versionId === input.rotationId);

/** All that ends credentials by itself, hours later. */
async function sweepAndRetire(world: RotationWorld): Promise<number> {
  world.clock.advance(4 * HOUR);
  const started: RetirementInput[] = [];
  const startRetirement = async (_: string, input: RetirementInput) => void started.push(input);
  const { clock, registry, secretStore, auditTrail } = world;
  await sweep({ clock, registry, secretStore, auditTrail, startRetirement }, ENVIRONMENT);
  for (const input of started) await retire(input, world);
  return started.length;
}

class Killed extends Error {}

describe.each([
  ['chosen', chosen],
  ['issued', issued],
] as const)('a function that makes a candidate (%s) after its rotation was rolled back', (_, make) => {
  let late: Late;
  let before: readonly string[];
  let rolledBack: RollBackResult;
  const rollItBack = (fault: string) => async () => {
    rolledBack = await rollBack({ ...late.input, fault: { Error: fault } }, late.world);
  };
  beforeEach(async () => {
    late = await make();
    before = late.alive();
  });

  it('takes it back, and the ledger says so only when it is proved dead', async () => {
    late.within('before', rollItBack('Execution.ABORTED'));
    const end = late.rotator.retire.bind(late.rotator);
    const seen: unknown[] = [];
    late.rotator.retire = async (given) => {
      if (late.alive().length > before.length) seen.push((await entryOf(late))?.state);
      return end(given);
    };
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(TransientFailure);
    expect(seen).toEqual(['grace']);
    expect(late.alive()).toEqual(before);
    expect(await entryOf(late)).toMatchObject({ state: 'retired' });
    expect(await sweepAndRetire(late.world)).toBe(0);
  });

  it.each(['Execution.ABORTED', 'RefusedByPolicy'])(
    'leaves a debt that the sweep finds when the target is away then (rolled back for %s)',
    async (fault) => {
      late.within('before', rollItBack(fault));
      const end = late.rotator.retire.bind(late.rotator);
      late.rotator.retire = async (given) => {
        if (late.alive().length > before.length) throw new TargetUnreachable('The target does not answer.');
        return end(given);
      };
      await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(TargetUnreachable);
      expect(late.alive()).toHaveLength(before.length + 1);
      expect(await entryOf(late)).toMatchObject({ state: 'grace' });
      late.rotator.retire = end;
      expect(await sweepAndRetire(late.world)).toBe(1);
      expect(late.alive()).toEqual(before);
      expect(await entryOf(late)).toMatchObject({ state: 'retired' });
      expect(await sweepAndRetire(late.world)).toBe(0);
    },
  );

  it('and dies at once is made up for by the retirement that the roll back has started', async () => {
    late.within('before', rollItBack('Execution.ABORTED'));
    late.within('after', () => Promise.reject(new Killed('killed')));
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(Killed);
    expect(late.alive()).toHaveLength(before.length + 1);
    expect(await entryOf(late)).toMatchObject({ state: 'retired' });
    const { retirement } = rolledBack;
    expect(Date.parse(retirement?.retireAt ?? '')).toBeGreaterThan(late.world.clock.now().getTime() + 60_000);
    late.world.clock.advance(120);
    expect(await retire(retirement as RetirementInput, late.world)).toEqual({ outcome: 'retired' });
    expect(late.alive()).toEqual(before);
    expect(await retire(retirement as RetirementInput, late.world)).toEqual({ outcome: 'retired' });
    expect(await sweepAndRetire(late.world)).toBe(0);
  });

  it('and dies at once is made up for by the sweep where that retirement was lost, or by the next rotation', async () => {
    late.within('before', rollItBack('States.Timeout'));
    late.within('after', () => Promise.reject(new Killed('killed')));
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(Killed);
    const copy = await make();
    copy.within('before', async () => rollBack({ ...copy.input, fault: { Error: 'States.Timeout' } }, copy.world));
    copy.within('after', () => Promise.reject(new Killed('killed')));
    await expect(generate(copy.input, copy.world)).rejects.toBeInstanceOf(Killed);
    expect(await sweepAndRetire(late.world)).toBe(1);
    expect(late.alive()).toEqual(before);
    copy.world.clock.advance(HOUR);
    await copy.world.rotate(await copy.world.due());
    expect(copy.alive()).toHaveLength(before.length + 1);
  });

  it('is feared for although a later try of the step has said that it failed', async () => {
    late.within('after', () => Promise.reject(new Killed('killed')));
    late.within('before', async () => {
      // The workflow has lost sight of it, and tries the step again.
      const preflight = late.rotator.preflight.bind(late.rotator);
      late.rotator.preflight = () => Promise.reject(new AdminRefused('The administrator is refused.'));
      await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(AdminRefused);
      late.rotator.preflight = preflight;
      await rollItBack('AdminRefused')();
    });
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(Killed);
    expect(late.alive()).toHaveLength(before.length + 1);
    late.world.clock.advance(120);
    expect(await retire(rolledBack.retirement as RetirementInput, late.world)).toEqual({ outcome: 'retired' });
    expect(late.alive()).toEqual(before);
    expect(await sweepAndRetire(late.world)).toBe(0);
  });

  it('that is alive again and cannot be ended becomes a debt that people are told of', async () => {
    late.within('before', rollItBack('Execution.ABORTED'));
    late.within('after', () => Promise.reject(new Killed('killed')));
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(Killed);
    late.world.clock.advance(120);
    const end = late.rotator.retire.bind(late.rotator);
    late.rotator.retire = () => Promise.reject(new StillAlive('It still opens the target.'));
    const retirement = rolledBack.retirement as RetirementInput;
    await expect(retire(retirement, late.world)).rejects.toBeInstanceOf(StillAlive);
    expect(await owed({ ...retirement, fault: { Error: 'StillAlive' } }, late.world)).toEqual({ told: true });
    late.rotator.retire = end;
    expect(await retire(retirement, late.world)).toEqual({ outcome: 'retired' });
    expect(late.alive()).toEqual(before);
  });

  it('sees a roll back that has only begun, in the same millisecond', async () => {
    const isEnding = Promise.withResolvers<void>();
    const isOver = Promise.withResolvers<void>();
    let running: Promise<void> | undefined;
    const end = late.rotator.retire.bind(late.rotator);
    late.rotator.retire = async (given) => {
      late.rotator.retire = end;
      const report = await end(given);
      isEnding.resolve();
      await isOver.promise;
      return report;
    };
    late.within('after', async () => {
      running = rollItBack('Execution.ABORTED')();
      await isEnding.promise;
    });
    await expect(generate(late.input, late.world)).rejects.toBeInstanceOf(TransientFailure);
    isOver.resolve();
    await running;
    expect(late.alive()).toEqual(before);
    expect(await entryOf(late)).toMatchObject({ state: 'retired' });
  });

  // Of one that is over for good the ledger may keep nothing once its place is taken.
  it.each(['Execution.ABORTED', 'RefusedByPolicy'])('does not disturb a later rotation (after %s)', async (fault) => {
    const later = { ...late.input, rotationId: crypto.randomUUID() };
    const isOver = Promise.withResolvers<void>();
    const hasBegun = Promise.withResolvers<void>();
    let running: Promise<void> | undefined;
    const seen: unknown[] = [];
    late.within('after', async () => {
      await rollItBack(fault)();
      late.within('after', async () => {
        hasBegun.resolve();
        await isOver.promise;
      });
      running = generate(later, late.world);
      await hasBegun.promise;
      const end = late.rotator.retire.bind(late.rotator);
      late.rotator.retire = async (given) => {
        late.rotator.retire = end;
        seen.push((await entryOf(late))?.state);
        return end(given);
      };
    });
    await expect(generate(late.input, late.world)).rejects.toSatisfy(
      (error) => error instanceof TransientFailure || error instanceof RotationEnded,
    );
    expect(seen).toEqual(['grace']);
    expect(await entryOf(late)).toMatchObject({ state: 'retired' });
    isOver.resolve();
    await running;
    const { rotation, ledger } = await late.world.record();
    expect(rotation).toMatchObject({ rotationId: later.rotationId, status: 'running' });
    const { identity } = ledger.find(({ versionId }) => versionId === later.rotationId) ?? {};
    expect(late.alive()).toEqual([...before, identity]);
    const stored = await late.world.secretStore.read(SECRET, { versionId: later.rotationId });
    expect(stored).toBeDefined();
  });
});
