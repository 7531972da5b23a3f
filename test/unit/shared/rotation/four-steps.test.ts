import { describe, expect, it } from 'vitest';
import { verifyTrail } from '../../../../shared/audit/verify-trail.ts';
import type { SecretDeclaration } from '../../../../shared/config/declaration.ts';
import {
  InternalFault,
  RateLimited,
  RekeyError,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import { type FourStepEvent, fourStepEvent, fourSteps } from '../../../../shared/rotation/four-steps.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import {
  type RetirementInput,
  type RotationInput,
  retirementInput,
  rotationInput,
} from '../../../../shared/rotation/payloads.ts';
import { type RecoveryPorts, recover } from '../../../../shared/rotation/recover.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { rollBack } from '../../../../shared/rotation/roll-back.ts';
import { executionName } from '../../../../shared/rotation/rotation-id.ts';
import { Saboteur } from '../../../chaos/saboteur.ts';
import { InMemorySecretStore } from '../../../fakes/in-memory-secret-store.ts';
import * as fc from '../../../harness/properties.ts';
import { declaration, ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
const TERRAFORM = 'terraform-20240101123456789000000001';

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

  override async clearPending(secretId: string, versionId: string) {
    if (this.pending.get(secretId) === versionId) this.pending.delete(secretId);
    await super.clearPending(secretId, versionId);
  }
}

class ScheduledWorld extends RotationWorld {
  override readonly secretStore = new ScheduledStore();
  readonly retirements = new Map<string, RetirementInput>();
  /** As Step Functions does: a name that is taken is the same run. */
  readonly startRetirement = async (name: string, input: RetirementInput) => {
    if (!this.retirements.has(name)) this.retirements.set(name, retirementInput.parse(input));
  };

  get started(): readonly RetirementInput[] {
    return [...this.retirements.values()];
  }

  static async begun(
    changes: Partial<SecretDeclaration> = { scheduler: 'secrets_manager' },
    token: string = crypto.randomUUID(),
  ): Promise<{ readonly world: ScheduledWorld; readonly token: string }> {
    const world = new ScheduledWorld();
    await world.adopt(changes);
    world.announce(token);
    return { world, token };
  }

  announce(token: string): void {
    this.secretStore.rotated.add(SECRET);
    this.secretStore.pending.set(SECRET, token);
  }

  step(Step: FourStepEvent['Step'], ClientRequestToken: string, ports: RecoveryPorts = this) {
    const event = fourStepEvent.parse({ Step, SecretId: SECRET, ClientRequestToken });
    return fourSteps(event, ports, ENVIRONMENT);
  }

  ports(): RecoveryPorts {
    const { clock, registry, secretStore, auditTrail, rollouts, alerts, rotatorFor, startRetirement } = this;
    return { clock, registry, secretStore, auditTrail, rollouts, alerts, rotatorFor, startRetirement };
  }

  /** What Secrets Manager puts under a token before it tries a configuration. */
  async pend(token: string, value: string): Promise<void> {
    await this.secretStore.putPending(SECRET, token, new SecretText(value));
  }

  /** As the workflow does when Generate fails. */
  async rotateAndRollBack(input: RotationInput): Promise<void> {
    const fault = await generate(input, this).then(
      () => undefined,
      (error: Error) => error.name,
    );
    await rollBack({ ...input, fault: { Error: fault ?? 'none' } }, this);
  }

  async moveCurrentByHand(): Promise<void> {
    const { versionId, value } = await this.current();
    const to = crypto.randomUUID();
    await this.secretStore.putPending(SECRET, to, new SecretText(value));
    await this.secretStore.promote(SECRET, { from: versionId, to });
  }

  kinds(): readonly string[] {
    return this.alerts.published.map(({ kind }) => kind);
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

describe('a token of Secrets Manager', () => {
  const isTaken = (ClientRequestToken: string) =>
    fourStepEvent.safeParse({ Step: 'createSecret', SecretId: 'arn', ClientRequestToken }).success;

  it.each([
    ['Terraform', TERRAFORM],
    ['a UUID in capitals', 'AD9B8F5A-0A0A-4C4C-8888-1234567890AB'],
    ['a UUID of no version', '12345678-1234-0234-0234-123456789012'],
    ['64 hexadecimal digits', '0123456789abcdef'.repeat(4)],
  ])('of %s is rotated under, retired and recovered like any other', async (_, token) => {
    const { world } = await ScheduledWorld.begun(undefined, token);
    const before = await world.current();
    for (const step of STEPS) expect(await world.step(step, token)).toEqual({ outcome: 'done' });
    expect((await world.record()).rotation).toMatchObject({ status: 'succeeded', rotationId: token });
    const [retirement] = world.started as [RetirementInput];
    world.clock.advance(3600);
    await recover(failed(retirement), world);
    expect([...world.retirements.keys()].every(isExecutionName)).toBe(true);
    expect(await retire(world.started[1] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.opens(before.value)).toBe(false);
  });

  it('that is not fit for an id is refused at the edge, before anything is read or written', () => {
    for (const token of ['short', 'a'.repeat(65), `${'a'.repeat(40)}/b`, `${'a'.repeat(40)}#b`, `${'a'.repeat(40)}\n`])
      expect(isTaken(token), token).toBe(false);
  });

  it('that is taken is fit for every place where a rotation id goes', () => {
    const alphabet = fc.constantFrom(...Array.from('abcxyzABCXYZ0189-_#/. é'));
    const token = fc.oneof(
      fc.string({ minLength: 30, maxLength: 66 }),
      fc.string({ unit: alphabet, minLength: 30, maxLength: 66 }),
      fc.string({ unit: fc.constantFrom(...Array.from('abcz09-')), minLength: 30, maxLength: 66 }),
    );
    fc.assert(
      fc.property(token, (rotationId) => {
        fc.pre(isTaken(rotationId));
        const input = { environment: 'e', secretId: 'a/b c', rotationId, reason: 'scheduled', requestedBy: 'x' };
        expect(rotationInput.safeParse(input).success).toBe(true);
        expect(isExecutionName(executionName('a/b c'.repeat(100), rotationId))).toBe(true);
        expect(isExecutionName(rotationId)).toBe(true);
      }),
    );
  });
});

describe('testSecret alone, by which Secrets Manager tries its configuration', () => {
  it.each(['the current value', 'another value that works'])(
    'proves %s and writes nothing but evidence',
    async (which) => {
      const { world, token } = await ScheduledWorld.begun();
      const value = which === 'the current value' ? (await world.current()).value : world.target.seed('app_ro');
      await world.pend(token, value);
      const before = await world.record();
      const current = await world.current();
      expect(await world.step('testSecret', token)).toEqual({ outcome: 'done' });
      expect(await world.step('test_secret', token)).toEqual({ outcome: 'done' });
      expect(await world.record()).toEqual(before);
      expect(await world.current()).toEqual(current);
      expect(world.kinds()).toEqual([]);
      expect((await world.actions()).filter((action) => action.startsWith('rotation.test'))).toEqual([
        'rotation.test.configuration_tested',
      ]);
    },
  );

  it('says so when the pending value does not open the target, the target is away, or Rekey does not rotate the secret', async () => {
    const { world, token } = await ScheduledWorld.begun();
    await world.pend(token, JSON.stringify({ engine: 'postgres', username: 'app', password: 'wrong' }));
    const before = await world.record();
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'CandidateUnproven' });
    world.target.faults.add('unreachable');
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect(await world.record()).toEqual(before);
    await world.configure([]);
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'Misconfigured' });
    expect(world.kinds()).toEqual([]);
    expect((await world.secretStore.describe(SECRET))?.stagesByVersion[token]).toEqual(['AWSPENDING']);
  });

  it('is not what a rotation of the past gets: its token is used up', async () => {
    const { world, token } = await ScheduledWorld.begun();
    world.target.faults.add('refuses_candidate');
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    world.target.faults.clear();
    world.announce(token);
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'RotationEnded' });
    world.clock.advance(60);
    await world.rotate(await world.due());
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'RotationEnded' });
  });
});

describe('a fault that a step cannot get past', () => {
  it('rolls back, tells people once, and lets another value be proposed a minute later', async () => {
    const { world, token } = await ScheduledWorld.begun();
    const before = await world.current();
    world.target.faults.add('refuses_candidate');
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    expect(world.kinds()).toEqual(['rotation_rolled_back']);
    expect(await world.record()).toMatchObject({ rotation: { status: 'rolled_back' }, refusals: 1 });
    // The scheduler comes again with the same token: nothing of it is left.
    for (const step of STEPS) await expect(world.step(step, token)).rejects.toBeInstanceOf(RekeyError);
    expect(world.kinds()).toHaveLength(1);
    const refused = (await world.secretStore.read(SECRET, { versionId: token }))?.value.reveal();

    world.target.faults.clear();
    expect(await world.scheduled()).toEqual([]);
    world.clock.advance(60);
    await world.rotate(await world.due());
    const after = await world.current();
    expect([refused, before.value]).not.toContain(after.value);
    expect(await world.record()).toMatchObject({ failures: 0, refusals: 0 });
    expect(await world.currentOpensTarget()).toBe(true);
    expect(await world.unknownLogins()).toEqual([]);
    expect((await world.record()).dueAt).toBeUndefined();
  });

  it('proposes three values, then leaves the next to the scheduler of Secrets Manager', async () => {
    const { world, token } = await ScheduledWorld.begun();
    world.target.faults.add('refuses_candidate');
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    for (const left of [1, 0]) {
      world.clock.advance(60);
      await world.rotateAndRollBack(await world.due());
      expect((await world.record()).dueAt === undefined).toBe(left === 0);
    }
    const next = crypto.randomUUID();
    world.announce(next);
    await expect(world.step('createSecret', next)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    world.clock.advance(60);
    expect(await world.scheduled()).toHaveLength(1);
  });

  it('in testSecret ends the candidate, and in finishSecret leaves alone what somebody else moved', async () => {
    for (const step of ['testSecret', 'finishSecret'] as const) {
      const { world, token } = await ScheduledWorld.begun();
      await world.step('createSecret', token);
      if (step === 'testSecret') world.target.faults.add('candidate_unhealthy');
      else await world.step('testSecret', token);
      if (step === 'finishSecret') await world.moveCurrentByHand();
      const current = await world.current();
      await expect(world.step(step, token)).rejects.toBeInstanceOf(RekeyError);
      expect(world.kinds()).toEqual(['rotation_rolled_back']);
      expect((await world.record()).rotation?.status).toBe('rolled_back');
      expect(await world.current()).toEqual(current);
      expect(await world.unknownLogins()).toEqual([]);
    }
  });

  it.each([
    ['a passing fault', new TransientFailure('x')],
    ['throttling', new Throttled('x')],
    ['a provider that says when it answers', new RateLimited('x', { retryAfterSeconds: 0 })],
    ['a target that is away', new TargetUnreachable('x')],
    ['a defect, or a crash', new TypeError('x')],
  ])('is not %s: the next try goes on', async (_, error) => {
    const { world, token } = await ScheduledWorld.begun();
    const { target } = world;
    const install = target.install.bind(target);
    target.install = () => Promise.reject(error);
    for (const _time of [1, 2]) await expect(world.step('createSecret', token)).rejects.toBe(error);
    expect(world.kinds()).toEqual([]);
    expect((await world.record()).rotation?.status).toBe('running');
    target.install = install;
    for (const step of STEPS) await world.step(step, token);
    expect((await world.current()).versionId).toBe(token);
  });

  it('is not another run that holds the lease: it is left alone, and the token too', async () => {
    const { world, token } = await ScheduledWorld.begun({});
    const other = await world.due();
    await generate(other, world);
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'LeaseHeld' });
    expect(world.kinds()).toEqual([]);
    expect((await world.secretStore.describe(SECRET))?.stagesByVersion[token]).toEqual(['AWSPENDING']);
    expect((await world.record()).rotation).toMatchObject({ status: 'running', rotationId: other.rotationId });
  });

  it('starts the retirement of a candidate that could not be ended', async () => {
    const { world, token } = await ScheduledWorld.begun();
    await world.step('createSecret', token);
    world.target.faults.add('candidate_unhealthy').add('survives');
    await expect(world.step('testSecret', token)).rejects.toMatchObject({ name: 'CandidateUnproven' });
    expect(world.started).toMatchObject([{ versionId: token }]);
    expect(world.kinds()).toEqual(['rotation_rolled_back']);
  });

  it('before the rotation has begun is told once, and leaves nothing pending', async () => {
    const { world, token } = await ScheduledWorld.begun();
    await world.configure([]);
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'Misconfigured' });
    await expect(world.step('createSecret', token)).rejects.toThrow('has no version');
    expect(world.kinds()).toEqual(['rotation_failed']);
  });

  it('after the switch, where the new value works, completes the rotation', async () => {
    const { world, token } = await ScheduledWorld.begun();
    for (const step of STEPS.slice(0, 3)) await world.step(step, token);
    const { target } = world;
    const probe = target.probe.bind(target);
    let probes = 0;
    target.probe = async (value) => {
      probes += 1;
      if (probes === 1) throw new InternalFault('a defect');
      return probe(value);
    };
    expect(await world.step('finishSecret', token)).toEqual({ outcome: 'done' });
    expect(world.kinds()).toEqual(['rotation_succeeded']);
    expect(world.started).toHaveLength(1);
    expect(await world.record()).toMatchObject({ rotation: { status: 'succeeded' } });
  });

  it('is thrown as it was also when it cannot be rolled back; the dispatcher takes the rotation up', async () => {
    const { world, token } = await ScheduledWorld.begun();
    world.target.faults.add('refuses_candidate');
    const { secretStore } = world;
    const clear = secretStore.clearPending.bind(secretStore);
    secretStore.clearPending = async () => {
      throw new Error('away');
    };
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    expect((await world.record()).rotation?.status).toBe('running');
    secretStore.clearPending = clear;
    world.clock.advance(16 * 60);
    expect(await world.scheduled()).toMatchObject([{ rotationId: token }]);
  });
});

describe('finishSecret', () => {
  /** With three steps done, harmed at one effect; then once more, unharmed. */
  async function finishedTwice(effect: number, fault: 'killed before' | 'killed after') {
    const { world, token } = await ScheduledWorld.begun();
    for (const step of STEPS.slice(0, 3)) await world.step(step, token);
    const saboteur = new Saboteur({ effect, fault }, async () => undefined);
    const first = await world.step('finishSecret', token, saboteur.invocation(world.ports())).then(
      () => 'done',
      () => 'killed',
    );
    if (first === 'killed') await world.step('finishSecret', token);
    return { world, token, effects: saboteur.effects, first };
  }

  it('ends the same after a crash between any two of its effects: one retirement, one message, evidence unbroken', async () => {
    const { effects } = await finishedTwice(0, 'killed before');
    expect(effects.length).toBeGreaterThan(4);
    for (const [index, name] of effects.entries()) {
      for (const fault of ['killed before', 'killed after'] as const) {
        const { world, token, first } = await finishedTwice(index + 1, fault);
        const where = `${fault} ${index + 1}, ${name}`;
        expect(first, where).toBe('killed');
        expect((await world.current()).versionId, where).toBe(token);
        expect(world.started, where).toHaveLength(1);
        const messages = new Set(world.alerts.published.map(({ facts }) => facts.alert_id));
        expect([...messages], where).toEqual([`${token}/rotation_succeeded`]);
        const record = await world.record();
        expect(record, where).toMatchObject({ rotation: { status: 'succeeded' } });
        expect(record.lease, where).toBeUndefined();
        expect(record.ledger.map(({ state }) => state).sort(), where).toEqual(['current', 'grace']);
        expect((await verifyTrail(world.auditTrail)).verified, where).toBe(true);
      }
    }
  });
});

describe('the first value of a secret, which carries AWSCURRENT at once', () => {
  async function withoutValue() {
    const world = new ScheduledWorld();
    world.secretStore.seed(SECRET);
    await world.configure([declaration({ scheduler: 'secrets_manager' })]);
    const token = crypto.randomUUID();
    world.announce(token);
    return { world, token };
  }

  it('goes through all four steps, each of them once or twice', async () => {
    for (const times of [1, 2]) {
      const { world, token } = await withoutValue();
      for (const step of STEPS) for (let time = 0; time < times; time += 1) await world.step(step, token);
      expect((await world.current()).versionId).toBe(token);
      expect(await world.currentOpensTarget()).toBe(true);
      expect(await world.record()).toMatchObject({ rotation: { status: 'succeeded' } });
      expect(world.kinds()).toEqual(['rotation_succeeded']);
    }
  });

  it('that was refused does not pass for a rotation that is done', async () => {
    const { world, token } = await withoutValue();
    world.target.faults.add('refuses_candidate');
    await expect(world.step('createSecret', token)).rejects.toMatchObject({ name: 'RefusedByPolicy' });
    expect((await world.current()).versionId).toBe(token);
    for (const step of STEPS) await expect(world.step(step, token)).rejects.toMatchObject({ name: 'RotationEnded' });
    world.target.faults.clear();
    world.clock.advance(60);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
  });
});

function failed(input: RotationInput | RetirementInput) {
  const arn = 'arn:aws:states:us-east-1:000000000000';
  return {
    detail: {
      executionArn: `${arn}:execution:any:x`,
      stateMachineArn: `${arn}:stateMachine:any`,
      status: 'FAILED' as const,
      input: JSON.stringify(input),
    },
  };
}

/** https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html */
function isExecutionName(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,80}$/.test(name);
}
