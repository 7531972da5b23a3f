import {
  AdminRefused,
  Misconfigured,
  RateLimited,
  RetirementPending,
  SlotOccupied,
  TransientFailure,
} from '../errors.ts';
import type { SecretText } from '../redact.ts';
import type { SecretRecord } from '../registry/registry.ts';
import { updateRecord } from '../registry/update-record.ts';
import type {
  ChosenRotator,
  InstallInput,
  Issuance,
  IssuedRotator,
  IssueReport,
  Preflight,
  Rotator,
} from '../rotators/rotator.ts';
import type { SecretVersion } from '../secret-store.ts';
import { requireVersion } from './credential-values.ts';
import { credential, withCredentialChange } from './ledger.ts';
import type { OperationLog } from './operation-log.ts';
import { type RunningRecord, running } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/** A candidate that the record has journaled. */
export interface Journaled {
  readonly ports: RotationPorts;
  /** As the journal left it. */
  readonly record: RunningRecord;
  readonly log: OperationLog;
  readonly values: Pick<InstallInput, 'settings' | 'admin' | 'incumbent'>;
  readonly versionId: string;
  readonly incumbent: SecretVersion | undefined;
  readonly preflight: Preflight;
  /** Its value, when an earlier try has stored it. */
  readonly stored: SecretText | undefined;
}

export interface BroughtIn {
  readonly record: RunningRecord;
  readonly value: SecretText;
  /** Whether it opens the target now. */
  readonly isAlive: boolean;
  /** For people: of a chosen rotator that had something to say. */
  readonly warning?: string | undefined;
}

/** Stores a value of our choice, then sets it at the target (without overlap: not yet). */
export async function placeCandidate(rotator: ChosenRotator, journaled: Journaled): Promise<BroughtIn> {
  const { record, log, values, versionId, incumbent, preflight } = journaled;
  const { candidate: identity, fence } = preflight;
  const value =
    journaled.stored ?? (await store(journaled, rotator.propose({ ...values, versionId, candidate: identity })));
  log.note('candidate_stored', { version_id: versionId, stage: 'AWSPENDING' });
  if (!rotator.overlap) return { record, value, isAlive: false };
  const { startedAt } = record.rotation;
  const incumbentVersionId = incumbent?.versionId;
  const report = await rotator.install({
    ...values,
    versionId,
    startedAt,
    candidate: value,
    incumbentVersionId,
    fence,
  });
  log.note('candidate_installed', { ...report.facts, candidate: identity });
  return { record, value, isAlive: true, warning: report.warning };
}

async function store({ ports, record, versionId }: Journaled, proposed: SecretText): Promise<SecretText> {
  const { secretId } = record;
  if ((await ports.secretStore.putPending(secretId, versionId, proposed)) === 'stored') return proposed;
  // Another try of this step has stored its own.
  return (await requireVersion(ports, secretId, versionId)).value;
}

/**
 * Has the provider make the candidate, writes down which it is, then stores its value. The record is written by
 * compare-and-swap in between: of two tries at once, the one that began its attempt later goes on, the other ends what it
 * was given. A crash anywhere leaves what the next try, RollBack or the sweep finds by the journal.
 */
export async function issueCandidate(rotator: IssuedRotator, journaled: Journaled): Promise<BroughtIn> {
  const { ports, record, log, versionId } = journaled;
  const { secretId } = record;
  const issuance = credential(record, versionId)?.issuance;
  const stored = journaled.stored ?? (await storedMeanwhile(journaled, issuance?.attempts));
  if (stored !== undefined || issuance === undefined) {
    log.note('candidate_stored', { version_id: versionId, stage: 'AWSPENDING' });
    const value = stored ?? (await requireVersion(ports, secretId, versionId)).value;
    // Begun and not made: the record's next write says so.
    const isCounted = journaled.stored === undefined && issuance !== undefined;
    return { record: isCounted ? uncounted(record, versionId, issuance) : record, value, isAlive: true };
  }
  const { identity, value, expiresAt, facts } = await issue(rotator, journaled, issuance);
  log.note('candidate_issued', { ...facts, candidate: identity, attempt: issuance.attempts });
  const explained = { ...issuance, explained: issuance.attempts };
  const named = withCredentialChange(record, versionId, { identity, expiresAt, issuance: explained });
  const issued: RunningRecord = { ...named, rotation: { ...named.rotation, candidate: identity } };
  const made = { record: issued, value, isAlive: true };
  if ((await ports.registry.save(issued)) === 'conflict') {
    await takeBack(rotator, journaled, made);
    throw new TransientFailure(`Another try of this rotation of "${secretId}" is having a credential made.`);
  }
  const saved = running({ ...issued, revision: issued.revision + 1 }, versionId);
  if ((await ports.secretStore.putPending(secretId, versionId, value)) === 'conflict') {
    await takeBack(rotator, journaled, { ...made, record: saved });
    throw new TransientFailure(`Another try of this rotation of "${secretId}" has stored its credential.`);
  }
  log.note('candidate_stored', { version_id: versionId, stage: 'AWSPENDING' });
  return { ...made, record: saved };
}

/** What says for sure, of every provider, that it has made nothing. */
const MADE_NOTHING: ReadonlySet<string> = new Set([
  SlotOccupied.errorName,
  RetirementPending.errorName,
  Misconfigured.errorName,
  AdminRefused.errorName,
  RateLimited.errorName,
]);

/**
 * One attempt. One that surely made nothing does not count: what is found at the provider later is not taken for its work.
 */
async function issue(
  rotator: IssuedRotator,
  journaled: Journaled,
  issuance: Issuance,
): Promise<IssueReport> {
  const { record, values, versionId, preflight } = journaled;
  try {
    return await rotator.issue({
      ...values,
      versionId,
      startedAt: record.rotation.startedAt,
      candidate: preflight.candidate,
      issuance,
      known: record.ledger,
    });
  } catch (error) {
    if (hasMadeNothing(rotator, error)) {
      await updateRecord(journaled.ports.registry, record.secretId, (latest) =>
        uncounted(latest, versionId, issuance),
      );
    }
    throw error;
  }
}

export function hasMadeNothing({ madeNothing }: IssuedRotator, error: unknown): boolean {
  const { name } = error as Error;
  return MADE_NOTHING.has(name) || madeNothing?.has(name) === true;
}

/** The record without the attempt that has this number, unless a later one has begun. */
function uncounted<R extends SecretRecord>(record: R, versionId: string, { attempts }: Issuance): R {
  const now = credential(record, versionId)?.issuance;
  if (now?.attempts !== attempts) return record;
  return withCredentialChange(record, versionId, { issuance: { ...now, attempts: attempts - 1 } });
}

/** Ends a candidate of this very run, whose value it has in hand, and writes down that nobody needs to look for it. */
export async function takeBack(
  rotator: Rotator,
  { ports, values, versionId, incumbent }: Journaled,
  { record, value }: { readonly record: SecretRecord; readonly value: SecretText },
): Promise<void> {
  const { settings, admin } = values;
  await rotator.retire({
    settings,
    admin,
    identity: credential(record, versionId)?.identity ?? '',
    versionId,
    value,
    survivor: incumbent?.value,
    survivorVersionId: incumbent?.versionId,
    known: record.ledger,
  });
  const explained = credential(record, versionId)?.issuance?.explained;
  if (explained === undefined) return;
  await updateRecord(ports.registry, record.secretId, (latest) => {
    const issuance = credential(latest, versionId)?.issuance;
    if (issuance === undefined || (issuance.explained ?? 0) >= explained) return latest;
    return withCredentialChange(latest, versionId, { issuance: { ...issuance, explained } });
  });
}

/** What an earlier attempt has stored since this step looked: its answer was late, not lost. */
async function storedMeanwhile(
  { ports, record, versionId }: Journaled,
  attempts: number | undefined,
): Promise<SecretText | undefined> {
  if (attempts === undefined || attempts < 2) return undefined;
  return (await ports.secretStore.read(record.secretId, { versionId }))?.value;
}
