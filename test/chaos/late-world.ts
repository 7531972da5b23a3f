import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import { configure } from '../../shared/configure/configure.ts';
import { rotatorSettings } from '../../shared/rotation/credential-values.ts';
import { dispatch } from '../../shared/rotation/dispatch.ts';
import type { RetirementInput, RotationInput } from '../../shared/rotation/payloads.ts';
import { type RecoveryPorts, recover } from '../../shared/rotation/recover.ts';
import { sweep } from '../../shared/rotation/sweep.ts';
import type { SecretRecord } from '../../shared/registry/registry.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { InMemoryRegistry } from '../fakes/in-memory-registry.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { RecordingAlertPublisher } from '../fakes/recording-alert-publisher.ts';
import { declaration, ENVIRONMENT } from '../harness/rotation-world.ts';
import { runSecretRotation, runVersionRetirement } from '../harness/workflow.ts';
import type { Adopted, TargetHarness } from '../rotators/target-harness.ts';
import { type Sabotage, Saboteur } from './saboteur.ts';

/** Lambda invokes a function for an event three times in all. */
const EVENT_ATTEMPTS = 3;
const HOURS_OF_SWEEPS = 9;
const MOST_ROUNDS = 20;
const LATE_SECONDS = 120;

/** A second fault, at the `effect`-th side effect of all, those of recovery and of the late function included. */
export type SecondFault = Sabotage & { readonly fault: 'fails' | 'killed before' | 'killed after' };

export interface LateResult {
  /** What does not hold; empty: it survived. */
  readonly broken: readonly string[];
  /** How many side effects there were until all was put right. */
  readonly effects: number;
  /** Whether the second fault came. */
  readonly struck: boolean;
}

/**
 * A rotation whose execution somebody stops while a function of it is held up: the recovery rule rolls it back, then the
 * function goes on. Meanwhile, or after, there is a second fault. What is left after that must be found by retirements, the
 * sweep and the schedule alone.
 */
export class LateWorld {
  readonly #clock = new ManualClock();
  readonly #auditTrail = new InMemoryAuditTrail();
  readonly #started: RetirementInput[] = [];
  readonly #ports: RecoveryPorts & { readonly secretStore: InMemorySecretStore };
  readonly #harness: TargetHarness;
  readonly #adopted: Adopted;
  readonly #saboteur: Saboteur;
  /** What happens while the function is held up. */
  #meanwhile: (() => Promise<void>) | undefined;

  private constructor(harness: TargetHarness, adopted: Adopted, stop: number, second: SecondFault | undefined) {
    this.#harness = harness;
    this.#adopted = adopted;
    this.#saboteur = new Saboteur(second, async () => {
      if (this.#saboteur.effects.length === stop) await this.#meanwhile?.();
    });
    this.#ports = {
      clock: this.#clock,
      registry: new InMemoryRegistry(this.#auditTrail),
      secretStore: new InMemorySecretStore(),
      auditTrail: this.#auditTrail,
      rollouts: new InMemoryConsumers(() => this.#clock.now()),
      alerts: new RecordingAlertPublisher(),
      startRetirement: async (_, input) => void this.#started.push(input),
      rotatorFor: async () => harness.rotator(this.#clock),
    };
  }

  /**
   * `stop`: after so many side effects of the rotation its execution is stopped. `undefined` when it has not so many.
   */
  static async run(
    harness: TargetHarness,
    name: string,
    stop: number,
    second?: SecondFault,
  ): Promise<LateResult | undefined> {
    const world = new LateWorld(harness, await harness.adopt(name), stop, second);
    await world.#adopt();
    if (!(await world.#rotateStopped())) return undefined;
    await world.#recoverByItself();
    const broken = [...(await world.#faults())];
    const { effects, struck } = world.#saboteur;
    const count = effects.length;
    broken.push(...(await world.#rotateOnce()));
    broken.push(...(await world.#faults()).map((text) => `after the next rotation: ${text}`));
    return { broken: [...new Set(broken)], effects: count, struck };
  }

  async #adopt(): Promise<void> {
    const { name, incumbent, admin, declared } = this.#adopted;
    this.#ports.secretStore.seed(name, incumbent.reveal());
    if (admin !== undefined) this.#ports.secretStore.seed(`admin-of-${name}`, admin.reveal());
    const secret = declaration({
      type: this.#harness.type as SecretDeclaration['type'] & string,
      healthyThreshold: 1,
      ...declared,
      name,
      ...(admin === undefined ? {} : { adminSecret: `admin-of-${name}` }),
    });
    await configure({ name: ENVIRONMENT, secrets: [secret], alerts: [] }, { ...this.#ports, isRotatable: () => true });
  }

  async #rotateStopped(): Promise<boolean> {
    const input = await this.#due();
    let isStopped = false;
    this.#meanwhile = async () => {
      this.#meanwhile = undefined;
      isStopped = true;
      await this.#applyRecoveryRule(input);
    };
    await runSecretRotation(input, {
      invocation: () => this.#saboteur.invocation(this.#ports),
      beforeTask: () => {
        if (isStopped) throw Object.assign(new Error('stopped'), { name: 'Stopped' });
      },
    });
    return isStopped;
  }

  async #applyRecoveryRule(input: RotationInput): Promise<void> {
    const arn = 'arn:aws:states:us-east-1:000000000000';
    const detail = {
      executionArn: `${arn}:execution:any:${input.rotationId}`,
      stateMachineArn: `${arn}:stateMachine:any`,
      status: 'ABORTED',
      input: JSON.stringify(input),
    } as const;
    for (let attempt = 0; attempt < EVENT_ATTEMPTS; attempt += 1) {
      const isDone = await recover({ detail }, this.#saboteur.invocation(this.#ports)).then(
        () => true,
        () => false,
      );
      if (isDone) return;
    }
  }

  /** No function of the stopped execution runs any more. */
  async #recoverByItself(): Promise<void> {
    this.#clock.advance(LATE_SECONDS);
    await this.#retireStarted();
    for (let hour = 0; hour < HOURS_OF_SWEEPS; hour += 1) {
      for (const input of await this.#runningAgain()) await this.#rotate(input);
      await sweep(this.#saboteur.invocation(this.#ports), ENVIRONMENT).catch(() => undefined);
      await this.#retireStarted();
      this.#clock.advance(3600);
    }
  }

  /** What the schedule would go on with: only a rotation that died, so that what is looked at is this one. */
  async #runningAgain(): Promise<readonly RotationInput[]> {
    if ((await this.#record()).rotation?.status !== 'running') return [];
    return this.#scheduled();
  }

  async #rotate(input: RotationInput): Promise<void> {
    const { retirements } = await runSecretRotation(input, {
      invocation: () => this.#saboteur.invocation(this.#ports),
    });
    this.#started.push(...retirements);
  }

  async #rotateOnce(): Promise<readonly string[]> {
    this.#clock.advance(3 * 86_400);
    const before = (await this.#current())?.versionId;
    await this.#rotate(await this.#due());
    if ((await this.#current())?.versionId === before) {
      const { rotation } = await this.#record();
      return [`the next rotation: ${rotation?.status}: ${rotation?.fault?.name} ${rotation?.fault?.message}`];
    }
    this.#clock.advance(3600);
    await this.#retireStarted();
    return [];
  }

  async #retireStarted(): Promise<void> {
    for (const retirement of this.#started.splice(0)) {
      let rounds = 0;
      await runVersionRetirement(retirement, {
        invocation: () => this.#saboteur.invocation(this.#ports),
        beforeRetire: async () => {
          rounds += 1;
          return rounds <= MOST_ROUNDS;
        },
        onWait: () => this.#clock.advance(600),
      });
    }
  }

  async #faults(): Promise<readonly string[]> {
    const found: string[] = [];
    const { ledger, ...record } = await this.#record();
    const { secretStore } = this.#ports;
    const current = await this.#current();
    const rotator = this.#harness.rotator(this.#clock);
    const settings = rotatorSettings({ ...record, ledger });
    if (current === undefined || (await rotator.probe(current.value, settings)) === 'refused') {
      found.push('AWSCURRENT does not open the target');
    }
    const versions = new Set([
      ...ledger.filter(({ state }) => state !== 'retired').map(({ versionId }) => versionId),
      current?.versionId ?? '',
    ]);
    const accounted = await Promise.all(
      [...versions].map(async (versionId) => ({
        versionId,
        identity: ledger.find((entry) => entry.versionId === versionId)?.identity ?? '',
        value: (await secretStore.read(this.#adopted.name, { versionId }))?.value,
      })),
    );
    for (const name of await this.#harness.unaccounted(this.#adopted, accounted)) {
      found.push(`alive, and the ledger does not say so: ${name}`);
    }
    for (const { state, retireAt, identity } of ledger) {
      const isOwed = state !== 'current' && retireAt !== undefined && retireAt <= this.#clock.now();
      if (state === 'proposed' || isOwed) found.push(`left in the ledger as ${state}: ${identity}`);
    }
    if (!(await verifyTrail(this.#auditTrail)).verified) found.push('the audit chain is broken');
    return found;
  }

  #record(): Promise<SecretRecord> {
    return requireRecord(this.#ports.registry, this.#adopted.name);
  }

  #current() {
    return this.#ports.secretStore.read(this.#adopted.name, { stage: 'AWSCURRENT' });
  }

  async #scheduled(): Promise<readonly RotationInput[]> {
    const event = { 'detail-type': 'Scheduled Event' as const, resources: ['rule'] };
    const { rotations } = await dispatch(event, { ...this.#ports, environment: ENVIRONMENT });
    return rotations.map(({ input }) => input);
  }

  async #due(): Promise<RotationInput> {
    const [input] = await this.#scheduled();
    if (input === undefined) throw new Error('nothing is due');
    return input;
  }
}
