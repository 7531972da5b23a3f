import type { AlertPublisher } from '../alerts/alert.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Clock } from '../clock.ts';
import type { Registry } from '../registry/registry.ts';
import type { Rotator, RotatorSettings } from '../rotators/rotator.ts';
import type { SecretStore } from '../secret-store.ts';

/** What the steps of a rotation need of the world. */
export interface RotationPorts {
  readonly registry: Registry;
  readonly secretStore: SecretStore;
  readonly auditTrail: AuditTrail;
  readonly clock: Clock;
  /** The rotator of a type in the secret's mode; `undefined` when this version has none. */
  rotatorFor(type: string, mode: RotatorSettings['mode']): Promise<Rotator | undefined>;
}

export interface AlertingPorts {
  readonly registry: Registry;
  readonly auditTrail: AuditTrail;
  readonly alerts: AlertPublisher;
  readonly clock: Clock;
}
