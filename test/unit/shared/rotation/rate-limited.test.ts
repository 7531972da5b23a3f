import { beforeEach, describe, expect, it } from 'vitest';
import { RateLimited } from '../../../../shared/errors.ts';
import { parseRecord, serialiseRecord } from '../../../../shared/registry/record-schema.ts';
import { apply } from '../../../../shared/rotation/apply.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { audit } from '../../../../shared/rotation/audit.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import type { RetirementInput, RotationInput } from '../../../../shared/rotation/payloads.ts';
import { NOTHING_OWED } from '../../../../shared/rotation/ledger.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { test } from '../../../../shared/rotation/test.ts';
import type { Rotator } from '../../../../shared/rotators/rotator.ts';
import { InMemoryIssuer } from '../../../fakes/in-memory-issuer.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';
import { runSecretRotation, runVersionRetirement } from '../../../harness/workflow.ts';

const LIMIT_SECONDS = 2400;
const DAY = 86_400;

/** A provider that answers, after `limit()`, only when its time has come; and counts what it is asked before that. */
class LimitingWorld extends RotationWorld {
  readonly issuer = new InMemoryIssuer(new Map(), 'deployer', 4);
  readonly asked: string[] = [];
  #until = 0;
  override readonly isRotatable = () => true;
  override readonly rotatorFor = async (): Promise<Rotator> =>
    new Proxy<InMemoryIssuer>(this.issuer, {
      get: (issuer, name) => {
        const found: unknown = Reflect.get(issuer, name);
        if (typeof found !== 'function') return found;
        return async (...given: unknown[]) => {
          const left = (this.#until - this.clock.now().getTime()) / 1000;
          if (left <= 0 || name === 'release') return Reflect.apply(found, issuer, given);
          this.asked.push(String(name));
          throw new RateLimited('The provider asked to slow down.', { retryAfterSeconds: left });
        };
      },
    });

  limit(): Date {
    this.#until = this.clock.now().getTime() + LIMIT_SECONDS * 1000;
    return new Date(this.#until);
  }

  override async adopt(): Promise<void> {
    this.secretStore.seed(SECRET, this.issuer.seed());
    await this.configure([declaration({ type: 'iam' })]);
  }
}

describe('a provider that says when it answers again', () => {
  let world: LimitingWorld;
  let input: RotationInput;
  beforeEach(async () => {
    world = new LimitingWorld();
    await world.adopt();
    input = await world.due();
  });

  it('is asked nothing before, by no phase, and answers then', async () => {
    await generate(input, world);
    world.limit();
    for (const seconds of [0, 65, 130, 130]) {
      world.clock.advance(seconds);
      await expect(test(input, world)).rejects.toBeInstanceOf(RateLimited);
    }
    expect(world.asked).toEqual(['test']);
    world.clock.advance(LIMIT_SECONDS - 325);
    await test(input, world);
    expect((await world.record()).rotation?.fault).toBeUndefined();
  });

  it('is not asked by the roll back: the candidate waits in the ledger, and no debt is told of', async () => {
    await generate(input, world);
    const until = world.limit();
    await expect(test(input, world)).rejects.toBeInstanceOf(RateLimited);
    const answer = await rollBack({ ...input, fault: { Error: 'RateLimited' } }, world);
    expect(answer).toMatchObject({ outcome: 'rolled_back', retirement: { retireAt: until.toISOString() } });
    expect(world.asked).toEqual(['test']);
    const { ledger } = await world.record();
    const candidate = ledger.find(({ versionId }) => versionId === input.rotationId);
    expect(candidate?.state).toBe('grace');
    expect(candidate?.owedSince).toBeUndefined();
    world.clock.advance(LIMIT_SECONDS);
    expect(await retire(answer.retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.issuer.ids()).toHaveLength(1);
  });

  it('decides no switch before it answers: whether the new value opens is asked then', async () => {
    await generate(input, world);
    await test(input, world);
    await audit(input, world);
    const until = world.limit();
    await expect(apply(input, world)).rejects.toBeInstanceOf(RateLimited);
    await expect(rollBack({ ...input, fault: { Error: 'RateLimited' } }, world)).rejects.toBeInstanceOf(RateLimited);
    expect(world.asked).toEqual(['probe']);
    expect((await world.record()).lease?.holder).toBe(input.rotationId);
    world.clock.advance((until.getTime() - world.clock.now().getTime()) / 1000);
    expect(await rollBack({ ...input, fault: { Error: 'RateLimited' } }, world)).toMatchObject({
      outcome: 'completed',
    });
  });

  it('that begins to do so while the roll back is at work is left in peace too', async () => {
    await generate(input, world);
    const until = world.limit();
    const answer = await rollBack({ ...input, fault: { Error: 'CandidateUnproven' } }, world);
    expect(answer).toMatchObject({ outcome: 'rolled_back', retirement: { retireAt: until.toISOString() } });
    expect(await world.record()).toMatchObject({ dueAt: until, rotation: { fault: { name: 'CandidateUnproven' } } });
  });

  it('is not asked by the next rotation either: it is not due before', async () => {
    const until = world.limit();
    await expect(generate(input, world)).rejects.toBeInstanceOf(RateLimited);
    await rollBack({ ...input, fault: { Error: 'RateLimited' } }, world);
    expect((await world.record()).dueAt).toEqual(until);
    world.clock.advance(LIMIT_SECONDS - 1);
    expect(await world.scheduled()).toEqual([]);
    world.clock.advance(1);
    await world.rotate(await world.due());
    expect(world.asked).toEqual(['preflight']);
  });

  it('is asked once by a whole rotation, every retry of its step included, and people are told when it goes on', async () => {
    const until = world.limit();
    const { outcome, tasks } = await runSecretRotation(input, { invocation: () => world });
    expect(tasks).toEqual(['Generate', 'Generate', 'Generate', 'Generate', 'RollBack', 'NotifyOfRollBack']);
    expect(outcome).toMatchObject({ error: 'RotationRolledBack' });
    expect(world.asked).toEqual(['preflight']);
    const [alert] = world.alerts.published;
    expect(alert?.body).toContain('RateLimited: The provider asked to slow down.');
    expect(alert?.body).toContain('the provider said when it answers again');
    expect(alert?.body).toContain(until.toISOString().slice(0, 19));
  });

  it('is asked by a retirement when it said, and nobody is told of a debt', async () => {
    const { retirement } = await world.rotate(input);
    world.clock.advance(3600);
    world.limit();
    const { tasks } = await runVersionRetirement(retirement as RetirementInput, {
      invocation: () => world,
      beforeRetire: async () => {
        if (world.asked.length > 0) world.clock.advance(LIMIT_SECONDS);
        return true;
      },
    });
    expect(tasks).toEqual(['Retire', 'Retire']);
    expect(world.asked).toEqual(['retire']);
    expect(world.issuer.ids()).toHaveLength(1);
  });

  it('made nothing when it turned the request away: the attempt does not count', async () => {
    world.issuer.issue = () =>
      Promise.reject(new RateLimited('The provider asked to slow down.', { retryAfterSeconds: 60 }));
    await expect(generate(input, world)).rejects.toBeInstanceOf(RateLimited);
    const { ledger } = await world.record();
    expect(ledger.find(({ versionId }) => versionId === input.rotationId)).toMatchObject({
      issuance: { attempts: 0 },
    });
  });

  it('ends a retirement later: as it said, for an hour without a word', async () => {
    const { retirement } = await world.rotate(input);
    world.clock.advance(3600);
    const until = world.limit();
    const work = retirement as RetirementInput;
    expect(await retire(work, world)).toEqual({ outcome: 'limited', until: until.toISOString() });
    expect((await world.record()).lease).toBeUndefined();
    world.clock.advance(LIMIT_SECONDS);
    world.limit();
    expect(await retire(work, world)).toMatchObject({ outcome: 'limited' });
    world.clock.advance(LIMIT_SECONDS);
    world.limit();
    await expect(retire(work, world)).rejects.toBeInstanceOf(RateLimited);
    world.clock.advance(LIMIT_SECONDS);
    expect(await retire(work, world)).toEqual({ outcome: 'retired' });
  });

  it('is remembered in the stored record', async () => {
    const retryAt = world.limit();
    await expect(generate(input, world)).rejects.toBeInstanceOf(RateLimited);
    const record = await world.record();
    expect(parseRecord(serialiseRecord(record), record).rotation?.fault).toMatchObject({
      name: 'RateLimited',
      retryAt,
    });
  });

  it('limits what ends old credentials, each of which may have a limit of its own: what is current is replaced all the same', async () => {
    await world.rotate(input);
    world.clock.advance(2 * DAY);
    const overdue = { ...NOTHING_OWED, versionId: 'v0', state: 'grace', retireAt: world.clock.now() } as const;
    await updateRecord(world.registry, SECRET, (record) => ({
      ...record,
      ledger: [...record.ledger, { ...overdue, identity: 'another' }],
    }));
    const ended: string[] = [];
    world.issuer.retire = async ({ identity }) => {
      ended.push(identity);
      throw new RateLimited('The provider asked to slow down.', { retryAfterSeconds: LIMIT_SECONDS });
    };
    const next = await world.due();
    await world.rotate(next);
    // Asked for one of the two: the other has the same provider.
    expect(ended).toHaveLength(1);
    expect((await world.current()).versionId).toBe(next.rotationId);
    expect((await world.record()).ledger.map(({ state }) => state).sort()).toEqual([
      'current',
      'grace',
      'grace',
      'grace',
    ]);
  });

  it('makes no debt of what was proved dead, and is to be proved so once more', async () => {
    await generate(input, world);
    const { retirement } = await rollBack({ ...input, fault: { Error: 'States.Timeout' } }, world);
    world.clock.advance(121);
    world.limit();
    expect(await retire(retirement as RetirementInput, world)).toMatchObject({ outcome: 'limited' });
    const { ledger } = await world.record();
    expect(ledger.find(({ versionId }) => versionId === input.rotationId)?.state).toBe('retired');
  });

  it('keeps no retirement from its end that has still to end others', async () => {
    const { retirement } = await world.rotate(input);
    world.clock.advance(2 * DAY);
    const overdue = {
      ...NOTHING_OWED,
      identity: 'another',
      versionId: 'v0',
      state: 'grace',
      retireAt: world.clock.now(),
    } as const;
    await updateRecord(world.registry, SECRET, (record) => ({ ...record, ledger: [...record.ledger, overdue] }));
    const end = world.issuer.retire.bind(world.issuer);
    world.issuer.retire = async (given) => {
      const report = await end(given);
      world.limit();
      return report;
    };
    expect(await retire(retirement as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.asked).toEqual(['retire']);
  });
});
