import type { Alert } from '../alerts/alert.ts';
import { failedAlert, notBegunAlert, rolledBackAlert, succeededAlert } from '../alerts/compose.ts';
import type { PhaseRecord, RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { nextRotation } from './due.ts';
import { withoutLease } from './lease.ts';
import type { NotifyInput } from './payloads.ts';
import type { OperationLog } from './operation-log.ts';
import { hasEnded, operationLog, type RunningRecord, withPhase } from './phase.ts';
import type { AlertingPorts } from './ports.ts';

export interface NotifyResult {
  readonly outcome: 'succeeded' | 'rolled_back' | 'failed' | 'nothing_to_tell';
}

/**
 * Tells people how a rotation ended, and closes the books of one that succeeded: lease given back, next due time set.
 *
 * Twice is harmless: an alert that is recorded as sent is not sent again, and its entry is there once. A crash between
 * sending and recording sends it once more, with the same `alert_id`. A rotation that could not even begin has no
 * record: people are told from `fault` alone.
 */
export async function notify(input: NotifyInput, ports: AlertingPorts): Promise<NotifyResult> {
  const { fault, ...ids } = input;
  const record = await requireRecord(ports.registry, input.secretId);
  const now = ports.clock.now();
  const log = operationLog(ports, input, 'notify');
  const { rotation } = record;
  if (rotation?.rotationId !== input.rotationId) {
    if (
      fault === undefined ||
      (await ports.registry.archivedRotation(input.secretId, input.rotationId)) !== undefined
    ) {
      return { outcome: 'nothing_to_tell' };
    }
    const alert = notBegunAlert(record, ids, fault.Error, now);
    await ports.alerts.publish(alert);
    await entries(log, ports, input.secretId, alert);
    return { outcome: 'failed' };
  }
  const { outcome, alert } = tell(record, rotation, now);
  if (!rotation.alerted.includes(alert.kind)) {
    await ports.alerts.publish(alert);
    const { clock, registry } = ports;
    const spent = { startedAt: now, endedAt: clock.now() };
    await updateRecord(registry, input.secretId, (latest) => told(latest, input.rotationId, alert, spent), record);
  }
  await entries(log, ports, input.secretId, alert);
  return { outcome };
}

function told(
  latest: SecretRecord,
  rotationId: string,
  { kind }: Alert,
  spent: Pick<PhaseRecord, 'startedAt' | 'endedAt'> & { readonly endedAt: Date },
): SecretRecord {
  const { rotation } = latest;
  if (rotation?.rotationId !== rotationId || rotation.alerted.includes(kind)) return latest;
  const marked = { ...latest, rotation: { ...rotation, alerted: [...rotation.alerted, kind] } };
  if (kind !== 'rotation_succeeded') return marked;
  return closed(withPhase(marked, { name: 'notify', ...spent, facts: {} }), spent.endedAt);
}

async function entries(
  log: OperationLog,
  ports: AlertingPorts,
  secretId: string,
  { kind, facts }: Alert,
): Promise<void> {
  await log.during(ports.auditTrail, secretId, async () => {
    log.note('alert_sent', { kind, alert_id: facts.alert_id });
    if (kind === 'rotation_succeeded') log.note('rotation_succeeded');
  });
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
