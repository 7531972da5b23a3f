import type { AlertKind } from '../config/declaration.ts';
import { HeldTooLong, OrphanInDoubt } from '../errors.ts';
import type { RotationInput } from '../rotation/payloads.ts';
import type { LedgerCredential, RotationRecord, SecretRecord } from '../registry/registry.ts';
import type { Alert } from './alert.ts';
import { remedyFor } from './remedies.ts';

const SUBJECT_LENGTH = 100;

/** A finished rotation. */
export function succeededAlert(record: SecretRecord, rotation: RotationRecord, now: Date): Alert {
  const seconds = secondsBetween(rotation.startedAt, now);
  const grace = graceOf(record, rotation);
  // What the rotator had to say when it brought the candidate in.
  const warning = rotation.phases.find(({ name }) => name === 'generate')?.facts['warning'];
  return alert('rotation_succeeded', record, rotation, now, {
    subject: `[rekey] Rotated ${record.secretId} (${record.environment})`,
    paragraphs: [
      `What happened: the secret "${record.secretId}" (${record.type}, environment ${record.environment}) has a new value since ${iso(now)}. Reason: ${rotation.reason}, requested by ${rotation.requestedBy}. It took ${seconds} s.`,
      `Effect: none for its consumers${followers(rotation)}. ${rotation.incumbent === undefined ? 'It had no value before.' : `"${rotation.candidate}" replaced "${rotation.incumbent}".`} The new value was tested before the switch and logged in after it.`,
      grace === undefined
        ? 'Still owed: nothing.'
        : `Still owed: the replaced credential "${grace.identity}" stays valid until ${iso(grace.retireAt)}, then Rekey ends it and proves it dead.`,
      ...(warning === undefined ? [] : [`Mind: ${warning}`]),
      `What to do: ${warning === undefined ? 'nothing.' : 'see to what there is to mind; Rekey cannot.'}`,
    ],
    facts: {
      duration_seconds: seconds,
      consumers: rotation.rollout?.consumers ?? 0,
      version_id: rotation.rotationId,
      ...(grace?.retireAt === undefined ? {} : { retire_at: grace.retireAt.toISOString() }),
      ...(warning === undefined ? {} : { warning }),
    },
  });
}

const NOT_REMOVED = 'the new credential could not be removed at the target yet; Rekey does it with the next run.';

/** A rotation that went back. */
export function rolledBackAlert(record: SecretRecord, rotation: RotationRecord, now: Date): Alert {
  const fault = faultOf(rotation);
  const debt = record.ledger.find(
    ({ versionId, owedSince }) => versionId === rotation.rotationId && owedSince !== undefined,
  );
  return alert('rotation_rolled_back', record, rotation, now, {
    subject: `[rekey] Rolled back ${record.secretId} (${record.environment}): ${fault.name}`,
    paragraphs: [
      `What happened: the rotation of "${record.secretId}" (${record.type}, environment ${record.environment}) was stopped and rolled back at ${iso(now)}. ${fault.text}`,
      'Effect: none for its consumers. The value in use before is still the current one, and works as before.',
      ...(debt === undefined ? [] : [`Still owed: ${debt.doubt ?? NOT_REMOVED}`]),
      `What to do: ${remedyFor(fault.name)} Rekey tries again by itself at ${iso(record.dueAt)}; to try at once: rekey rotate ${record.secretId}`,
    ],
    facts: { fault: fault.name, fault_message: fault.message, candidate_owed: debt !== undefined },
  });
}

/** A switch that somebody took back. */
export function revertedAlert(
  record: SecretRecord,
  {
    previous,
    current,
    requestId,
  }: { readonly previous: LedgerCredential; readonly current: LedgerCredential; readonly requestId: string },
  now: Date,
): Alert {
  const { secretId, environment } = record;
  return alert('rotation_rolled_back', record, { rotationId: current.versionId }, now, {
    subject: `[rekey] Taken back ${secretId} (${environment}): on request`,
    paragraphs: [
      `What happened: somebody took the last rotation of "${secretId}" (environment ${environment}) back at ${iso(now)}. The credential "${previous.identity}" is current again.`,
      'Effect: none for its consumers. Both credentials work while they change over.',
      `Still owed: "${current.identity}" is ended after the grace period, when no consumer uses it any more.`,
      `What to do: if the replaced value was exposed, rotate again: rekey rotate ${secretId}`,
    ],
    facts: { version_id: previous.versionId, replaced_version_id: current.versionId },
    id: `${requestId}/reverted`,
  });
}

/** A rotation whose roll back did not end. */
export function failedAlert(record: SecretRecord, rotation: RotationRecord, now: Date): Alert {
  const fault = faultOf(rotation);
  return alert('rotation_failed', record, rotation, now, {
    subject: `[rekey] FAILED ${record.secretId} (${record.environment}): ${fault.name}, roll back not finished`,
    paragraphs: [
      `What happened: the rotation of "${record.secretId}" (${record.type}, environment ${record.environment}) stopped, and rolling it back has not ended by ${iso(now)}. ${fault.text}`,
      'Effect: consumers go on with the current value. A new credential may be left at the target; Rekey has it in its journal.',
      `What to do: ${remedyFor(fault.name)} Rekey takes the roll back up again by itself; "rekey status" shows when it is done.`,
    ],
    facts: { fault: fault.name, fault_message: fault.message },
  });
}

/** A rotation that failed before it had taken the lease: nothing was done. */
export function notBegunAlert(record: SecretRecord, input: RotationInput, fault: string, now: Date): Alert {
  const { secretId, environment } = record;
  return alert('rotation_failed', record, input, now, {
    subject: `[rekey] Not begun ${secretId} (${environment}): ${fault}`,
    paragraphs: [
      `What happened: a rotation of "${secretId}" (environment ${environment}; reason: ${input.reason}, requested by ${input.requestedBy}) could not begin by ${iso(now)}. Cause: ${fault}.`,
      'Effect: none. Nothing was changed.',
      `What to do: ${remedyFor(fault)} Rekey tries again by itself at ${iso(record.dueAt)}.`,
    ],
    facts: { fault },
  });
}

/** A replaced credential that could not be proved dead, or that consumers have not left. */
export function owedAlert(
  record: SecretRecord,
  debt: LedgerCredential,
  { rotationId, fault }: { readonly rotationId: string; readonly fault: string },
  now: Date,
): Alert {
  const { secretId, environment } = record;
  if (debt.doubt !== undefined && fault === OrphanInDoubt.errorName) return doubtAlert(record, debt, rotationId, now);
  const should = `What happened: the replaced credential "${debt.identity}" of "${secretId}" (environment ${environment}) should be dead since ${iso(debt.retireAt)}`;
  const paragraphs =
    fault === HeldTooLong.errorName
      ? [
          `${should}, and consumers still use it. Rekey does not take it from them.`,
          'Effect: consumers are not affected. The old credential still opens the target.',
          `What to do: "rekey status ${secretId} --watch" names the consumers; restart those that hang. If this cannot wait, disable "${debt.identity}" at the target by hand.`,
        ]
      : [
          `${should}, and Rekey could not end it or prove it dead. Cause: ${fault}.`,
          'Effect: consumers are not affected. The old credential may still open the target.',
          `What to do: see that the target is reachable and that the administrator's credential works; Rekey tries again every hour. If this cannot wait, disable "${debt.identity}" at the target by hand.`,
        ];
  return alert('retirement_owed', record, { rotationId }, now, {
    subject: `[rekey] Retirement owed: ${debt.identity} of ${secretId} (${environment})`,
    paragraphs,
    facts: { fault, credential: debt.identity, version_id: debt.versionId, owed_since: iso(debt.owedSince ?? now) },
    id: `${debt.versionId}/retirement_owed/${iso(now)}`,
  });
}

/** What Rekey may have made and cannot find, or may not touch. */
function doubtAlert(
  record: SecretRecord,
  { identity, versionId, owedSince, doubt = '' }: LedgerCredential,
  rotationId: string,
  now: Date,
): Alert {
  const { secretId, environment } = record;
  const since = iso(owedSince ?? now);
  return alert('retirement_owed', record, { rotationId }, now, {
    subject: `[rekey] In doubt: ${identity} of ${secretId} (${environment})`,
    paragraphs: [
      `What happened: what a rotation of "${secretId}" (environment ${environment}) may have left at the target is in doubt since ${since}. ${doubt}`,
      'Effect: consumers are not affected, and rotations go on. What is there may open the target.',
      `What to do: ${remedyFor(OrphanInDoubt.errorName)} Rekey looks again every hour, and goes on telling of it.`,
    ],
    facts: {
      fault: OrphanInDoubt.errorName,
      credential: identity,
      version_id: versionId,
      owed_since: since,
      doubt,
    },
    id: `${versionId}/retirement_owed/${iso(now)}`,
  });
}

interface Wording {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly id?: string;
}

function alert(
  kind: AlertKind,
  { environment, secretId }: SecretRecord,
  { rotationId }: { readonly rotationId: string },
  now: Date,
  { subject, paragraphs, facts, id = `${rotationId}/${kind}` }: Wording,
): Alert {
  return {
    kind,
    subject: fitSubject(subject),
    body: `${paragraphs.join('\n\n')}\n\nRotation: ${rotationId}\nEvidence: rekey audit log ${secretId} --rotation ${rotationId}\n`,
    facts: {
      alert_id: id,
      kind,
      environment,
      secret_id: secretId,
      rotation_id: rotationId,
      timestamp: now.toISOString(),
      ...facts,
    },
  };
}

/** SNS: ASCII, no control characters, under 100 characters (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). */
function fitSubject(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length < SUBJECT_LENGTH ? printable : `${printable.slice(0, SUBJECT_LENGTH - 4)}...`;
}

function followers({ rollout }: RotationRecord): string {
  if (rollout === undefined || rollout.bounds.length === 0) return '';
  return `: ${rollout.consumers} of them were handed the new value before the switch, in ${rollout.bounds.length} batches`;
}

function graceOf(record: SecretRecord, rotation: RotationRecord): LedgerCredential | undefined {
  return record.ledger.find(({ versionId, state }) => versionId === rotation.incumbentVersionId && state === 'grace');
}

function faultOf(rotation: RotationRecord): { readonly name: string; readonly message: string; readonly text: string } {
  const { name, message } = rotation.fault ?? { name: 'Unknown', message: '' };
  return { name, message, text: `Cause: ${name}${message === '' ? '.' : `: ${message}`}` };
}

function secondsBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / 100) / 10;
}

function iso(date: Date | undefined): string {
  return date === undefined ? 'the next scheduled time' : `${date.toISOString().slice(0, 19)}Z`;
}
