import type { SecretText } from '../redact.ts';
import { EndsByItself, OrphanInDoubt, RateLimited, RekeyError, Throttled, TransientFailure } from '../errors.ts';
import type { RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { requireVersion, adminValue, requireRotator, rotatorSettings } from './credential-values.ts';
import { holders } from '../rollout/holders.ts';
import { callBack, endCallBack, settle } from '../rollout/notices.ts';
import { isFollowed, retirementOf, switched } from './apply.ts';
import { nextTry, refusalsAfter } from './due.ts';
import { withLease, withoutLease } from './lease.ts';
import { credential, isMortal, withCredentialChange } from './ledger.ts';
import type { OperationLog } from './operation-log.ts';
import type { ApplyResult, RollBackInput, RollBackResult, RotationInput } from './payloads.ts';
import { assertAnswers, hasEnded, operationLog, retryTime, type RunningRecord, running, withPhase } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Ends a rotation that cannot go on, so that `AWSCURRENT` opens the target and nothing unknown lives.
 *
 * Where the switch had happened and the new value opens the target, going on is the way out: `completed`. Otherwise
 * `AWSCURRENT` is (or goes) back on the incumbent, the candidate is ended at the target, `AWSPENDING` is taken off:
 * `rolled_back`. Consumers that have taken the candidate are told to go back; while they have it, or when it cannot be
 * ended now (the target is down), it stays in the ledger. The answer holds its retirement: also where it was ended, because
 * a function of the rotation that still runs would make it alive again; it is proved dead once more after that.
 *
 * Twice is harmless: what it does is decided by where the label is, and an ended rotation answers its outcome again.
 */
export async function rollBack(input: RollBackInput, ports: RotationPorts): Promise<RollBackResult> {
  const { fault, ...rotation } = input;
  const latest = await requireRecord(ports.registry, input.secretId);
  if (latest.rotation?.rotationId !== input.rotationId) return notTheLast(latest, ports, input);
  if (latest.rotation.status === 'succeeded') return { outcome: 'completed', ...retirementOf(latest, rotation) };
  if (latest.rotation.status === 'rolled_back') return { outcome: 'rolled_back', ...owedCandidate(latest, rotation) };

  const record = running(
    await updateRecord(
      ports.registry,
      input.secretId,
      (now) => withLease(now, input.rotationId, ports.clock.now()),
      latest,
    ),
    input.rotationId,
  );
  const log = operationLog(ports, rotation, 'roll_back');
  const { answer: found, entries } = await log.collect(ports.auditTrail, input.secretId, () =>
    undo(record, ports, fault.Error, log),
  );
  const change = found === 'switched' ? complete(record, ports) : end(record, ports, fault.Error, found);
  const ended = await updateRecord(ports.registry, input.secretId, change, undefined, entries);
  if (found === 'switched') return { outcome: 'completed', ...retirementOf(ended, rotation) };
  return { outcome: 'rolled_back', ...owedCandidate(ended, rotation) };
}

/**
 * What became of the candidate: ended; still used by consumers that are going back, or ending by itself; not to be ended
 * now; not before a time, when its provider answers again; or by nobody but a person.
 */
type Removal = 'undone' | 'candidate_held' | 'candidate_owed' | Date | OrphanInDoubt;

/**
 * After so long no function runs any more that had begun before: each is stopped after 60 s. That the last try of a step
 * has thrown says nothing of an earlier one, of which the workflow had lost sight.
 */
const LATE_SECONDS = 120;

/** The effects of going back, each idempotent; entries and books are written after them. */
async function undo(
  record: RunningRecord,
  ports: RotationPorts,
  fault: string,
  log: OperationLog,
): Promise<'switched' | Removal> {
  const { secretId, rotation } = record;
  const { rotationId, incumbentVersionId } = rotation;
  log.note('started', { fault }, 'medium');
  const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
  const isSwitched = current?.versionId === rotationId;
  // Before Audit has ended nothing was switched: a first value carries the label from the moment it is stored.
  if (isSwitched && hasEnded(record, 'audit') && (await opensTarget(ports, record, current.value))) {
    if (isFollowed(record)) await settle(ports.rollouts, secretId, { rotationId, versionId: rotationId });
    log.note('completed_forward', { version_id: rotationId });
    return 'switched';
  }
  if (isSwitched && incumbentVersionId !== undefined) {
    await ports.secretStore.promote(secretId, { from: rotationId, to: incumbentVersionId });
    log.note('current_moved_back', { version_id: incumbentVersionId }, 'medium');
  }
  // Before the candidate may go: whoever has it is told to go back, and is waited for.
  await callBack(ports.rollouts, secretId, { rotationId, plan: rotation.rollout });
  const survivor = isSwitched ? await incumbentValue(record, ports) : current?.value;
  const removed = await removeCandidate(record, ports, survivor, log);
  if (incumbentVersionId !== undefined) {
    // A stopped execution's function may have switched meanwhile, to what is ended now.
    const back = await ports.secretStore.promote(secretId, { from: rotationId, to: incumbentVersionId });
    if (back === 'moved') log.note('current_moved_back_again', { version_id: incumbentVersionId }, 'medium');
  }
  if (removed === 'undone' && incumbentVersionId !== undefined) {
    await endCallBack(ports.rollouts, secretId, { rotationId, versionId: incumbentVersionId });
  }
  await ports.secretStore.clearPending(secretId, rotationId);
  log.note('pending_cleared', { version_id: rotationId });
  return removed;
}

async function notTheLast(latest: SecretRecord, ports: RotationPorts, input: RollBackInput): Promise<RollBackResult> {
  const archived = await ports.registry.archivedRotation(latest.secretId, input.rotationId);
  if (archived?.status === 'succeeded') return { outcome: 'completed' };
  // Never begun (its lease was not to be had, or it failed before): nothing of it exists.
  return { outcome: 'rolled_back' };
}

async function opensTarget(ports: RotationPorts, record: RunningRecord, value: SecretText): Promise<boolean> {
  assertAnswers(record, ports.clock.now());
  const rotator = await requireRotator(ports, record);
  return (await rotator.probe(value, rotatorSettings(record))) === 'accepted';
}

/** The switch is done and works: the books follow. */
function complete(record: RunningRecord, { clock }: RotationPorts): (latest: SecretRecord) => SecretRecord {
  return (latest) => {
    const current = running(latest, record.rotation.rotationId);
    if (hasEnded(current, 'apply')) return latest;
    const now = clock.now();
    const facts = { version: record.rotation.rotationId, completedBy: 'roll_back' };
    return withPhase(switched(now)(current), { name: 'apply', startedAt: now, endedAt: now, facts });
  };
}

/** Ends the candidate at the target if it may be there. */
async function removeCandidate(
  record: RunningRecord,
  ports: RotationPorts,
  survivor: SecretText | undefined,
  log: OperationLog,
): Promise<Removal> {
  const { secretStore } = ports;
  const { rotationId, candidate, incumbent, incumbentVersionId } = record.rotation;
  const journaled = credential(record, rotationId);
  if (candidate === undefined || journaled === undefined || journaled.state === 'retired') return 'undone';
  const { secretId } = record;
  const held = await holders(ports.rollouts, { secretId, versionId: rotationId, now: ports.clock.now() });
  if (held.length > 0) {
    log.note('candidate_held', { candidate, consumers: held.length });
    return 'candidate_held';
  }
  try {
    assertAnswers(record, ports.clock.now());
    const rotator = await requireRotator(ports, record);
    const value = (await secretStore.read(record.secretId, { versionId: rotationId }))?.value;
    const admin = await adminValue(secretStore, record, survivor ?? value);
    const report = await rotator.retire({
      settings: rotatorSettings(record),
      admin,
      identity: journaled.identity,
      versionId: rotationId,
      value,
      survivor: incumbent === undefined ? undefined : survivor,
      survivorVersionId: incumbentVersionId,
      known: record.ledger,
    });
    log.note('candidate_ended', { ...report.facts, candidate, refused_login: report.refusedLogin });
    return 'undone';
  } catch (error) {
    // Only a fault of the target or its settings becomes a debt; a passing one is worth another try of this step.
    if (!(error instanceof RekeyError) || error instanceof TransientFailure || error instanceof Throttled) throw error;
    if (error instanceof EndsByItself) {
      log.note('candidate_ends_by_itself', { candidate });
      return 'candidate_held';
    }
    if (error instanceof RateLimited) {
      const until = retryTime(error, ports.clock.now());
      log.note('candidate_waits', { candidate, until: until.toISOString() });
      return until;
    }
    log.note('candidate_owed', { candidate, fault: error.name, message: error.safeMessage }, 'high');
    return error instanceof OrphanInDoubt ? error : 'candidate_owed';
  }
}

async function incumbentValue(record: RunningRecord, ports: RotationPorts): Promise<SecretText | undefined> {
  const versionId = record.rotation.incumbentVersionId;
  return versionId === undefined ? undefined : (await requireVersion(ports, record.secretId, versionId)).value;
}

/** The retirement of a candidate that could not be ended yet, or not for good, until it is dead. */
function owedCandidate({ ledger }: SecretRecord, { environment, secretId, rotationId }: RotationInput): ApplyResult {
  const owed = ledger.find(({ versionId, state }) => versionId === rotationId && isMortal(state));
  if (owed?.retireAt === undefined) return {};
  const retireAt = owed.retireAt.toISOString();
  return { retirement: { environment, secretId, rotationId, versionId: rotationId, retireAt } };
}

function end(
  record: RunningRecord,
  { clock }: RotationPorts,
  fault: string,
  removal: Removal,
): (latest: SecretRecord) => SecretRecord {
  const { rotationId } = record.rotation;
  return (latest) => {
    const current = running(latest, rotationId);
    const now = clock.now();
    const rotation: RotationRecord = {
      ...current.rotation,
      status: 'rolled_back',
      endedAt: now,
      fault: current.rotation.fault ?? { name: fault, message: '' },
    };
    const failures = current.failures + 1;
    const refusals = refusalsAfter(rotation.fault?.name, current.refusals);
    const books = withCredentialChange(
      {
        ...current,
        rotation,
        failures,
        refusals,
        dueAt: nextTry(current.declaration, now, {
          failures,
          refusals,
          fault: rotation.fault?.name,
          expiresAt: credential(current, current.rotation.incumbentVersionId)?.expiresAt,
          retryAt: removal instanceof Date ? removal : rotation.fault?.retryAt,
        }),
      },
      rotationId,
      removal === 'undone'
        ? { state: 'retired', retireAt: new Date(now.getTime() + LATE_SECONDS * 1000) }
        : {
            state: 'grace',
            retireAt: removal instanceof Date ? removal : now,
            ...(removal === 'candidate_owed' || removal instanceof OrphanInDoubt ? { owedSince: now } : {}),
            ...(removal instanceof OrphanInDoubt ? { doubt: removal.safeMessage } : {}),
          },
    );
    return withoutLease(books, rotationId);
  };
}
