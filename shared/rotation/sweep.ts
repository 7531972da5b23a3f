import { RecordUnreadable, TransientFailure } from '../errors.ts';
import type { LedgerCredential, Registry, SecretRecord } from '../registry/registry.ts';
import { updateRecord } from '../registry/update-record.ts';
import { isAtWork } from './at-work.ts';
import { credential, isMortal, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RecoveryPorts } from './recover.ts';
import { nameOfVersion } from './rotation-id.ts';

/**
 * A retirement that goes on leaves a sign at least every hour (a debt, whether people could be told of it or not), or ends within an hour of waiting (consumers, a
 * credential's own end). One that has been silent for longer has no execution any more.
 */
const SILENT_SECONDS = 150 * 60;

export interface SweepResult {
  /** Secrets looked at. */
  readonly secrets: number;
  /** Credentials that were journaled, belong to no rotation that runs, and are ended now. */
  readonly orphans: number;
  /** Retirements whose execution was gone, started again. */
  readonly restarted: number;
}

/**
 * Goes through every ledger for credentials that should not live any more and that nobody is about to end: candidates
 * of rotations that are over, or that died on a secret that is not rotated any more; versions that two entries call
 * current; retirements whose execution is gone. Each gets a retirement, which ends it, proves it dead, and tells people
 * while it cannot. Only what the ledger names: nothing that Rekey has not made.
 *
 * Twice is harmless: an orphan that was found is a debt like any other; a retirement that runs is known by its name, and
 * a second one changes nothing.
 */
export async function sweep(
  ports: Pick<RecoveryPorts, 'registry' | 'secretStore' | 'auditTrail' | 'clock' | 'startRetirement'>,
  environment: string,
): Promise<SweepResult> {
  const result = { secrets: 0, orphans: 0, restarted: 0 };
  const missed: unknown[] = [];
  const unreadable: RecordUnreadable[] = [];
  for await (const record of readable(ports.registry, unreadable)) {
    if (record.environment !== environment) continue;
    result.secrets += 1;
    try {
      const found = await sweepOne(record, ports, environment);
      result.orphans += found.orphans;
      result.restarted += found.restarted;
    } catch (error) {
      missed.push(error); // One secret must not keep the others from being looked at.
    }
  }
  const [lasting] = unreadable;
  if (missed.length > 0) {
    const named = lasting === undefined ? '' : ` ${lasting.safeMessage}`;
    throw new TransientFailure(`${missed.length} of ${result.secrets} secrets could not be swept.${named}`, {
      cause: missed.length === 1 ? missed[0] : new AggregateError(missed),
    });
  }
  if (lasting !== undefined) throw lasting;
  return result;
}

/** Every record that can be read; what says which cannot is kept for the end. */
async function* readable(registry: Registry, unreadable: RecordUnreadable[]): AsyncIterable<SecretRecord> {
  try {
    yield* registry.list();
  } catch (error) {
    if (!(error instanceof RecordUnreadable)) throw error;
    unreadable.push(error);
  }
}

async function sweepOne(
  record: SecretRecord,
  ports: Pick<RecoveryPorts, 'registry' | 'secretStore' | 'auditTrail' | 'clock' | 'startRetirement'>,
  environment: string,
): Promise<Omit<SweepResult, 'secrets'>> {
  const now = ports.clock.now();
  const found = isAtWork(record, now) ? [] : await orphansOf(record, ports);
  const taken = found.length === 0 ? undefined : await takeIn(record, found, ports);
  const [swept, orphans] = taken === undefined ? [record, []] : [taken, found];
  const isOrphan = ({ versionId }: LedgerCredential) => orphans.some((entry) => entry.versionId === versionId);
  const result = { orphans: 0, restarted: 0 };
  for (const entry of swept.ledger) {
    const { state, versionId, retireAt } = entry;
    if (!isMortal(state) || retireAt === undefined || !(isOrphan(entry) || isSilent(entry, now))) continue;
    await ports.startRetirement(nameOf(entry, now), {
      environment,
      secretId: record.secretId,
      rotationId: versionId,
      versionId,
      retireAt: retireAt.toISOString(),
    });
    result[isOrphan(entry) ? 'orphans' : 'restarted'] += 1;
  }
  return result;
}

/** Candidates without a rotation, and all but one that call themselves current: which one, the label says. */
async function orphansOf(
  record: SecretRecord,
  { secretStore }: Pick<RecoveryPorts, 'secretStore'>,
): Promise<readonly LedgerCredential[]> {
  const proposed = record.ledger.filter(({ state }) => state === 'proposed');
  const current = record.ledger.filter(({ state }) => state === 'current');
  if (proposed.length === 0 && current.length < 2) return [];
  const stages = (await secretStore.describe(record.secretId))?.stagesByVersion;
  const isLabelled = ({ versionId }: LedgerCredential) => stages?.[versionId]?.includes('AWSCURRENT') === true;
  // Without the label on one of them somebody else has moved it: nothing is clear enough to end anything.
  const surplus = current.some(isLabelled) ? current.filter((entry) => !isLabelled(entry)) : [];
  return [...proposed.filter((entry) => !isLabelled(entry)), ...(current.length < 2 ? [] : surplus)];
}

/**
 * Makes debts of them, due at once; what was current has the secret's grace period. A rotation is over with its candidate.
 * `undefined`, and nothing is written, where the record says something else by now.
 */
async function takeIn(
  record: SecretRecord,
  orphans: readonly LedgerCredential[],
  { registry, auditTrail, clock }: Pick<RecoveryPorts, 'registry' | 'auditTrail' | 'clock'>,
): Promise<SecretRecord | undefined> {
  const now = clock.now();
  const log = new OperationLog(clock, {
    scope: `sweep/${orphans.map(({ versionId }) => versionId).join('/')}`,
    step: 'sweep',
    reason: 'no rotation answers for the credential',
    facts: {},
  });
  const { entries } = await log.collect(auditTrail, record.secretId, async () => {
    for (const { versionId, identity, state } of orphans) {
      log.note(`orphan_found_${versionId}`, { version_id: versionId, credential: identity, was: state }, 'high');
    }
  });
  const indebted = (latest: SecretRecord) =>
    orphans.reduce((before, { versionId, state }) => {
      if (isAtWork(latest, now) || credential(before, versionId)?.state !== state) throw new SeenTo();
      const books = withoutDead(before, versionId, now);
      const graceSeconds = state === 'current' ? latest.declaration.graceSeconds : 0;
      const retireAt = new Date(now.getTime() + graceSeconds * 1000);
      return withCredentialChange(books, versionId, { state: 'grace', retireAt });
    }, latest);
  try {
    return await updateRecord(registry, record.secretId, indebted, record, entries);
  } catch (error) {
    if (error instanceof SeenTo) return undefined;
    throw error;
  }
}

/** Somebody else has seen to an orphan since it was found, or is about to: what is left is there at the next sweep. */
class SeenTo extends Error {}

/** The record whose running rotation, if it is `rotationId`, is over: nobody goes on with it. */
function withoutDead(record: SecretRecord, rotationId: string, now: Date): SecretRecord {
  const { rotation } = record;
  if (rotation?.rotationId !== rotationId || rotation.status !== 'running') return record;
  const fault = rotation.fault ?? { name: 'Abandoned', message: '' };
  return { ...record, lease: undefined, rotation: { ...rotation, status: 'rolled_back', endedAt: now, fault } };
}

function isSilent({ retireAt, owedAlertAt, owedTriedAt }: LedgerCredential, now: Date): boolean {
  if (retireAt === undefined) return false;
  const sign = Math.max(...[retireAt, owedAlertAt, owedTriedAt].map((time) => time?.getTime() ?? 0));
  return now.getTime() - sign > SILENT_SECONDS * 1000;
}

/** A new name for each round, so that a retirement that failed under the name before can begin again. */
function nameOf({ versionId }: LedgerCredential, now: Date): string {
  return `sweep-${nameOfVersion(versionId)}-${Math.floor(now.getTime() / (SILENT_SECONDS * 1000))}`;
}
