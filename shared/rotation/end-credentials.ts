import { IncumbentRefused, PASSING_FAULTS, RateLimited, SameAsSurvivor } from '../errors.ts';
import type { SecretText } from '../redact.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { holders } from '../rollout/holders.ts';
import type { Rotator, RotatorSettings } from '../rotators/rotator.ts';
import type { SecretVersion } from '../secret-store.ts';
import { requireRotator, rotatorSettings } from './credential-values.ts';
import { NOTHING_OWED, overdue, withCredentialChange, withSuperseded } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RotationPorts } from './ports.ts';

export interface EndingWork {
  readonly ports: RotationPorts;
  /** As it is under the caller's lease. */
  readonly record: SecretRecord;
  readonly admin: SecretText | undefined;
  /** What carries `AWSCURRENT`: it must go on working. */
  readonly survivor: SecretVersion | undefined;
  /** The rotation in whose course this happens. */
  readonly rotationId: string;
}

/**
 * Ends every credential of the secret whose grace is over and that no consumer uses, so that a retirement that was lost
 * leaves no debt. Answers the record after it. What cannot be ended blocks nothing here: it stays a debt, with a retirement
 * of its own that tells people, and whether it stands in a rotation's way, preflight says. A provider that is to be asked
 * later is asked for no more of them: what is current may have to be replaced before. Throws only the other passing faults.
 */
export async function endOverdue(work: EndingWork): Promise<SecretRecord> {
  let { record } = work;
  for (const entry of overdue(record, work.ports.clock.now())) {
    if (work.survivor === undefined || entry.versionId === work.survivor.versionId) continue;
    const { ports } = work;
    const { secretId } = record;
    const held = await holders(ports.rollouts, { secretId, versionId: entry.versionId, now: ports.clock.now() });
    if (held.length > 0) continue;
    try {
      record = await endCredential({ ...work, record }, entry);
    } catch (error) {
      if (error instanceof RateLimited) break;
      if (PASSING_FAULTS.has((error as Error).name)) throw error;
      record = await requireRecord(ports.registry, secretId);
    }
  }
  return record;
}

/**
 * Ends one credential at the target, proves it dead, and writes it down. One that goes on under the survivor's version
 * (somebody has put its value back) is that version's from now on, and not ended. Twice is harmless: ending a dead one
 * changes nothing, and its entry is there once. Throws what the target says when it is not dead.
 */
export async function endCredential(work: EndingWork, entry: LedgerCredential): Promise<SecretRecord> {
  const { ports, record, admin, survivor, rotationId } = work;
  const { versionId, identity } = entry;
  const log = new OperationLog(ports.clock, {
    // One that people have made work again is ended again, at another time.
    scope: `retire/${versionId}/${entry.retireAt?.toISOString() ?? ''}`,
    step: 'retire',
    reason: 'the grace period is over',
    facts: { rotation_id: rotationId, version_id: versionId, credential: identity },
  });
  const { answer, entries } = await log.collect(ports.auditTrail, record.secretId, async () => {
    const rotator = await requireRotator(ports, record);
    const value = (await ports.secretStore.read(record.secretId, { versionId }))?.value;
    const settings = rotatorSettings(record);
    try {
      const report = await rotator.retire({
        settings,
        admin,
        identity,
        versionId,
        value,
        survivor: survivor?.value,
        survivorVersionId: survivor?.versionId,
        known: record.ledger,
      });
      const { refusedLogin, endedSessions, facts } = report;
      log.note('proved_dead', { ...facts, refused_login: refusedLogin, ended_sessions: endedSessions });
      return undefined;
    } catch (error) {
      if (error instanceof SameAsSurvivor && survivor !== undefined) {
        await assertOpens(rotator, survivor.value, settings, error);
        log.note('superseded', { superseded_by: survivor.versionId }, 'medium');
        return survivor.versionId;
      }
      if (entry.state === 'retired' && !PASSING_FAULTS.has((error as Error).name)) await indebt(work, entry);
      throw error;
    }
  });
  const change = (latest: SecretRecord): SecretRecord =>
    answer === undefined
      ? withCredentialChange(latest, versionId, { ...NOTHING_OWED, state: 'retired' })
      : withSuperseded(latest, versionId, answer);
  return updateRecord(ports.registry, record.secretId, change, record, entries);
}

/** It was proved dead once, and cannot be again: from now on it is a debt like any other. */
async function indebt({ ports, record }: EndingWork, { versionId, retireAt }: LedgerCredential): Promise<void> {
  await updateRecord(ports.registry, record.secretId, (latest) =>
    withCredentialChange(latest, versionId, { state: 'grace', retireAt }),
  );
}

/** A value that opens nothing says nothing of another that may: the other stays owed. */
async function assertOpens(rotator: Rotator, value: SecretText, settings: RotatorSettings, cause: unknown) {
  if ((await rotator.probe(value, settings)) === 'accepted') return;
  throw new IncumbentRefused('The current value is for the credential that should be ended, and is refused.', {
    cause,
  });
}
