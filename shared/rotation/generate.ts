import { LeaseHeld, Misconfigured, RotationEnded, TransientFailure } from '../errors.ts';
import type { SecretText } from '../redact.ts';
import type { RotationRecord, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import type { Preflight, Rotator } from '../rotators/rotator.ts';
import type { SecretVersion } from '../secret-store.ts';
import { issueCandidate, placeCandidate, takeBack } from './bring-in.ts';
import { adminValue, requireRotator, rotatorSettings } from './credential-values.ts';
import { endOverdue } from './end-credentials.ts';
import { isDeadFirst } from './first-value.ts';
import { followLabel } from './follow-label.ts';
import { isLeased, LEASE_SECONDS, withLease } from './lease.ts';
import { credential, withCredential, withCredentialChange, withSuperseded } from './ledger.ts';
import type { OperationLog } from './operation-log.ts';
import { type RotationInput, rotationIds } from './payloads.ts';
import { type PhaseOutcome, type RunningRecord, runPhase, running } from './phase.ts';
import type { RotationPorts } from './ports.ts';
import { closed } from './notify.ts';
import { rollBack } from './roll-back.ts';

/**
 * Brings in a candidate: lease, preflight, journal, store as `AWSPENDING`, install at the target, in this order; where a
 * provider makes the value: have it made, then store.
 *
 * Twice is harmless: the lease belongs to the rotation's id; the version is stored under it, so a second run reads the
 * value that the first one chose; installing sends the same verifier. A provider is asked again only while no value is
 * stored, and what it made before, whose value nobody has, is removed first. Throws `LeaseHeld` when another run is at work
 * and `RotationEnded` when this one is over, or the target knows of a later one.
 */
export async function generate(input: RotationInput, ports: RotationPorts): Promise<void> {
  const { record, reading } = await takeLease(input, ports);
  await runPhase(ports, input, 'generate', record, async (log, afterwards) => {
    const rotator = await requireRotator(ports, record, afterwards);
    return bringIn({ input, ports, record, log, rotator, stored: await reading });
  });
}

interface Begun {
  readonly record: RunningRecord;
  /** Begun while the lease is taken: whoever changes the secret's labels changes the record too, so the lease is lost. */
  readonly reading: Promise<Stored>;
}

async function takeLease(input: RotationInput, ports: RotationPorts): Promise<Begun> {
  const { registry, clock } = ports;
  for (;;) {
    const record = await requireRecord(registry, input.secretId);
    const now = clock.now();
    const previous = record.rotation;
    if (previous?.rotationId === input.rotationId) {
      if (previous.status !== 'running') throw new RotationEnded(`Rotation ${input.rotationId} has ended.`);
      const mine = running(withLease(record, input.rotationId, now), input.rotationId);
      return { record: mine, reading: readStored(mine, input.rotationId, ports) };
    }
    const reading = readStored(record, input.rotationId, ports);
    // Whoever does not get the lease does not need the answer.
    reading.catch(() => undefined);
    if (record.status !== 'active') {
      throw new Misconfigured(`"${input.secretId}" is ${record.status} in secrets.yaml; Rekey does not rotate it.`);
    }
    if (record.lease?.holder.startsWith('retire/') === true && isLeased(record, now)) {
      // Seconds: worth waiting for, where another rotation is not. A request would be lost otherwise.
      throw new TransientFailure(`A credential of "${input.secretId}" is being retired.`);
    }
    const leased = withLease(record, input.rotationId, now);
    if (previous?.status === 'running') {
      // A dead run's work comes first: its lease has expired, so nothing of it runs any more.
      await settle(previous, ports);
      continue;
    }
    const started = {
      ...leased,
      rotation: newRotation(input, startAfter(previous, now)),
      dueAt: new Date(now.getTime() + LEASE_SECONDS * 1000),
    };
    if ((await registry.save(started, { archived: previous })) === 'saved') {
      return { record: running({ ...started, revision: started.revision + 1 }, input.rotationId), reading };
    }
    if ((await registry.archivedRotation(input.secretId, input.rotationId)) !== undefined) {
      throw new RotationEnded(`Rotation ${input.rotationId} has ended.`);
    }
    const winner = await requireRecord(registry, input.secretId);
    if (winner.rotation?.rotationId !== input.rotationId && winner.lease !== undefined) {
      throw new LeaseHeld(`Another run took the lease of "${input.secretId}" first.`);
    }
  }
}

/** `now`, or, where the clock of the rotation before was ahead, later than that began: targets go by the order of starts. */
function startAfter(previous: RotationRecord | undefined, now: Date): Date {
  return new Date(Math.max(now.getTime(), previous === undefined ? 0 : previous.startedAt.getTime() + 1));
}

/** Ends a rotation that died without recovery: undone, or, where its switch was done, taken as succeeded. */
async function settle(dead: RotationRecord, ports: RotationPorts): Promise<void> {
  const { outcome } = await rollBack({ ...rotationIds(dead), fault: { Error: 'Abandoned' } }, ports);
  if (outcome === 'rolled_back') return;
  await updateRecord(ports.registry, dead.secretId, (latest) => {
    const { rotation } = latest;
    if (rotation?.rotationId !== dead.rotationId || rotation.status !== 'running') return latest;
    return closed({ ...latest, rotation }, ports.clock.now());
  });
}

interface Stored {
  readonly current: SecretVersion | undefined;
  readonly admin: SecretText | undefined;
  /** The candidate, when an earlier try has stored it. */
  readonly candidate: SecretVersion | undefined;
}

/** Two reads; one more on a later try, and for a secret that has no value yet. Throws `Misconfigured` when there is none. */
async function readStored(record: SecretRecord, rotationId: string, { secretStore }: RotationPorts): Promise<Stored> {
  const { secretId, declaration, rotation } = record;
  const isDeclared = declaration.adminSecret !== undefined;
  const isRetry = rotation?.rotationId === rotationId && rotation.candidate !== undefined;
  const [current, candidate, declaredAdmin] = await Promise.all([
    secretStore.read(secretId, { stage: 'AWSCURRENT' }),
    isRetry ? secretStore.read(secretId, { versionId: rotationId }) : undefined,
    isDeclared ? adminValue(secretStore, record, undefined) : undefined,
  ]);
  if (current === undefined && (await secretStore.describe(secretId)) === undefined) {
    throw new Misconfigured(`The secret "${secretId}" does not exist in Secrets Manager.`);
  }
  const admin = isDeclared ? declaredAdmin : await adminValue(secretStore, record, current?.value);
  return { current, admin, candidate };
}

async function bringIn({
  input,
  ports,
  record,
  log,
  rotator,
  stored,
}: {
  readonly input: RotationInput;
  readonly ports: RotationPorts;
  readonly record: RunningRecord;
  readonly log: OperationLog;
  readonly rotator: Rotator;
  readonly stored: Stored;
}): Promise<PhaseOutcome> {
  const { registry } = ports;
  const { secretId, rotationId: versionId } = input;
  const { current, admin } = stored;
  const settings = rotatorSettings(record);
  log.note('lease_taken');
  const replaced = current?.versionId === versionId ? undefined : current;
  // A first value that never worked keeps AWSCURRENT (the label cannot be taken off): it replaces nothing that lives.
  // An old one that people have made work again does.
  const isDead = replaced !== undefined && (await isDeadFirst(record, replaced, ports));
  const incumbent = isDead ? undefined : replaced;

  const followed =
    incumbent === undefined
      ? record
      : await followLabel({ ports, record, rotator, current: incumbent, rotationId: versionId });
  const cleared = running(
    await endOverdue({ ports, record: followed, admin, survivor: incumbent, rotationId: versionId }),
    versionId,
  );
  const values = { settings, admin, incumbent: incumbent?.value };
  const preflight = await rotator.preflight({
    ...values,
    versionId,
    candidate: stored.candidate?.value,
    incumbentVersionId: incumbent?.versionId,
    known: cleared.ledger,
  });
  log.note('preflight_passed', { ...preflight.facts, candidate: preflight.candidate });

  const issues = rotator.kind === 'issued' && stored.candidate === undefined ? ports.clock.now() : undefined;
  const journaled = running(
    await updateRecord(
      registry,
      secretId,
      (latest) => journal(latest, versionId, preflight, replaced, issues),
      cleared,
    ),
    versionId,
  );
  for (const { versionId: old, identity, state } of cleared.ledger) {
    if (state === 'retired' || credential(journaled, old) !== undefined) continue;
    log.note(`superseded_${old}`, { superseded_version_id: old, credential: identity }, 'medium');
  }
  log.note('candidate_journaled', { candidate: preflight.candidate, version_id: versionId });

  const candidate = {
    ports,
    record: journaled,
    log,
    values,
    versionId,
    incumbent,
    preflight,
    stored: stored.candidate?.value,
  };
  const generated =
    rotator.kind === 'issued' ? await issueCandidate(rotator, candidate) : await placeCandidate(rotator, candidate);
  const { warning } = generated;
  const facts = {
    ...preflight.facts,
    candidate: generated.record.rotation.candidate ?? '',
    ...(warning === undefined ? {} : { warning }),
  };
  // Known by now, and only by now: what bears its name at the target is Rekey's.
  const change = (latest: RunningRecord) => withCredentialChange(latest, versionId, { wasStored: true });
  if (!generated.isAlive) return { facts, change, record: generated.record };
  return {
    facts,
    change,
    record: generated.record,
    // A stopped execution's function goes on while recovery rolls its rotation back: whoever does that writes the record
    // first. With the record as the journal left it, whoever rolls back from now on finds what has been installed.
    disturbed: async () => {
      await takeBack(rotator, candidate, generated);
      throw new TransientFailure(`The entry of "${secretId}" was changed while its candidate was installed.`);
    },
  };
}

/**
 * Written before the first side effect: who the candidate will be, and whom it replaces. `latest` itself when all of it
 * is there: a duplicate of this step must not look like somebody else's write. Where a provider is about to be asked
 * (`issues`: now), every attempt is written, and by whom it will be found.
 */
function journal(
  latest: SecretRecord,
  rotationId: string,
  preflight: Preflight,
  replaced: SecretVersion | undefined,
  issues: Date | undefined,
): SecretRecord {
  const record = running(latest, rotationId);
  let changed = record;
  if (replaced !== undefined && preflight.incumbent !== undefined) {
    changed = withCurrent(changed, preflight.incumbent, replaced.versionId);
  }
  if (credential(changed, rotationId) === undefined) {
    changed = withCredential(changed, {
      identity: preflight.candidate,
      versionId: rotationId,
      state: 'proposed',
      since: record.rotation.startedAt,
    });
  }
  if (issues !== undefined) {
    const before = credential(changed, rotationId)?.issuance;
    // While every attempt has surely made nothing, nothing that is there is this rotation's.
    const begun = before === undefined || before.attempts === 0 ? undefined : before;
    const { attempts, ...first } = begun ?? { since: issues, existing: preflight.existing ?? [], attempts: 0 };
    changed = withCredentialChange(changed, rotationId, { issuance: { ...first, attempts: attempts + 1 } });
  }
  const { candidate, incumbentVersionId } = record.rotation;
  const identity = credential(changed, rotationId)?.identity ?? preflight.candidate;
  if (changed === record && candidate === identity && incumbentVersionId === replaced?.versionId) return latest;
  const rotation: RotationRecord = {
    ...changed.rotation,
    candidate: identity,
    incumbent: preflight.incumbent,
    incumbentVersionId: replaced?.versionId,
  };
  return { ...changed, rotation };
}

/** What lives under another version and is called the same, is the same: its entry is this version's. */
function withCurrent(record: RunningRecord, identity: string, versionId: string): RunningRecord {
  if (credential(record, versionId)?.state === 'current') return record;
  const superseded = record.ledger.filter(
    (entry) =>
      ['current', 'grace'].includes(entry.state) && entry.versionId !== versionId && entry.identity === identity,
  );
  const kept = superseded.reduce((books, entry) => withSuperseded(books, entry.versionId, versionId), record);
  return credential(kept, versionId)?.state === 'current'
    ? kept
    : withCredential(kept, { identity, versionId, state: 'current', wasStored: true });
}

function newRotation(input: RotationInput, startedAt: Date): RotationRecord {
  return {
    ...rotationIds(input),
    status: 'running',
    startedAt,
    endedAt: undefined,
    candidate: undefined,
    incumbent: undefined,
    incumbentVersionId: undefined,
    phases: [],
    rollout: undefined,
    fault: undefined,
    alerted: [],
  };
}
