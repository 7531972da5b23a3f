import type { AlertPublisher } from '../alerts/alert.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Clock } from '../clock.ts';
import type { Registry } from '../registry/registry.ts';
import type { Rotator, RotatorSettings } from '../rotators/rotator.ts';
import type { RolloutStore, TaskTokens } from '../rollout/rollout-store.ts';
import type { SecretStore } from '../secret-store.ts';

/** What the steps of a rotation need of the world. */
export interface RotationPorts {
  readonly registry: Registry;
  readonly secretStore: SecretStore;
  /** Who holds which version, and what they are told. */
  readonly rollouts: RolloutStore;
  readonly auditTrail: AuditTrail;
  readonly clock: Clock;
  /** The rotator of a type in the secret's mode; `undefined` when this version has none. */
  rotatorFor(type: string, mode: RotatorSettings['mode']): Promise<Rotator | undefined>;
}

/** What handing the candidate to consumers needs: neither values nor targets. */
export interface RolloutPorts extends Pick<RotationPorts, 'registry' | 'auditTrail' | 'clock' | 'rollouts'> {
  readonly taskTokens: TaskTokens;
}

export interface AlertingPorts {
  readonly registry: Registry;
  readonly auditTrail: AuditTrail;
  readonly alerts: AlertPublisher;
  readonly clock: Clock;
}
