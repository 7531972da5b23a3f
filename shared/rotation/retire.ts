import { HeldTooLong, OrphanInDoubt, RateLimited, StillHeld } from '../errors.ts';
import type { Lease, LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { holders } from '../rollout/holders.ts';
import { endCallBack, settle } from '../rollout/notices.ts';
import { named } from '../rollout/presence.ts';
import { adminValue } from './credential-values.ts';
import { endCredential, endOverdue } from './end-credentials.ts';
import { isDeadFirst } from './first-value.ts';
import { withLease, withLeaseGivenBack } from './lease.ts';
import { credential, isOver, NOTHING_OWED, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RetirementInput } from './payloads.ts';
import { retryTime } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/** How long consumers, or a provider that said when it answers again, are waited for, after the grace period, before people are told. */
const PATIENCE_SECONDS = 3600;

export type RetireResult =
  | { readonly outcome: 'retired' | 'kept' }
  /** Nothing is done before `until`: the provider answers again then, or the grace period is over. */
  | { readonly outcome: 'limited'; readonly until: string };

/**
 * Ends a replaced credential at the target, and every other one of the secret that is overdue, and proves them dead.
 * `retired`: it is; `kept`: it carries `AWSCURRENT` again (somebody moved the label back, or put its value back as another
 * version, whose it is from now on), so it lives on; `limited`: it is not time yet (somebody has gone back to it since, and
 * it has another grace period), or its provider is to be asked again later (for an hour after the grace period; after that,
 * `RateLimited` is thrown).
 *
 * Twice is harmless: a credential that the ledger has as retired for good, or no longer has, is done; ending a dead one
 * changes nothing. Holds the secret's lease meanwhile, also for another try that may still be at work, so no rotation
 * re-uses the credential's place. Throws `LeaseHeld` while a rotation runs, `StillHeld` (after an hour `HeldTooLong`) while consumers use the credential, and what the target says
 * when it cannot be proved dead.
 */
export async function retire(input: RetirementInput, ports: RotationPorts): Promise<RetireResult> {
  const { registry, clock } = ports;
  const { secretId, versionId } = input;
  const seen = await requireRecord(registry, secretId);
  const holder = `retire/${versionId}`;
  // A try that died once it had written that down has left its lease, and what comes after it.
  if (isDone(seen, versionId) && seen.lease?.holder !== holder) return { outcome: 'retired' };
  await requireLeft(seen, versionId, ports);

  let before: Lease | undefined;
  const record = await updateRecord(registry, secretId, (latest) => {
    before = latest.lease;
    return withLease(latest, holder, clock.now());
  });
  const lease = { mine: record.lease as Lease, before };
  // As it is now: while nobody had the lease, somebody may have gone back to it.
  const known = isDone(record, versionId) ? undefined : credential(record, versionId);
  let change: Partial<LedgerCredential> = {};
  try {
    return await retireUnderLease(input, ports, record, known);
  } catch (error) {
    const now = clock.now();
    if (error instanceof OrphanInDoubt) change = { doubt: error.safeMessage };
    const isPatient = known !== undefined && waitedSeconds(known, now) < PATIENCE_SECONDS;
    if (!(error instanceof RateLimited) || !isPatient) throw error;
    return { outcome: 'limited', until: retryTime(error, now).toISOString() };
  } finally {
    await updateRecord(registry, secretId, (latest) =>
      withCredentialChange(withLeaseGivenBack(latest, lease, clock.now()), versionId, change),
    );
  }
}

function isDone(record: SecretRecord, versionId: string): boolean {
  const known = credential(record, versionId);
  return known === undefined || isOver(known);
}

/** Nobody takes the version up again: only what carries AWSCURRENT, or is being rolled out, is handed to consumers. */
async function requireLeft(record: SecretRecord, versionId: string, ports: RotationPorts): Promise<void> {
  const { rollouts, clock, secretStore } = ports;
  const { secretId, declaration } = record;
  const known = credential(record, versionId);
  if (known?.state !== 'grace') return;
  const now = clock.now();
  const held = await holders(rollouts, { secretId, versionId, now });
  if (held.length === 0) return;
  const carries = (await secretStore.read(secretId, { stage: 'AWSCURRENT' }))?.versionId;
  if (carries === versionId) return; // It is to be kept: they need not leave it.
  const current = record.ledger.filter(({ state }) => state === 'current').map((entry) => entry.versionId);
  // A value that a person has set is in the ledger only once a rotation has had it for its incumbent.
  const isSettled = carries !== undefined && (current.length === 0 || current.includes(carries));
  if (declaration.reload.hotReload && isSettled && record.rotation?.status !== 'running') {
    // Whoever started between the plan and the switch has been told nothing yet.
    await settle(rollouts, secretId, { rotationId: carries, versionId: carries });
  }
  const text = `${held.length} consumers still use "${known.identity}" of "${secretId}": ${named(held)}.`;
  throw waitedSeconds(known, now) < PATIENCE_SECONDS ? new StillHeld(text) : new HeldTooLong(text);
}

function waitedSeconds({ retireAt }: LedgerCredential, now: Date): number {
  return (now.getTime() - (retireAt ?? now).getTime()) / 1000;
}

/** `known`: what is to be ended; absent, where that is done. */
async function retireUnderLease(
  input: RetirementInput,
  ports: RotationPorts,
  record: SecretRecord,
  known: LedgerCredential | undefined,
): Promise<RetireResult> {
  const { secretId, versionId, rotationId } = input;
  const retireAt = known?.state === 'grace' ? known.retireAt : undefined;
  if (retireAt !== undefined && retireAt > ports.clock.now())
    return { outcome: 'limited', until: retireAt.toISOString() };
  const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
  const isDead = known !== undefined && current?.versionId === versionId && (await isDeadFirst(record, current, ports));
  if (!isDead && known !== undefined && (current?.versionId === versionId || known.state === 'current')) {
    await keep(input, ports);
    return { outcome: 'kept' };
  }
  const survivor = isDead ? undefined : current;
  const admin = await adminValue(ports.secretStore, record, current?.value);
  const work = { ports, admin, survivor, rotationId };
  const after = known === undefined ? record : await endCredential({ ...work, record }, known);
  const outcome = known !== undefined && credential(after, versionId) === undefined ? 'kept' : 'retired';
  if (survivor !== undefined) {
    // A candidate that was rolled back is ended under its own id.
    await endCallBack(ports.rollouts, secretId, { rotationId: versionId, versionId: survivor.versionId });
  }
  await endOverdue({ ...work, record: after });
  return { outcome };
}

async function keep({ secretId, versionId, rotationId }: RetirementInput, ports: RotationPorts): Promise<void> {
  const log = new OperationLog(ports.clock, {
    scope: `keep/${rotationId}/${versionId}`,
    step: 'retire',
    reason: 'the version carries AWSCURRENT again',
    facts: { rotation_id: rotationId, version_id: versionId },
  });
  const { entries } = await log.collect(ports.auditTrail, secretId, async () => log.note('cancelled', {}, 'medium'));
  const kept = (latest: SecretRecord) => withCredentialChange(latest, versionId, { ...NOTHING_OWED, state: 'current' });
  await updateRecord(ports.registry, secretId, kept, undefined, entries);
}
