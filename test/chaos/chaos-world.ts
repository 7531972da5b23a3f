import { systemClock } from '../../shared/clock.ts';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import { configure } from '../../shared/configure/configure.ts';
import { EndsByItself, OrphanInDoubt, StillHeld } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { SecretRecord } from '../../shared/registry/registry.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import { acknowledge } from '../../shared/rollout/acknowledge.ts';
import { rotatorSettings } from '../../shared/rotation/credential-values.ts';
import { dispatch } from '../../shared/rotation/dispatch.ts';
import { type RetirementInput, type RotationInput, rotationIds } from '../../shared/rotation/payloads.ts';
import { type RecoveryPorts, recover } from '../../shared/rotation/recover.ts';
import { sweep } from '../../shared/rotation/sweep.ts';
import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { InMemoryRegistry } from '../fakes/in-memory-registry.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { RecordingAlertPublisher } from '../fakes/recording-alert-publisher.ts';
import { declaration, ENVIRONMENT } from '../harness/rotation-world.ts';
import { SimulatedConsumer } from '../harness/simulated-consumer.ts';
import { runSecretRotation, runVersionRetirement, type WorkflowPorts } from '../harness/workflow.ts';
import { fault } from '../infra/support/interpreter.ts';
import type { Accounted, Adopted, KeptConnection, TargetHarness } from '../rotators/target-harness.ts';
import { type Sabotage, Saboteur } from './saboteur.ts';

const GRACE_SECONDS = 60;
/** How long a retirement waits for consumers, or for a credential's own end, in the state machine. */
const WAITS: Readonly<Record<string, number>> = { [StillHeld.errorName]: 20, [EndsByItself.errorName]: 600 };
/** More rounds than any retirement here needs. */
const MOST_ROUNDS = 60;
const QUICK_ROUNDS = 5;
/** A doubt is looked at every hour for ever: so often is enough here. */
const DOUBT_ROUNDS = 3;
const REAL_MILLISECONDS = 50;
/** Records, entries and messages open no door: only after what changes a value, a label or the target it is tried. */
const OPENS_NOTHING: ReadonlySet<string> = new Set(['save', 'append', 'publish', 'openBatch', 'addAnswers']);

/** How the work goes on after its process was killed. */
export const RECOVERIES = ['workflow retries', 'recovery rule', 'next schedule'] as const;
export type Recovery = (typeof RECOVERIES)[number];

export interface Plan {
  readonly recovery: Recovery;
  readonly sabotage?: Sabotage;
  /** Changes what the rotator does: a deliberately broken one. */
  readonly spoil?: <Port extends object>(rotator: Port) => Port;
  readonly declared?: Partial<SecretDeclaration>;
}

type Ports = WorkflowPorts & RecoveryPorts & { readonly secretStore: InMemorySecretStore };

/**
 * One secret at its type's target with one consumer that follows, whose rotation is harmed once, at a chosen effect, and
 * which then recovers by itself: workflow, recovery rule, schedule and sweep, by the deployed definitions.
 */
export class ChaosWorld {
  readonly saboteur: Saboteur;
  /** What was wrong after which effect: must stay empty. */
  readonly broken: string[] = [];
  readonly adopted: Adopted;
  readonly #harness: TargetHarness;
  readonly #plan: Plan;
  readonly #clock = new ManualClock(new Date().toISOString());
  readonly #alerts = new RecordingAlertPublisher();
  readonly #rollouts = new InMemoryConsumers(() => this.#clock.now());
  readonly #ports: Ports;
  readonly #started: RetirementInput[] = [];
  readonly #woken = new Set<string>();
  #isOvertaken = false;
  #consumer: SimulatedConsumer | undefined;
  /** Opened with the adopted credential, whose version that is. */
  #kept: { readonly versionId: string; readonly connection: KeptConnection } | undefined;

  private constructor(harness: TargetHarness, adopted: Adopted, plan: Plan) {
    this.#harness = harness;
    this.adopted = adopted;
    this.#plan = plan;
    const auditTrail = new InMemoryAuditTrail();
    this.#ports = {
      clock: this.#clock,
      registry: new InMemoryRegistry(auditTrail),
      secretStore: new InMemorySecretStore(),
      auditTrail,
      rollouts: this.#rollouts,
      taskTokens: { succeed: async (token) => void this.#woken.add(token) },
      alerts: this.#alerts,
      startRetirement: async (_, input) => void this.#started.push(input),
      rotatorFor: async () => {
        const rotator = harness.rotator(this.#clock);
        return plan.spoil?.(rotator) ?? rotator;
      },
    };
    this.saboteur = new Saboteur(plan.sabotage, (effect) => this.#check(effect));
  }

  /** Adopts a secret that was made by hand, and starts its consumer. */
  static async adopted(harness: TargetHarness, name: string, plan: Plan): Promise<ChaosWorld> {
    const adopted = await harness.adopt(name);
    const world = new ChaosWorld(harness, adopted, plan);
    const { secretStore } = world.#ports;
    const holds = secretStore.seed(name, adopted.incumbent.reveal());
    const admin = `admin-of-${name}`;
    if (adopted.admin !== undefined) secretStore.seed(admin, adopted.admin.reveal());
    const secret = declaration({
      type: harness.type as SecretDeclaration['type'] & string,
      graceSeconds: GRACE_SECONDS,
      healthyThreshold: 1,
      preheatSeconds: 2,
      ...adopted.declared,
      ...plan.declared,
      name,
      ...(adopted.admin === undefined ? {} : { adminSecret: admin }),
    });
    await configure({ name: ENVIRONMENT, secrets: [secret], alerts: [] }, { ...world.#ports, isRotatable: () => true });
    world.#consumer = await new SimulatedConsumer({
      consumerId: 'consumer-1',
      secretId: name,
      holds,
      table: world.#rollouts,
      startedAt: world.#clock.now(),
    }).start();
    const connection = harness.endsConnections === true ? await harness.connect?.(adopted.incumbent) : undefined;
    if (connection !== undefined) world.#kept = { versionId: holds, connection };
    return world;
  }

  /** A rotation with its retirement, harmed where the plan says, then whatever recovers it by itself. */
  async rotateAndRecover(): Promise<void> {
    const died = await this.#execute(await this.#due());
    if (died !== undefined && this.#plan.recovery === 'recovery rule') await this.#applyRecoveryRule(died);
    if (died !== undefined && this.#plan.recovery === 'next schedule') {
      this.#clock.advance(16 * 60);
      for (const input of await this.#scheduled()) await this.#execute(input);
    }
    // What nobody saw to: the sweep comes every hour.
    this.#clock.advance(3 * 3600);
    await sweep(this.#ports, ENVIRONMENT);
    await this.#retireStarted();
  }

  /** One rotation more, days later: `rotated`, or what came in its way. */
  async nextRotation(): Promise<string> {
    this.#clock.advance(3 * 86_400);
    await this.#consumer?.beat();
    const before = (await this.#current())?.versionId;
    await this.#execute(await this.#due());
    if ((await this.#current())?.versionId !== before) return 'rotated';
    const { rotation } = await this.#record();
    return `${rotation?.status}: ${rotation?.fault?.name} ${rotation?.fault?.message}`;
  }

  /**
   * What may happen while a function is held up: its rotation is rolled back, and a later one comes as far as its switch, or
   * to its end. A retirement that is left is done by `rotateAndRecover`.
   */
  async overtake(until: 'promoted' | 'retired'): Promise<void> {
    const { rotation } = await this.#record();
    if (rotation === undefined) throw new Error('nothing runs');
    this.#isOvertaken = true;
    try {
      await this.#applyRecoveryRule(rotationIds(rotation));
      // At once, on request.
      const { retirements } = await this.#runRotation(await this.#requested(), () => undefined);
      this.#started.push(...retirements);
      if (until === 'promoted') return;
      this.#clock.advance(GRACE_SECONDS);
      await this.#retireStarted();
    } finally {
      this.#isOvertaken = false;
    }
  }

  /** Whether the secret has another value than it was adopted with. */
  async rotated(): Promise<boolean> {
    return (await this.#current())?.value.reveal() !== this.adopted.incumbent.reveal();
  }

  /** What is wrong now, of what must hold whenever nothing is under way. */
  async faults(): Promise<readonly string[]> {
    const found: string[] = [];
    if (!(await this.#opens(await this.#current()))) found.push('AWSCURRENT does not open the target');
    const record = await this.#record();
    const accounted = await this.#accounted(record);
    const told = await this.told();
    for (const name of await this.#harness.unaccounted(this.adopted, accounted)) {
      if (!told.includes(name)) found.push(`alive, and the registry does not know it: ${name}`);
    }
    for (const { identity, doubt } of record.ledger) {
      if (doubt !== undefined && !this.#isTold(doubt)) found.push(`a doubt that nobody was told of: ${identity}`);
    }
    if (record.ledger.some(({ state }) => state === 'proposed')) found.push('a candidate was left in the ledger');
    const carriers = record.ledger.filter(({ state }) => state === 'current').length;
    if (record.rotation !== undefined && record.lastRotatedAt !== undefined && carriers !== 1)
      found.push(`${carriers} credentials of the ledger are current`);
    if (!(await verifyTrail(this.#ports.auditTrail)).verified) found.push('the audit chain is broken');
    found.push(...(await this.#connectionFaults(record)));
    return found;
  }

  /** A connection ends with its credential, and not before. */
  async #connectionFaults({ ledger }: SecretRecord): Promise<readonly string[]> {
    if (this.#kept === undefined) return [];
    const { versionId, connection } = this.#kept;
    const isRetired = ledger.some((entry) => entry.versionId === versionId && entry.state === 'retired');
    const isOpen = await connection.use().then(
      () => true,
      () => false,
    );
    if (isOpen === !isRetired) return [];
    return [isRetired ? 'a connection of a retired credential goes on' : 'a connection ended before its credential'];
  }

  /**
   * Names that people have been told to look for: the ledger holds in doubt what was given them, and an alert says so. Only
   * where the target gives no other way.
   */
  async told(): Promise<readonly string[]> {
    if (this.#harness.leavesDoubt !== true) return [];
    const { ledger } = await this.#record();
    return ledger.flatMap(({ state, doubt }) => {
      if (state !== 'grace' || doubt === undefined || !this.#isTold(doubt)) return [];
      return [...doubt.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
    });
  }

  #isTold(doubt: string): boolean {
    return this.#alerts.published.some(({ kind, body }) => kind === 'retirement_owed' && body.includes(doubt));
  }

  /** After an effect: current, and what is in its grace period or in a consumer's hand, open the target. */
  async #check(effect: string): Promise<void> {
    if (OPENS_NOTHING.has(effect)) return;
    if (!(await this.#opens(await this.#current())))
      this.broken.push(`AWSCURRENT did not open the target after ${effect}`);
    const held = await this.#ports.secretStore.read(this.adopted.name, { versionId: this.#consumer?.holds ?? '' });
    if (held !== undefined && !(await this.#opens(held)))
      this.broken.push(`a consumer's version was refused after ${effect}`);
    if (effect === 'retire') return; // The record is written after it.
    const now = this.#clock.now();
    const { ledger } = await this.#record();
    for (const { state, retireAt, versionId } of ledger) {
      if (state !== 'grace' || retireAt === undefined || retireAt <= now) continue;
      const version = await this.#ports.secretStore.read(this.adopted.name, { versionId });
      if (version !== undefined && !(await this.#opens(version))) this.broken.push(`retired early, after ${effect}`);
    }
  }

  async #opens(version: { readonly value: SecretText } | undefined): Promise<boolean> {
    if (version === undefined) return false;
    const rotator = this.#harness.rotator(this.#clock);
    try {
      return (await rotator.probe(version.value, rotatorSettings(await this.#record()))) === 'accepted';
    } finally {
      await rotator.release();
    }
  }

  async #accounted({ ledger, rotation }: SecretRecord): Promise<readonly Accounted[]> {
    const alive = ledger.filter(({ state }) => state !== 'retired');
    // Before its first rotation an adopted secret has no ledger yet.
    const current = await this.#current();
    const adopted =
      current === undefined || alive.some(({ versionId }) => versionId === current.versionId)
        ? []
        : [{ identity: rotation?.incumbent ?? '', versionId: current.versionId }];
    return Promise.all(
      [...alive, ...adopted].map(async ({ identity, versionId }) => ({
        identity,
        versionId,
        value: (await this.#ports.secretStore.read(this.adopted.name, { versionId }))?.value,
      })),
    );
  }

  /** Answers the input of an execution that died of the kill; `undefined` when none did. */
  async #execute(input: RotationInput): Promise<RotationInput | RetirementInput | undefined> {
    let died = false;
    const retries = this.#plan.recovery === 'workflow retries';
    const beforeTask = () => {
      if (died) throw Object.assign(new Error('aborted'), { name: 'Aborted' });
    };
    this.saboteur.onKill = () => {
      died = !retries;
    };
    const { retirements } = await this.#runRotation(input, beforeTask);
    if (died) return input;
    for (const retirement of retirements) {
      this.#clock.advance(GRACE_SECONDS);
      await this.#retire(retirement, beforeTask);
      if (died) return retirement;
    }
    return undefined;
  }

  #runRotation(input: RotationInput, beforeTask: () => void) {
    return runSecretRotation(input, {
      ...this.#options(beforeTask),
      waitForToken: async (token) => {
        if (!this.#woken.has(token)) await this.#consumersLook();
        if (!this.#woken.has(token)) throw fault('States.Timeout');
      },
    });
  }

  #options(beforeTask: () => void) {
    return {
      // What overtakes happens within an effect: its own effects are no scenario's.
      invocation: () => (this.#isOvertaken ? this.#ports : this.saboteur.invocation(this.#ports)),
      beforeTask,
      // The second run of a step is one of another process: nothing is done to it.
      onStep: (again: (ports: WorkflowPorts) => Promise<unknown>) => {
        this.saboteur.duplicate = () => again(this.#ports);
      },
    };
  }

  async #retire(retirement: RetirementInput, beforeTask: () => void): Promise<void> {
    let rounds = 0;
    let last = '';
    await runVersionRetirement(retirement, {
      ...this.#options(beforeTask),
      beforeRetire: async () => {
        rounds += 1;
        // The workflow's waits are over at once, but targets live in real time: connections close, statistics follow.
        if (rounds > QUICK_ROUNDS) await systemClock.sleep(REAL_MILLISECONDS);
        await this.#consumersLook();
        const isDoubt = this.#harness.leavesDoubt === true && last.startsWith(OrphanInDoubt.errorName);
        return rounds <= (isDoubt ? DOUBT_ROUNDS : MOST_ROUNDS);
      },
      onWait: (error) => {
        last = `${error.name}: ${error.message}`;
        this.#clock.advance(WAITS[error.name] ?? 3600);
      },
    });
    if (rounds > MOST_ROUNDS) this.broken.push(`a retirement did not come to its end: ${last}`);
  }

  async #consumersLook(): Promise<void> {
    const current = await this.#current();
    if (current === undefined || this.#consumer === undefined) return;
    const before = this.#rollouts.given.length;
    await this.#consumer.look(current.versionId);
    await this.#consumer.beat();
    await acknowledge(this.#rollouts.given.slice(before), {
      rollouts: this.saboteur.invocation({ rollouts: this.#rollouts }).rollouts,
      taskTokens: { succeed: async (token) => void this.#woken.add(token) },
    }).catch(() => this.#streamAgain(before));
  }

  /** A stream hands over again what its function failed with. */
  async #streamAgain(from: number): Promise<void> {
    await acknowledge(this.#rollouts.given.slice(from), {
      rollouts: this.#rollouts,
      taskTokens: { succeed: async (token) => void this.#woken.add(token) },
    });
  }

  async #applyRecoveryRule(died: RotationInput | RetirementInput): Promise<void> {
    const arn = 'arn:aws:states:us-east-1:000000000000';
    await recover(
      {
        detail: {
          executionArn: `${arn}:execution:any:${died.rotationId}`,
          stateMachineArn: `${arn}:stateMachine:any`,
          status: 'ABORTED',
          input: JSON.stringify(died),
        },
      },
      this.#ports,
    );
    this.#clock.advance(GRACE_SECONDS);
    await this.#retireStarted();
  }

  async #retireStarted(): Promise<void> {
    for (const retirement of this.#started.splice(0)) await this.#retire(retirement, () => undefined);
  }

  async #scheduled(): Promise<readonly RotationInput[]> {
    const event = { 'detail-type': 'Scheduled Event' as const, resources: ['rule'] };
    const { rotations } = await dispatch(event, { ...this.#ports, environment: ENVIRONMENT });
    return rotations.map(({ input }) => input);
  }

  async #requested(): Promise<RotationInput> {
    const detail = { secret_id: this.adopted.name, reason: 'manual', requested_by: 'a person' } as const;
    const event = { id: crypto.randomUUID(), 'detail-type': 'Rotation Requested', detail } as const;
    const { rotations } = await dispatch(event, { ...this.#ports, environment: ENVIRONMENT });
    const [asked] = rotations;
    if (asked === undefined) throw new Error('the request is not heard');
    return asked.input;
  }

  async #due(): Promise<RotationInput> {
    const [input] = await this.#scheduled();
    if (input === undefined) throw new Error('nothing is due');
    return input;
  }

  #record(): Promise<SecretRecord> {
    return requireRecord(this.#ports.registry, this.adopted.name);
  }

  #current() {
    return this.#ports.secretStore.read(this.adopted.name, { stage: 'AWSCURRENT' });
  }
}
