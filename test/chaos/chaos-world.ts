import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { configure } from '../../shared/configure/configure.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import { dispatch } from '../../shared/rotation/dispatch.ts';
import type { RetirementInput, RotationInput } from '../../shared/rotation/payloads.ts';
import { recover } from '../../shared/rotation/recover.ts';
import type { Rotator } from '../../shared/rotators/rotator.ts';
import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { InMemoryRegistry } from '../fakes/in-memory-registry.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { RecordingAlertPublisher } from '../fakes/recording-alert-publisher.ts';
import { Executioner, type Kill } from '../harness/killable.ts';
import { declaration, ENVIRONMENT } from '../harness/rotation-world.ts';
import { runSecretRotation, runVersionRetirement, type WorkflowPorts } from '../harness/workflow.ts';
import type { PostgresHarness } from '../rotators/postgresql-harness.ts';

const ADMIN_SECRET = 'admin';
const GRACE_SECONDS = 60;

/** How the work goes on after it was killed. */
export const RECOVERIES = ['workflow retries', 'recovery rule', 'next schedule'] as const;
export type Recovery = (typeof RECOVERIES)[number];

/** One PostgreSQL secret on a real server, whose rotation is killed once, at a chosen effect. */
export class ChaosWorld {
  readonly effects: Executioner;
  /** What was wrong after which effect: must stay empty. */
  readonly lockedOut: string[] = [];
  readonly #harness: PostgresHarness;
  readonly #role: string;
  readonly #recovery: Recovery;
  readonly #clock = new ManualClock();
  readonly #rotator: Rotator;
  readonly #ports: WorkflowPorts & { readonly secretStore: InMemorySecretStore };

  private constructor(harness: PostgresHarness, role: string, recovery: Recovery, kill: Kill | undefined) {
    this.#harness = harness;
    this.#role = role;
    this.#recovery = recovery;
    this.#rotator = harness.rotator();
    const auditTrail = new InMemoryAuditTrail();
    this.#ports = {
      clock: this.#clock,
      registry: new InMemoryRegistry(auditTrail),
      secretStore: new InMemorySecretStore(),
      auditTrail,
      rollouts: new InMemoryConsumers(() => this.#clock.now()),
      taskTokens: { succeed: async () => undefined },
      alerts: new RecordingAlertPublisher(),
      rotatorFor: async () => this.#rotator,
    };
    this.effects = new Executioner(kill, (effect) => this.#check(effect));
  }

  /** Adopts a secret for the login role `role`, made by hand. */
  static async adopted(
    harness: PostgresHarness,
    role: string,
    { recovery, kill }: { readonly recovery: Recovery; readonly kill?: Kill },
  ): Promise<ChaosWorld> {
    const world = new ChaosWorld(harness, role, recovery, kill);
    const { secretStore } = world.#ports;
    secretStore.seed(ADMIN_SECRET, harness.admin.reveal());
    secretStore.seed(role, (await harness.createLogin(role)).reveal());
    const secrets = [
      declaration({ name: role, adminSecret: ADMIN_SECRET, graceSeconds: GRACE_SECONDS, healthyThreshold: 1 }),
    ];
    await configure({ name: ENVIRONMENT, secrets, alerts: [] }, { ...world.#ports, isSupportedType: () => true });
    return world;
  }

  /** A rotation with its retirement, killed where the plan says, then whatever recovers it by itself. */
  async rotateAndRecover(): Promise<void> {
    const died = await this.#execute(await this.#due());
    if (died !== undefined && this.#recovery === 'recovery rule') await this.#applyRecoveryRule(died);
    if (died !== undefined && this.#recovery === 'next schedule') {
      this.#clock.advance(16 * 60);
      for (const input of await this.#scheduled()) await this.#execute(input);
    }
  }

  /** One rotation more, days later: `rotated`, or what came in its way. */
  async nextRotation(): Promise<string> {
    this.#clock.advance(3 * 86_400);
    const before = await this.#currentVersionId();
    await this.#execute(await this.#due());
    if ((await this.#currentVersionId()) !== before) return 'rotated';
    const { rotation } = await requireRecord(this.#ports.registry, this.#role);
    return `${rotation?.status}: ${rotation?.fault?.name} ${rotation?.fault?.message}`;
  }

  async currentLogsIn(): Promise<boolean> {
    const current = await this.#ports.secretStore.read(this.#role, { stage: 'AWSCURRENT' });
    if (current === undefined) return false;
    return (await this.#rotator.probe(current.value, this.#harness.settings({ secretId: this.#role }))) === 'accepted';
  }

  /** Login roles at the server that neither the ledger has alive nor the secret, adopted, names as current. */
  async unknownLogins(): Promise<readonly string[]> {
    const { ledger } = await requireRecord(this.#ports.registry, this.#role);
    const current = await this.#ports.secretStore.read(this.#role, { stage: 'AWSCURRENT' });
    const adopted = (JSON.parse(current?.value.reveal() ?? '{}') as { username?: string }).username;
    const alive = [adopted, ...ledger.filter(({ state }) => state !== 'retired').map(({ identity }) => identity)];
    const rows = await this.#harness.sql<{ name: string }>(
      'SELECT rolname::text AS name FROM pg_roles WHERE rolcanlogin AND (rolname = $1 OR starts_with(rolname, $2))',
      [this.#role, `${this.#role}_`],
    );
    return rows.map(({ name }) => name).filter((name) => !alive.includes(name));
  }

  async isChainIntact(): Promise<boolean> {
    return (await verifyTrail(this.#ports.auditTrail)).verified;
  }

  /** Records and entries open no door: only what changes a value, a label or the target is followed by a login. */
  async #check(effect: string): Promise<void> {
    if (['save', 'append', 'publish'].includes(effect)) return;
    if (!(await this.currentLogsIn())) this.lockedOut.push(effect);
  }

  /** Answers the input of an execution that died of the kill; `undefined` when none did. */
  async #execute(input: RotationInput): Promise<RotationInput | RetirementInput | undefined> {
    let died = false;
    const retries = this.#recovery === 'workflow retries';
    const invocation = () => this.effects.invocation(this.#ports);
    const beforeTask = () => {
      if (died) throw Object.assign(new Error('aborted'), { name: 'Aborted' });
    };
    this.effects.onKill = () => {
      died = !retries;
    };
    const { retirements } = await runSecretRotation(input, { invocation, beforeTask });
    if (died) return input;
    for (const retirement of retirements) {
      this.#clock.advance(GRACE_SECONDS);
      await runVersionRetirement(retirement, { invocation, beforeTask });
      if (died) return retirement;
    }
    return undefined;
  }

  async #applyRecoveryRule(died: RotationInput | RetirementInput): Promise<void> {
    const started: RetirementInput[] = [];
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
      {
        ...this.effects.invocation(this.#ports),
        startRetirement: async (_, input) => void started.push(input),
      },
    );
    for (const retirement of started) {
      this.#clock.advance(GRACE_SECONDS);
      await runVersionRetirement(retirement, { invocation: () => this.effects.invocation(this.#ports) });
    }
  }

  async #scheduled(): Promise<readonly RotationInput[]> {
    const event = { 'detail-type': 'Scheduled Event', resources: ['rule'] } as const;
    const { rotations } = await dispatch(
      { ...event, resources: [...event.resources] },
      { ...this.#ports, environment: ENVIRONMENT },
    );
    return rotations.map(({ input }) => input);
  }

  async #due(): Promise<RotationInput> {
    const [input] = await this.#scheduled();
    if (input === undefined) throw new Error('nothing is due');
    return input;
  }

  async #currentVersionId(): Promise<string | undefined> {
    return (await this.#ports.secretStore.read(this.#role, { stage: 'AWSCURRENT' }))?.versionId;
  }
}
