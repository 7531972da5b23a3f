import { isDeepStrictEqual } from 'node:util';
import type { AuditOperation } from '../audit/audit-trail.ts';
import { RateLimited, type RekeyError, RotationEnded } from '../errors.ts';
import type { Phase, PhaseRecord, Registry, RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { withLease } from './lease.ts';
import { asRekeyError, OperationLog } from './operation-log.ts';
import type { RotationInput } from './payloads.ts';
import type { AlertingPorts } from './ports.ts';

export interface RunningRecord extends SecretRecord {
  readonly rotation: RotationRecord;
}

/** The record while `rotationId` runs and holds the lease. Throws `RotationEnded` for a late duplicate. */
export async function requireRunning(
  { registry, clock }: Pick<AlertingPorts, 'registry' | 'clock'>,
  input: RotationInput,
): Promise<RunningRecord> {
  const record = running(await requireRecord(registry, input.secretId), input.rotationId);
  withLease(record, input.rotationId, clock.now());
  return record;
}

/** `record`, if its rotation is `rotationId` and still runs; else `RotationEnded`. */
export function running(record: SecretRecord, rotationId: string): RunningRecord {
  const { rotation } = record;
  if (rotation?.rotationId !== rotationId || rotation.status !== 'running') {
    throw new RotationEnded(`Rotation ${rotationId} of "${record.secretId}" has ended.`);
  }
  return { ...record, rotation };
}

export function phaseRecord(record: SecretRecord, name: Phase): PhaseRecord | undefined {
  return record.rotation?.phases.find((phase) => phase.name === name);
}

export function hasEnded(record: SecretRecord, name: Phase): boolean {
  return phaseRecord(record, name)?.endedAt !== undefined;
}

export interface PhaseOutcome {
  readonly facts: Readonly<Record<string, string>>;
  /** What else changes in the record together with the phase's end. Without effects: it may run several times. */
  readonly change?: (record: RunningRecord) => RunningRecord;
  /** The record as the work has left it, where it wrote to it: saves reading it again. */
  readonly record?: RunningRecord;
  /** Called, to undo and throw, when `saveUndisturbed` says so, unless what was written is this phase's own end. */
  readonly disturbed?: () => Promise<never>;
}

/**
 * Runs one phase once: a phase whose end is recorded is not run again, and its record is the answer. Order: effects,
 * then audit entries and record in one transaction. A crash in between makes the retry repeat the effects, each of
 * which is idempotent. What `work` puts on `afterwards` is done when all has been written, or has failed.
 */
export async function runPhase(
  ports: Pick<AlertingPorts, 'registry' | 'auditTrail' | 'clock'>,
  input: RotationInput,
  name: Phase,
  record: RunningRecord,
  work: (log: OperationLog, afterwards: AsyncDisposableStack) => Promise<PhaseOutcome>,
): Promise<SecretRecord> {
  if (hasEnded(record, name)) return record;
  assertAnswers(record, ports.clock.now());
  const startedAt = ports.clock.now();
  await using afterwards = new AsyncDisposableStack();
  try {
    const log = operationLog(ports, input, name);
    const { answer, entries } = await log.collect(ports.auditTrail, input.secretId, () => work(log, afterwards));
    return await endPhase(ports, { input, name, startedAt, record, outcome: answer, entries });
  } catch (error) {
    await recordFault(ports, input, asRekeyError(error));
    throw error;
  }
}

async function endPhase(
  { registry, clock }: Pick<AlertingPorts, 'registry' | 'clock'>,
  done: {
    readonly input: RotationInput;
    readonly name: Phase;
    readonly startedAt: Date;
    readonly record: RunningRecord;
    readonly outcome: PhaseOutcome;
    readonly entries: readonly AuditOperation[];
  },
): Promise<SecretRecord> {
  const { input, name, startedAt, outcome, entries } = done;
  const { secretId, rotationId } = input;
  const end = (latest: SecretRecord): SecretRecord => {
    const current = running(latest, rotationId);
    const endedAt = clock.now();
    const changed = outcome.change?.(current) ?? current;
    const passed = withPhase(changed, { name, startedAt, endedAt, facts: outcome.facts });
    return withLease({ ...passed, rotation: { ...passed.rotation, fault: undefined } }, rotationId, endedAt);
  };
  const known = outcome.record ?? done.record;
  if (outcome.disturbed === undefined) return updateRecord(registry, secretId, end, known, entries);
  const ended = await saveUndisturbed(registry, known, end, entries);
  if (ended !== undefined) return ended;
  const latest = await requireRecord(registry, secretId);
  if (latest.rotation?.rotationId === rotationId && hasEnded(latest, name)) return latest;
  return outcome.disturbed();
}

const ATTEMPTS = 8;

/**
 * Saves `change` of `known`, the record as a step of its running rotation has left it. Who has written since, and left the
 * lease and the candidate's entry as they were, meant something else: their write is kept. `undefined`, and nothing is
 * saved, when somebody rolls this rotation back, or has, or another try of the step is at work.
 */
export async function saveUndisturbed(
  registry: Registry,
  known: RunningRecord,
  change: (latest: RunningRecord) => SecretRecord,
  entries?: readonly AuditOperation[],
): Promise<SecretRecord | undefined> {
  let record = known;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const changed = change(record);
    if ((await registry.save(changed, entries === undefined ? {} : { entries })) === 'saved') {
      return { ...changed, revision: changed.revision + 1 };
    }
    const latest = await requireRecord(registry, known.secretId);
    const { rotation } = latest;
    if (rotation === undefined || !isDeepStrictEqual(ownOf(latest, known), ownOf(known, known))) return undefined;
    record = { ...latest, rotation };
  }
  return undefined;
}

/** What only a step of the rotation itself, or who rolls it back, writes; as it is stored. */
function ownOf({ lease, rotation, ledger }: SecretRecord, { rotation: { rotationId } }: RunningRecord): unknown {
  const entry = ledger.find(({ versionId }) => versionId === rotationId);
  return JSON.parse(JSON.stringify([lease, rotation?.rotationId, rotation?.status, entry ?? null]));
}

/** So that the alert can say what stopped the rotation. The error itself matters more: a failure here is passed over. */
export async function recordFault(
  { registry, clock }: Pick<AlertingPorts, 'registry' | 'clock'>,
  input: RotationInput,
  error: RekeyError,
): Promise<void> {
  const retryAt = error instanceof RateLimited ? { retryAt: retryTime(error, clock.now()) } : {};
  const fault = { name: error.name, message: error.safeMessage, ...retryAt };
  try {
    await updateRecord(registry, input.secretId, (latest) => {
      const current = running(latest, input.rotationId);
      return { ...current, rotation: { ...current.rotation, fault } };
    });
  } catch {
    // RollBack still learns the error's name from the workflow.
  }
}

export function retryTime({ retryAfterSeconds }: RateLimited, now: Date): Date {
  return new Date(now.getTime() + retryAfterSeconds * 1000);
}

/** Throws `RateLimited` again, without a request, until the provider's time has come. */
export function assertAnswers({ rotation: { fault } }: RunningRecord, now: Date): void {
  if (fault?.retryAt === undefined || fault.retryAt <= now) return;
  const retryAfterSeconds = (fault.retryAt.getTime() - now.getTime()) / 1000;
  throw new RateLimited(fault.message, { retryAfterSeconds });
}

export function operationLog(
  { clock }: Pick<AlertingPorts, 'clock'>,
  input: Pick<RotationInput, 'rotationId' | 'reason' | 'requestedBy'>,
  step: string,
): OperationLog {
  return new OperationLog(clock, {
    scope: input.rotationId,
    step,
    reason: input.reason,
    facts: { rotation_id: input.rotationId, requested_by: input.requestedBy },
  });
}

/** The record with this phase in place of an earlier try of it. */
export function withPhase(record: RunningRecord, phase: PhaseRecord): RunningRecord {
  const others = record.rotation.phases.filter(({ name }) => name !== phase.name);
  return { ...record, rotation: { ...record.rotation, phases: [...others, phase] } };
}
