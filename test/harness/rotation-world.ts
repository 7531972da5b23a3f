import { DEFAULT_SETTINGS } from '../../shared/config/rollout-settings.ts';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import { configure } from '../../shared/configure/configure.ts';
import type { SecretRecord } from '../../shared/registry/registry.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import { apply } from '../../shared/rotation/apply.ts';
import { audit } from '../../shared/rotation/audit.ts';
import { dispatch } from '../../shared/rotation/dispatch.ts';
import { generate } from '../../shared/rotation/generate.ts';
import { notify } from '../../shared/rotation/notify.ts';
import type { ApplyResult, RotationInput } from '../../shared/rotation/payloads.ts';
import { test } from '../../shared/rotation/test.ts';
import type { Rotator } from '../../shared/rotators/rotator.ts';
import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { InMemoryRegistry } from '../fakes/in-memory-registry.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { InMemoryTarget } from '../fakes/in-memory-target.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { RecordingAlertPublisher } from '../fakes/recording-alert-publisher.ts';

export const ENVIRONMENT = 'production';
export const SECRET = 'pg_prod_main';

export function declaration(changes: Partial<SecretDeclaration> = {}): SecretDeclaration {
  return {
    name: SECRET,
    type: 'postgresql',
    scope: 'production',
    schedule: { kind: 'every', seconds: 86_400 },
    rotation: 'daily',
    graceSeconds: 3600,
    rotateImmediately: true,
    mode: 'two_roles',
    preheatSeconds: 30,
    healthyThreshold: 2,
    endSessions: true,
    ...DEFAULT_SETTINGS,
    ...changes,
  };
}

/** One managed secret in memory: everything a rotation touches, on the fakes. */
export class RotationWorld {
  readonly clock = new ManualClock();
  readonly auditTrail = new InMemoryAuditTrail();
  readonly registry = new InMemoryRegistry(this.auditTrail);
  readonly secretStore = new InMemorySecretStore();
  readonly rollouts = new InMemoryConsumers(() => this.clock.now());
  readonly alerts = new RecordingAlertPublisher();
  readonly target = new InMemoryTarget();
  readonly environment = ENVIRONMENT;
  readonly rotatorFor = async (type: string): Promise<Rotator | undefined> =>
    type === 'postgresql' ? this.target : undefined;
  readonly isRotatable = (type: string): boolean => type === 'postgresql';

  /** Adopts a secret that somebody made by hand for the account `app`. */
  static async adopted(changes: Partial<SecretDeclaration> = {}): Promise<RotationWorld> {
    const world = new RotationWorld();
    await world.adopt(changes);
    return world;
  }

  async adopt(changes: Partial<SecretDeclaration> = {}): Promise<void> {
    this.secretStore.seed(SECRET, this.target.seed('app'));
    await this.configure([declaration(changes)]);
  }

  configure(secrets: readonly SecretDeclaration[]) {
    return configure({ name: ENVIRONMENT, secrets, alerts: [] }, this);
  }

  /** What the schedule would start now. */
  async scheduled(): Promise<readonly RotationInput[]> {
    const { rotations } = await dispatch({ 'detail-type': 'Scheduled Event', resources: ['rule'] }, this);
    return rotations.map(({ input }) => input);
  }

  async due(): Promise<RotationInput> {
    const [input] = await this.scheduled();
    if (input === undefined) throw new Error('nothing is due');
    return input;
  }

  /** All five phases, as the workflow runs them. */
  async rotate(input: RotationInput): Promise<ApplyResult> {
    await generate(input, this);
    await test(input, this);
    await audit(input, this);
    const applied = await apply(input, this);
    await notify(input, this);
    return applied;
  }

  record(): Promise<SecretRecord> {
    return requireRecord(this.registry, SECRET);
  }

  async current(): Promise<{ readonly versionId: string; readonly value: string }> {
    const version = await this.secretStore.read(SECRET, { stage: 'AWSCURRENT' });
    if (version === undefined) throw new Error('no current version');
    return { versionId: version.versionId, value: version.value.reveal() };
  }

  async currentOpensTarget(): Promise<boolean> {
    return this.target.opens((await this.current()).value);
  }

  /** Accounts that can log in although the ledger does not have them alive. */
  async unknownLogins(): Promise<readonly string[]> {
    const { ledger } = await this.record();
    const alive = new Set(ledger.filter(({ state }) => state !== 'retired').map(({ identity }) => identity));
    return this.target.loginNames().filter((name) => !alive.has(name) && name !== 'app');
  }

  async actions(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { action } of this.auditTrail.read(SECRET)) found.push(action);
    return found;
  }
}
