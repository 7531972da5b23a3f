import type { Alert } from '../alerts/alert.ts';
import { failedAlert, notBegunAlert, rolledBackAlert, succeededAlert } from '../alerts/compose.ts';
import type { PhaseRecord, RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { nextRotation } from './due.ts';
import { withoutLease } from './lease.ts';
import { credential } from './ledger.ts';
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
    await log.during(ports.auditTrail, input.secretId, () => send(alert, ports, log));
    return { outcome: 'failed' };
  }
  const { outcome, alert } = tell(record, rotation, now);
  if (rotation.alerted.includes(alert.kind)) {
    await log.during(ports.auditTrail, input.secretId, async () => noteSent(alert, log));
    return { outcome };
  }
  const { clock, registry } = ports;
  const { entries } = await log.collect(ports.auditTrail, input.secretId, () => send(alert, ports, log));
  const spent = { startedAt: now, endedAt: clock.now() };
  const marked = (latest: SecretRecord) => told(latest, input.rotationId, alert, spent);
  try {
    await updateRecord(registry, input.secretId, marked, record, entries);
  } catch (error) {
    // Even when the trail cannot be written now: nobody is told again and again while it is tried.
    await updateRecord(registry, input.secretId, marked);
    throw error;
  }
  return { outcome };
}

async function send(alert: Alert, { alerts }: AlertingPorts, log: OperationLog): Promise<void> {
  await alerts.publish(alert);
  noteSent(alert, log);
}

function noteSent(alert: Alert, log: OperationLog): void {
  log.note('alert_sent', { kind: alert.kind, alert_id: alert.facts.alert_id });
  if (alert.kind === 'rotation_succeeded') log.note('rotation_succeeded');
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
      refusals: 0,
      dueAt: nextRotation(record.declaration, now, credential(record, record.rotation.rotationId)),
    },
    record.rotation.rotationId,
  );
}
