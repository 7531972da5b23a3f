import { beforeEach, describe, expect, it } from 'vitest';
import { AdminRefused, Misconfigured, RateLimited, SlotOccupied, TransientFailure } from '../../../../shared/errors.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import type { RetirementInput, RotationInput } from '../../../../shared/rotation/payloads.ts';
import type { IssueReport, Rotator } from '../../../../shared/rotators/rotator.ts';
import { InMemoryIssuer } from '../../../fakes/in-memory-issuer.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

class IssuingWorld extends RotationWorld {
  readonly issuer = new InMemoryIssuer(new Map(), 'deployer');
  override readonly rotatorFor = async (): Promise<Rotator> => this.issuer;
  override readonly isRotatable = () => true;

  override async adopt(): Promise<void> {
    this.secretStore.seed(SECRET, this.issuer.seed());
    await this.configure([declaration({ type: 'iam' })]);
  }

  async issuance() {
    return (await this.record()).ledger.find(({ issuance }) => issuance !== undefined);
  }
}

describe('an issued credential', () => {
  let world: IssuingWorld;
  let input: RotationInput;
  beforeEach(async () => {
    world = new IssuingWorld();
    await world.adopt();
    input = await world.due();
  });

  it('is journaled before it is asked for, named in the ledger, then stored', async () => {
    const issue = world.issuer.issue.bind(world.issuer);
    const before = world.issuer.ids();
    world.issuer.issue = async (given) => {
      expect(await world.issuance()).toMatchObject({ state: 'proposed', issuance: { existing: before, attempts: 1 } });
      return issue(given);
    };
    await generate(input, world);
    const entry = await world.issuance();
    expect(world.issuer.ids()).toContain(entry?.identity);
    expect(entry?.since).toEqual((await world.record()).rotation?.startedAt);
    const stored = await world.secretStore.read(SECRET, { versionId: input.rotationId });
    expect(world.issuer.idOf(stored?.value.reveal() ?? '')).toBe(entry?.identity);
    expect(await world.actions()).toContain('rotation.generate.candidate_issued');
  });

  it('is not asked for again once it is stored', async () => {
    await generate(input, world);
    world.issuer.issue = () => Promise.reject(new Error('asked again'));
    const record = await world.record();
    await world.registry.save({ ...record, rotation: { ...record.rotation!, phases: [] } });
    await generate(input, world);
    expect(world.issuer.ids()).toHaveLength(2);
  });

  it('of a lost answer is removed by the next attempt, whose number is written', async () => {
    await losesAnswer(world, input);
    await generate(input, world);
    expect(world.issuer.ids()).toHaveLength(2);
    expect(await world.issuance()).toMatchObject({ issuance: { attempts: 2 } });
  });

  it('of a lost answer is removed by a roll back, and what was there stays', async () => {
    const [incumbent] = world.issuer.ids();
    await losesAnswer(world, input);
    expect(world.issuer.ids()).toHaveLength(2);
    await rollBack({ ...input, fault: { Error: 'TransientFailure' } }, world);
    expect(world.issuer.ids()).toEqual([incumbent]);
  });

  it('does not count an attempt that surely made nothing', async () => {
    world.issuer.issue = () => Promise.reject(new SlotOccupied('Somebody made a key.'));
    await expect(generate(input, world)).rejects.toBeInstanceOf(SlotOccupied);
    expect(await world.issuance()).toMatchObject({ issuance: { attempts: 0 } });
  });

  it('counts an attempt whose fault says that something may have been made all the same', async () => {
    const none = { madeNothing: false };
    for (const [attempts, fault] of [
      [1, new Misconfigured('Not allowed, says something on the way.', none)],
      [2, new AdminRefused('Refused, says something on the way.', none)],
      [3, new RateLimited('Too many, says something on the way.', { retryAfterSeconds: 1, ...none })],
    ] as const) {
      world.issuer.issue = () => Promise.reject(fault);
      await expect(generate(input, world)).rejects.toBe(fault);
      expect(await world.issuance()).toMatchObject({ issuance: { attempts } });
    }
  });

  it('does not count one either whose passing fault says so, and the next one begins anew: later, and with what is there then', async () => {
    const issue = world.issuer.issue.bind(world.issuer);
    world.issuer.issue = () => Promise.reject(new TransientFailure('Refused.', { madeNothing: true }));
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
    expect(await world.issuance()).toMatchObject({ issuance: { attempts: 0 } });
    world.clock.advance(30);
    const foreign = world.issuer.idOf(world.issuer.seed());
    world.issuer.issue = () => Promise.reject(new TransientFailure('The answer was lost.'));
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
    const { issuance } = (await world.issuance()) ?? {};
    expect(issuance).toMatchObject({ since: world.clock.now(), attempts: 1 });
    expect(issuance?.existing).toContain(foreign);
    world.clock.advance(30);
    world.issuer.issue = issue;
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure); // There is no room.
    expect((await world.issuance())?.issuance).toMatchObject({ since: issuance?.since, attempts: 2 });
    await rollBack({ ...input, fault: { Error: 'TransientFailure' } }, world);
    expect(world.issuer.ids()).toContain(foreign);
  });

  it('of the earlier of two attempts at once is ended by who was given it', async () => {
    const issue = world.issuer.issue.bind(world.issuer);
    let made: IssueReport | undefined;
    world.issuer.issue = async (given) => {
      world.issuer.issue = issue;
      made = await issue(given);
      await generate(input, world); // Another function, meanwhile: it takes the first one's key for lost.
      return made;
    };
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
    expect(world.issuer.ids()).not.toContain(made?.identity);
    const stored = await world.secretStore.read(SECRET, { versionId: input.rotationId });
    expect(world.issuer.ids()).toContain(world.issuer.idOf(stored?.value.reveal() ?? ''));
  });

  it('that ends by itself is renewed in time, whatever the schedule says', async () => {
    const issue = world.issuer.issue.bind(world.issuer);
    const expiresAt = new Date(world.clock.now().getTime() + 3600_000);
    world.issuer.issue = async (given) => ({ ...(await issue(given)), expiresAt });
    const { retirement } = await world.rotate(input);
    const { dueAt } = await world.record();
    expect((dueAt as Date).getTime() - world.clock.now().getTime()).toBe(2400_000);
    world.clock.advance(3600);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
  });
});

/** The provider makes it, and its answer does not arrive. */
async function losesAnswer(world: IssuingWorld, input: RotationInput): Promise<void> {
  const issue = world.issuer.issue.bind(world.issuer);
  world.issuer.issue = async (given) => {
    await issue(given);
    throw new TransientFailure('The answer was lost.');
  };
  await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
  world.issuer.issue = issue;
}

it('a first value that is owed and refused is nothing that the next rotation would have to replace', async () => {
  const world = new IssuingWorld();
  await world.configure([declaration({ type: 'iam' })]);
  const input = await world.due();
  await generate(input, world);
  const end = world.issuer.retire.bind(world.issuer);
  const issued = world.issuer.ids();
  world.issuer.retire = async (given) => {
    await end(given);
    throw new AdminRefused('The administrator is refused.');
  };
  await rollBack({ ...input, fault: { Error: 'States.Timeout' } }, world);
  expect((await world.record()).ledger.map(({ state }) => state)).toEqual(['grace']);
  world.issuer.retire = end;
  world.clock.advance(300);
  const next = await world.due();
  await world.rotate(next);
  expect((await world.current()).versionId).toBe(next.rotationId);
  expect(world.issuer.ids()).toHaveLength(1);
  expect(world.issuer.ids()).not.toEqual(issued);
});
