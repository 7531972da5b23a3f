import type { Alert } from '../alerts/alert.ts';
import { failedAlert, rolledBackAlert, succeededAlert } from '../alerts/compose.ts';
import type { RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { nextRotation } from './due.ts';
import { withoutLease } from './lease.ts';
import type { RotationInput } from './payloads.ts';
import { hasEnded, operationLog, type RunningRecord, withPhase } from './phase.ts';
import type { AlertingPorts } from './ports.ts';

export interface NotifyResult {
  readonly outcome: 'succeeded' | 'rolled_back' | 'failed' | 'nothing_to_tell';
}

/**
 * Tells people how a rotation ended, and closes the books of one that succeeded: lease given back, next due time set.
 *
 * Twice is harmless: an alert that is recorded as sent is not sent again. A crash between sending and recording sends
 * it once more, with the same `alert_id`.
 */
export async function notify(input: RotationInput, ports: AlertingPorts): Promise<NotifyResult> {
  const record = await requireRecord(ports.registry, input.secretId);
  const { rotation } = record;
  if (rotation?.rotationId !== input.rotationId) return { outcome: 'nothing_to_tell' };
  const startedAt = ports.clock.now();
  const { outcome, alert } = tell(record, rotation, startedAt);
  if (rotation.alerted.includes(alert.kind)) return { outcome };

  const log = operationLog(ports, input, 'notify');
  await log.during(ports.auditTrail, input.secretId, async () => {
    await ports.alerts.publish(alert);
    log.note('alert_sent', { kind: alert.kind, alert_id: alert.facts.alert_id });
    if (outcome === 'succeeded') log.note('rotation_succeeded', { version_id: input.rotationId });
  });
  await updateRecord(
    ports.registry,
    input.secretId,
    (latest) => {
      if (latest.rotation?.rotationId !== input.rotationId) return latest;
      const told = { ...latest, rotation: { ...latest.rotation, alerted: [...latest.rotation.alerted, alert.kind] } };
      if (outcome !== 'succeeded') return told;
      const endedAt = ports.clock.now();
      return closed(withPhase(told, { name: 'notify', startedAt, endedAt, facts: {} }), endedAt);
    },
    record,
  );
  return { outcome };
}

function tell(
  record: SecretRecord,
  rotation: RotationRecord,
  now: Date,
): { readonly outcome: 'succeeded' | 'rolled_back' | 'failed'; readonly alert: Alert } {
  if (rotation.status === 'rolled_back')
    return { outcome: 'rolled_back', alert: rolledBackAlert(record, rotation, now) };
  if (rotation.status === 'succeeded' || hasEnded(record, 'apply')) {
    return { outcome: 'succeeded', alert: succeededAlert(record, rotation, now) };
  }
  return { outcome: 'failed', alert: failedAlert(record, rotation, now) };
}

/** The record of a rotation that has succeeded: lease given back, next due time set. */
export function closed(record: RunningRecord, now: Date): SecretRecord {
  return withoutLease(
    {
      ...record,
      rotation: { ...record.rotation, status: 'succeeded', endedAt: now, fault: undefined },
      failures: 0,
      dueAt: nextRotation(record.declaration, now),
    },
    record.rotation.rotationId,
  );
}
