import { owedAlert } from '../alerts/compose.ts';
import { HeldTooLong } from '../errors.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { credential, isMortal, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { OwedInput } from './payloads.ts';
import type { AlertingPorts } from './ports.ts';

/** A debt is told of at most this often, although the workflow may come here more often. */
const SILENCE_SECONDS = 30 * 60;

/**
 * Writes down that a retirement is owed and tells people; also where they cannot be told now, so that the sweep knows that
 * somebody is at it. Twice within half an hour is harmless: they are told once; a debt that is paid meanwhile is not told of.
 */
export async function owed(input: OwedInput, ports: AlertingPorts): Promise<{ readonly told: boolean }> {
  const now = ports.clock.now();
  const debtOf = (record: SecretRecord) => {
    const entry = credential(record, input.versionId);
    return entry?.state === 'grace' ? entry : undefined;
  };
  const record = await requireRecord(ports.registry, input.secretId);
  const debt = debtOf(record);
  const mark = (change: Partial<LedgerCredential>) => (latest: SecretRecord) =>
    isOwed(credential(latest, input.versionId)) ? withCredentialChange(latest, input.versionId, change) : latest;
  if (debt === undefined) {
    // Proved dead before, and to be once more: nobody needs to know that yet.
    await updateRecord(ports.registry, input.secretId, mark({ owedTriedAt: now }), record);
    return { told: false };
  }
  if (debt.owedAlertAt !== undefined && now.getTime() - debt.owedAlertAt.getTime() < SILENCE_SECONDS * 1000) {
    return { told: false };
  }
  const owedSince = debt.owedSince ?? now;
  const log = new OperationLog(ports.clock, {
    scope: `${input.rotationId}/${input.versionId}/${now.toISOString()}`,
    step: 'retire',
    reason:
      input.fault.Error === HeldTooLong.errorName
        ? 'consumers still use the credential'
        : 'the credential could not be proved dead',
    facts: { rotation_id: input.rotationId, version_id: input.versionId, credential: debt.identity },
  });
  const told = mark({ owedSince, owedAlertAt: now, owedTriedAt: now });
  let seen = mark({ owedSince, owedTriedAt: now });
  try {
    const { entries } = await log.collect(ports.auditTrail, input.secretId, async () => {
      await ports.alerts.publish(
        owedAlert(record, { ...debt, owedSince }, { rotationId: input.rotationId, fault: input.fault.Error }, now),
      );
      log.note('owed', { owed_since: owedSince.toISOString() }, 'high');
    });
    seen = told; // Even when the trail cannot be written now: nobody is told again and again while it is tried.
    await updateRecord(ports.registry, input.secretId, told, undefined, entries);
  } catch (error) {
    await updateRecord(ports.registry, input.secretId, seen);
    throw error;
  }
  return { told: true };
}

function isOwed(entry: LedgerCredential | undefined): boolean {
  return entry !== undefined && isMortal(entry.state) && entry.retireAt !== undefined;
}
