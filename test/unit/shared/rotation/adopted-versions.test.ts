import { describe, expect, it } from 'vitest';
import {
  type OwedInput,
  type RetirementInput,
  owedInput,
  retirementInput,
} from '../../../../shared/rotation/payloads.ts';
import { owed } from '../../../../shared/rotation/owed.ts';
import { recover } from '../../../../shared/rotation/recover.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { revert } from '../../../../shared/rotation/revert.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { ENVIRONMENT, RotationWorld, SECRET, declaration } from '../../../harness/rotation-world.ts';

/** Ids of versions that somebody else has made: AWS takes any 32 to 64 characters. */
const ADOPTED = ['terraform-20230101123456789000000001', `a.b/c d#é${'_'.repeat(55)}`];

/** Starts retirements as the functions and Step Functions do: what no step or no name takes is refused. */
class AdoptingWorld extends RotationWorld {
  readonly retirements = new Map<string, RetirementInput>();

  readonly startRetirement = async (name: string, input: RetirementInput) => {
    expect(name).toMatch(/^[A-Za-z0-9_-]{1,80}$/);
    const taken = retirementInput.parse(JSON.parse(JSON.stringify(input)));
    if (!this.retirements.has(name)) this.retirements.set(name, taken);
  };

  static async rotated(versionId: string): Promise<{
    readonly world: AdoptingWorld;
    readonly before: string;
    readonly retirement: RetirementInput;
  }> {
    const world = new AdoptingWorld();
    const before = world.target.seed('app');
    world.secretStore.seed(SECRET, before, versionId);
    await world.configure([declaration()]);
    const { retirement } = await world.rotate(await world.due());
    return { world, before, retirement: retirementInput.parse(retirement) };
  }

  last(): RetirementInput {
    const last = [...this.retirements.values()].at(-1);
    if (last === undefined) throw new Error('no retirement was started');
    return last;
  }
}

describe.each(ADOPTED)('a version that was adopted as %s', (versionId) => {
  it('is retired', async () => {
    const { world, before, retirement } = await AdoptingWorld.rotated(versionId);
    expect(retirement.versionId).toBe(versionId);
    world.clock.advance(3600);
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before)).toBe(false);
  });

  it('is swept when its retirement was lost, told of while it is owed, and recovered when that fails', async () => {
    const { world, before } = await AdoptingWorld.rotated(versionId);
    world.clock.advance(10 * 3600);
    expect(await sweep(world, ENVIRONMENT)).toMatchObject({ restarted: 1 });
    const debt: OwedInput = owedInput.parse({ ...world.last(), fault: { Error: 'StillAlive' } });
    expect(await owed(debt, world)).toEqual({ told: true });
    const detail = { executionArn: 'arn', stateMachineArn: 'arn', status: 'TIMED_OUT' as const };
    await recover({ detail: { ...detail, input: JSON.stringify(world.last()) } }, world);
    expect(world.retirements.size).toBe(2);
    expect(await retire(world.last(), world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before)).toBe(false);
  });

  it('is made current again on request, and retired again after the next rotation', async () => {
    const { world, before } = await AdoptingWorld.rotated(versionId);
    const request = { environment: ENVIRONMENT, secretId: SECRET, requestId: crypto.randomUUID(), requestedBy: 'me' };
    expect(await revert(request, world)).toMatchObject({ versionId });
    expect((await world.current()).value).toBe(before);
    world.clock.advance(3600);
    expect(await retire(world.last(), world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before)).toBe(true);
    world.clock.advance(2 * 86_400);
    const { retirement } = await world.rotate(await world.due());
    world.clock.advance(3600);
    expect(await retire(retirementInput.parse(retirement), world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before)).toBe(false);
    expect(await world.currentOpensTarget()).toBe(true);
  });
});
