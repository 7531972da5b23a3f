import {
  AdminRefused,
  Misconfigured,
  RateLimited,
  RekeyError,
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
import { credential, NOTHING_OWED, withCredential, withCredentialChange } from './ledger.ts';
import type { OperationLog } from './operation-log.ts';
import { type RunningRecord, running, saveUndisturbed } from './phase.ts';
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
  const name = (latest: RunningRecord): RunningRecord => {
    const named = withCredentialChange(latest, versionId, { identity, expiresAt, issuance: explained });
    return { ...named, rotation: { ...named.rotation, candidate: identity } };
  };
  const made = { record: name(record), value, isAlive: true };
  const written = await saveUndisturbed(ports.registry, record, name);
  if (written === undefined) {
    await discard(rotator, journaled, made);
    throw new TransientFailure(`Another try of this rotation of "${secretId}" is having a credential made.`);
  }
  const saved = running(written, versionId);
  if ((await ports.secretStore.putPending(secretId, versionId, value)) === 'conflict') {
    await discard(rotator, journaled, { ...made, record: saved });
    throw new TransientFailure(`Another try of this rotation of "${secretId}" has stored its credential.`);
  }
  log.note('candidate_stored', { version_id: versionId, stage: 'AWSPENDING' });
  return { ...made, record: saved };
}

/** What says for sure, of every provider, that it has made nothing, where the fault itself does not say otherwise. */
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
async function issue(rotator: IssuedRotator, journaled: Journaled, issuance: Issuance): Promise<IssueReport> {
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
      await updateRecord(journaled.ports.registry, record.secretId, (latest) => uncounted(latest, versionId, issuance));
    }
    throw error;
  }
}

export function hasMadeNothing({ madeNothing }: IssuedRotator, error: unknown): boolean {
  if (error instanceof RekeyError && error.madeNothing !== undefined) return error.madeNothing;
  const { name } = error as Error;
  return MADE_NOTHING.has(name) || madeNothing?.has(name) === true;
}

/** The record without the attempt that has this number, unless a later one has begun. */
function uncounted<R extends SecretRecord>(record: R, versionId: string, { attempts }: Issuance): R {
  const now = credential(record, versionId)?.issuance;
  if (now?.attempts !== attempts) return record;
  return withCredentialChange(record, versionId, { issuance: { ...now, attempts: attempts - 1 } });
}

/**
 * Ends what was stored nowhere, so that nobody uses it: nothing else needs to work for that. The incumbent of a run that
 * comes late may have been retired by a later one.
 */
function discard(rotator: IssuedRotator, journaled: Journaled, made: BroughtIn): Promise<void> {
  return takeBack(rotator, { ...journaled, incumbent: undefined }, made);
}

/**
 * Ends a candidate of this very run, whose value it has in hand, and writes down that nobody needs to look for it. Where the
 * ledger has it for dead (this run comes after a roll back), it is a debt there first, until it is proved dead again: a
 * crash, or a target that is away, leaves what the sweep finds.
 */
export async function takeBack(
  rotator: Rotator,
  journaled: Journaled,
  made: { readonly record: SecretRecord; readonly value: SecretText },
): Promise<void> {
  const { ports, values, versionId, incumbent } = journaled;
  const { record, value } = made;
  const { settings, admin } = values;
  const identity = credential(record, versionId)?.identity ?? '';
  let isIndebted = false;
  try {
    isIndebted = await indebt(journaled, record);
  } finally {
    await rotator.retire({
      settings,
      admin,
      identity,
      versionId,
      value,
      survivor: incumbent?.value,
      survivorVersionId: incumbent?.versionId,
      known: record.ledger,
    });
  }
  const explained = credential(record, versionId)?.issuance?.explained;
  if (!isIndebted && explained === undefined) return;
  await updateRecord(ports.registry, record.secretId, (latest) => {
    const entry = credential(latest, versionId);
    const isPaid = isIndebted && entry?.state === 'grace' && entry.identity === identity;
    const issuance = entry?.issuance;
    const isNews = issuance !== undefined && explained !== undefined && (issuance.explained ?? 0) < explained;
    if (!isPaid && !isNews) return latest;
    return withCredentialChange(latest, versionId, {
      ...(isPaid ? { ...NOTHING_OWED, state: 'retired' } : {}),
      ...(isNews ? { issuance: { ...issuance, explained } } : {}),
    });
  });
}

/**
 * Writes that the candidate lives where the ledger says that it is dead, or knows it no more; and its name where that is
 * not known. Answers whether it is a debt by that. A later rotation may have the record: nothing of it is touched, and its
 * steps take this for what it is (`saveUndisturbed`).
 */
async function indebt({ ports, record: before, versionId }: Journaled, made: SecretRecord): Promise<boolean> {
  const alive = credential(made, versionId);
  if (alive === undefined) return false;
  const { identity, expiresAt } = alive;
  const unnamed = credential(before, versionId)?.identity;
  let wasDead = false;
  await updateRecord(ports.registry, made.secretId, (latest) => {
    const entry = credential(latest, versionId);
    const issuance = merged(entry?.issuance, alive.issuance);
    const named = { identity, expiresAt, ...(issuance === undefined ? {} : { issuance }) };
    wasDead = entry === undefined || entry.state === 'retired';
    if (wasDead) {
      return withCredential(latest, { ...alive, ...entry, ...named, state: 'grace', retireAt: ports.clock.now() });
    }
    const isToName = entry?.state === 'grace' && entry.identity === unnamed && identity !== unnamed;
    return isToName ? withCredentialChange(latest, versionId, named) : latest;
  });
  return wasDead;
}

/** Other attempts may have been begun, or explained, since. */
function merged(there: Issuance | undefined, own: Issuance | undefined): Issuance | undefined {
  if (there === undefined || own === undefined) return there ?? own;
  const explained = Math.max(there.explained ?? 0, own.explained ?? 0);
  return { ...there, attempts: Math.max(there.attempts, own.attempts), explained };
}

/** What an earlier attempt has stored since this step looked: its answer was late, not lost. */
async function storedMeanwhile(
  { ports, record, versionId }: Journaled,
  attempts: number | undefined,
): Promise<SecretText | undefined> {
  if (attempts === undefined || attempts < 2) return undefined;
  return (await ports.secretStore.read(record.secretId, { versionId }))?.value;
}
