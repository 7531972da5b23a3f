import { beforeEach, describe, expect, it } from 'vitest';
import { owedAlert } from '../../../../shared/alerts/compose.ts';
import { OrphanInDoubt, TargetUnreachable, TransientFailure } from '../../../../shared/errors.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { notify } from '../../../../shared/rotation/notify.ts';
import { owed } from '../../../../shared/rotation/owed.ts';
import type { RetirementInput, RotationInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import type {
  IssueInput,
  IssueReport,
  RetireInput,
  RetireReport,
  Rotator,
} from '../../../../shared/rotators/rotator.ts';
import { InMemoryIssuer } from '../../../fakes/in-memory-issuer.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const DOUBT = 'A credential named "rekey-1" may exist: look for it.';

/** A provider that lists nothing: of an attempt that the ledger does not explain only a person can say what it made. */
class Unlisted extends InMemoryIssuer {
  readonly madeNothing: ReadonlySet<string> = new Set([OrphanInDoubt.errorName, TargetUnreachable.errorName]);
  readonly asked: number[] = [];

  override async issue(input: IssueInput): Promise<IssueReport> {
    const { attempts, explained = 0 } = input.issuance;
    if (explained < attempts - 1) throw new OrphanInDoubt(DOUBT);
    this.asked.push(attempts);
    return super.issue({ ...input, issuance: { ...input.issuance, attempts: 1 } });
  }

  override async retire(input: RetireInput): Promise<RetireReport> {
    const { attempts = 0, explained = 0 } =
      input.known?.find(({ versionId }) => versionId === input.versionId)?.issuance ?? {};
    const report =
      input.value === undefined ? { refusedLogin: false, endedSessions: 0, facts: {} } : await super.retire(input);
    if (explained < attempts) throw new OrphanInDoubt(DOUBT);
    return report;
  }
}

class UnlistedWorld extends RotationWorld {
  readonly issuer = new Unlisted(new Map(), 'deployer', 10);
  override readonly rotatorFor = async (): Promise<Rotator> => this.issuer;
  override readonly isRotatable = () => true;

  override async adopt(): Promise<void> {
    this.secretStore.seed(SECRET, this.issuer.seed());
    await this.configure([declaration({ type: 'http' })]);
  }

  async candidate() {
    return (await this.record()).ledger.find(({ issuance }) => issuance !== undefined);
  }

  /** What happens to the next request, and to no other. */
  next(does: (issue: (input: IssueInput) => Promise<IssueReport>, input: IssueInput) => Promise<IssueReport>): void {
    const issue = this.issuer.issue.bind(this.issuer);
    this.issuer.issue = async (input) => {
      this.issuer.issue = issue;
      return does(issue, input);
    };
  }
}

let world: UnlistedWorld;
let input: RotationInput;
beforeEach(async () => {
  world = new UnlistedWorld();
  await world.adopt();
  input = await world.due();
});

const losesAnswer = async (issue: (input: IssueInput) => Promise<IssueReport>, given: IssueInput): Promise<never> => {
  await issue(given);
  throw new TransientFailure('The answer was lost.');
};

describe('a lost answer that nobody can find', () => {
  it('is asked for no second time, and becomes one debt that says what to look for', async () => {
    world.next(losesAnswer);
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
    await expect(generate(input, world)).rejects.toBeInstanceOf(OrphanInDoubt);
    expect(world.issuer.asked).toEqual([1]);
    // What refused to ask was no attempt.
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 1 });
    const { retirement } = await rollBack({ ...input, fault: { Error: 'OrphanInDoubt' } }, world);
    expect(await world.candidate()).toMatchObject({ state: 'grace', owedSince: world.clock.now(), doubt: DOUBT });
    expect((await world.record()).ledger.filter(({ doubt }) => doubt !== undefined)).toHaveLength(1);
    await notify({ ...input, fault: { Error: 'OrphanInDoubt' } }, world);
    await expect(retire(retirement as RetirementInput, world)).rejects.toBeInstanceOf(OrphanInDoubt);
    await owed({ ...(retirement as RetirementInput), fault: { Error: 'OrphanInDoubt' } }, world);
    expect(world.alerts.published.map(({ kind }) => kind)).toEqual(['rotation_rolled_back', 'retirement_owed']);
    for (const { body } of world.alerts.published) expect(body).toContain(DOUBT);
  });

  it('stays a debt while later rotations go on, until it is explained', async () => {
    world.next(losesAnswer);
    await expect(generate(input, world)).rejects.toThrow();
    const { retirement } = await rollBack({ ...input, fault: { Error: 'TransientFailure' } }, world);
    await notify({ ...input, fault: { Error: 'TransientFailure' } }, world);
    expect(world.alerts.published.at(-1)?.body).toContain(`Still owed: ${DOUBT}`);
    world.clock.advance(86_400);
    await world.rotate(await world.due());
    const doubtful = (await world.record()).ledger.find(({ versionId }) => versionId === input.rotationId);
    expect(doubtful).toMatchObject({ state: 'grace', doubt: DOUBT });
    const record = await world.record();
    const explained = record.ledger.map((entry) =>
      entry === doubtful || entry.versionId === input.rotationId
        ? { ...entry, issuance: { since: new Date(), existing: [], attempts: 1, explained: 1 } }
        : entry,
    );
    await world.registry.save({ ...record, ledger: explained });
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect((await world.candidate())?.doubt).toBeUndefined();
  });
});

it('a doubt that comes up when a credential is retired is written down, and the lease is free again', async () => {
  await world.rotate(input);
  world.clock.advance(90_000);
  const { retirement } = await world.rotate(await world.due());
  const record = await world.record();
  const ledger = record.ledger.map((entry) =>
    entry.versionId === input.rotationId
      ? { ...entry, issuance: { since: new Date(), existing: [], attempts: 2, explained: 1 } }
      : entry,
  );
  await world.registry.save({ ...record, ledger });
  world.clock.advance(3600);
  await expect(retire(retirement as RetirementInput, world)).rejects.toBeInstanceOf(OrphanInDoubt);
  const { ledger: after, lease } = await world.record();
  expect(after.find(({ versionId }) => versionId === input.rotationId)).toMatchObject({ state: 'grace', doubt: DOUBT });
  expect(lease).toBeUndefined();
});

describe('an attempt', () => {
  it('whose work the ledger has is explained, so that the end of the credential leaves no doubt', async () => {
    const { retirement: first } = await world.rotate(input);
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 1, explained: 1 });
    world.clock.advance(3600);
    await retire(first as RetirementInput, world);
    world.clock.advance(86_400);
    const { retirement } = await world.rotate(await world.due());
    world.clock.advance(3600);
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.issuer.ids()).toHaveLength(1);
  });

  it('that reached nobody is none', async () => {
    world.next(() => Promise.reject(new TargetUnreachable('refused')));
    await expect(generate(input, world)).rejects.toBeInstanceOf(TargetUnreachable);
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 0 });
    await generate(input, world);
    expect(world.issuer.asked).toEqual([1]);
  });

  it('that was overtaken is explained when its credential has been ended by who was given it', async () => {
    world.next(async (issue, given) => {
      const report = await issue(given);
      await expect(generate(input, world)).rejects.toBeInstanceOf(OrphanInDoubt); // Another try, meanwhile.
      return report;
    });
    await expect(generate(input, world)).rejects.toBeInstanceOf(TransientFailure);
    expect(world.issuer.ids()).toHaveLength(1);
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 1, explained: 1 });
    await generate(input, world);
    expect(world.issuer.ids()).toHaveLength(2);
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 2, explained: 2 });
  });

  it('that found the value stored meanwhile is none', async () => {
    world.next(losesAnswer);
    await expect(generate(input, world)).rejects.toThrow();
    const read = world.secretStore.read.bind(world.secretStore);
    let reads = 0;
    world.secretStore.read = async (secretId, which) => {
      const isCandidate = 'versionId' in which && which.versionId === input.rotationId;
      // Stored between the first look and the second.
      if (isCandidate && ++reads === 2)
        await world.secretStore.putPending(
          SECRET,
          input.rotationId,
          (await world.issuer.issue({ issuance: { attempts: 1 } } as IssueInput)).value,
        );
      return read(secretId, which);
    };
    await generate(input, world);
    expect((await world.candidate())?.issuance).toMatchObject({ attempts: 1 });
  });
});

it('a debt that is no doubt is told of as before', async () => {
  await world.rotate(input);
  const record = await world.record();
  const debt = record.ledger.find(({ state }) => state === 'grace');
  if (debt === undefined) throw new Error('nothing is in its grace period');
  const told = (fault: string, doubt?: string) =>
    owedAlert(record, { ...debt, doubt }, { rotationId: input.rotationId, fault }, world.clock.now());
  expect(told('StillAlive', DOUBT).body).not.toContain(DOUBT);
  expect(told('OrphanInDoubt', DOUBT).body).toContain(DOUBT);
  expect(told('OrphanInDoubt', DOUBT).subject).toMatch(/^\[rekey\] In doubt: /);
  expect(told('OrphanInDoubt').subject).toMatch(/^\[rekey\] Retirement owed: /);
});
