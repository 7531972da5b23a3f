import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { adminValue, requireRotator, rotatorSettings } from './credential-values.ts';
import { withLease, withoutLease } from './lease.ts';
import { credential, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RetirementInput } from './payloads.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Ends a replaced credential at the target and proves it dead. `retired`: it is; `kept`: it carries `AWSCURRENT` again
 * (somebody moved the label back), so it lives on.
 *
 * Twice is harmless: a credential that the ledger has as retired, or no longer has, is done; ending a dead one changes
 * nothing. Holds the secret's lease meanwhile, so no rotation re-uses the credential's place. Throws `LeaseHeld` while a
 * rotation runs, and what the target says when the credential cannot be proved dead.
 */
export async function retire(input: RetirementInput, ports: RotationPorts): Promise<{ readonly outcome: 'retired' | 'kept' }> {
  const { registry, secretStore, clock } = ports;
  const holder = `retire/${input.versionId}`;
  const known = credential(await requireRecord(registry, input.secretId), input.versionId);
  if (known === undefined || known.state === 'retired') return { outcome: 'retired' };

  const record = await updateRecord(registry, input.secretId, (latest) => withLease(latest, holder, clock.now()));
  const log = new OperationLog(clock, {
    scope: `${input.rotationId}/${input.versionId}`,
    step: 'retire',
    reason: 'the grace period is over',
    facts: { rotation_id: input.rotationId, version_id: input.versionId, credential: known.identity },
  });
  try {
    const outcome = await log.during(ports.auditTrail, input.secretId, async () => {
      const current = await secretStore.read(input.secretId, { stage: 'AWSCURRENT' });
      if (current?.versionId === input.versionId || known.state === 'current') {
        log.note('cancelled', { because: 'the version carries AWSCURRENT' }, 'medium');
        return 'kept' as const;
      }
      const rotator = await requireRotator(ports, record);
      const value = (await secretStore.read(input.secretId, { versionId: input.versionId }))?.value;
      const admin = await adminValue(secretStore, record, current?.value);
      const settings = rotatorSettings(record);
      const report = await rotator.retire({ settings, admin, identity: known.identity, value, survivor: current?.value });
      log.note('proved_dead', { refused_login: report.refusedLogin, ended_sessions: report.endedSessions });
      return 'retired' as const;
    });
    const state = outcome === 'kept' ? 'current' : 'retired';
    await updateRecord(registry, input.secretId, (latest) =>
      withCredentialChange(latest, input.versionId, {
        state,
        retireAt: undefined,
        owedSince: undefined,
        owedAlertAt: undefined,
      }),
    );
    return { outcome };
  } finally {
    await updateRecord(registry, input.secretId, (latest) => withoutLease(latest, holder));
  }
}
