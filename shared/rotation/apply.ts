import { CandidateUnproven, CurrentVersionMoved, TransientFailure } from '../errors.ts';
import { settle } from '../rollout/notices.ts';
import { adminValue, requireRotator, requireVersion, rotatorSettings } from './credential-values.ts';
import { withLease } from './lease.ts';
import { credential, withCredentialChange } from './ledger.ts';
import type { ApplyResult, RotationInput } from './payloads.ts';
import { hasEnded, type RunningRecord, requireRunning, runPhase } from './phase.ts';
import type { RotationPorts } from './ports.ts';
import type { ChosenRotator } from '../rotators/rotator.ts';

/**
 * Moves `AWSCURRENT` to the candidate by compare-and-swap, reads it back, logs in with what was read, and tells the
 * consumers that it is settled.
 *
 * Twice is harmless: a label that is already on the candidate stays there. Throws `CurrentVersionMoved` when somebody
 * else moved the label, and `CandidateUnproven` when the value read back does not open the target.
 */
export async function apply(input: RotationInput, ports: RotationPorts): Promise<ApplyResult> {
  const record = await requireRunning(ports, input);
  if (!hasEnded(record, 'audit')) throw new CandidateUnproven('The switch has not been recorded: Audit has not ended.');
  const applied = await runPhase(ports, input, 'apply', record, async (log, afterwards) => {
    const { secretId, rotationId } = input;
    const rotator = await requireRotator(ports, record, afterwards);
    if (rotator.kind === 'chosen' && !rotator.overlap) {
      const report = await installNow(rotator, ports, record);
      log.note('candidate_installed', report.facts);
    }
    const from = record.rotation.incumbentVersionId;
    const moved = await ports.secretStore.promote(secretId, { from, to: rotationId });
    const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
    if (moved === 'lost' && current?.versionId !== rotationId) {
      throw currentMoved(record, current?.versionId);
    }
    // A read right after the move may still answer the version before it: the candidate's own is then the one to try.
    const readBack = current?.versionId === rotationId ? current : await requireVersion(ports, secretId, rotationId);
    log.note('current_moved', { version_id: rotationId, replaced_version_id: from ?? 'none' });
    if ((await rotator.probe(readBack.value, rotatorSettings(record))) === 'refused') {
      // At once, not only in RollBack: a stopped execution's function may come here after all has been rolled back.
      if (from !== undefined) await ports.secretStore.promote(secretId, { from: rotationId, to: from });
      throw new CandidateUnproven(`The target refused the new current value of "${secretId}".`);
    }
    log.note('current_validated', { version_id: rotationId });
    if (isFollowed(record)) await settle(ports.rollouts, secretId, { rotationId, versionId: rotationId });
    return { facts: { version: rotationId }, change: switched(ports.clock.now()) };
  });
  return retirementOf(applied, input);
}

/** Whether consumers are told of the switch now. Those that come later, Retire tells. */
export function isFollowed({ rotation, declaration }: RunningRecord): boolean {
  return declaration.reload.hotReload && (rotation.rollout?.consumers ?? 0) > 0;
}

/** The ledger after the switch: the candidate is current, the incumbent's grace begins at `now`. */
export function switched(now: Date): (record: RunningRecord) => RunningRecord {
  return (record) => {
    const { rotationId, incumbentVersionId } = record.rotation;
    const promoted = {
      ...withCredentialChange(record, rotationId, { state: 'current', wasStored: true }),
      lastRotatedAt: now,
    };
    const incumbent = credential(record, incumbentVersionId);
    if (incumbent?.state !== 'current') return promoted;
    const retireAt = new Date(now.getTime() + record.declaration.graceSeconds * 1000);
    return withCredentialChange(promoted, incumbent.versionId, { state: 'grace', retireAt, wasStored: true });
  };
}

/** What is to be retired after `record`'s switch, if anything is. */
export function retirementOf(
  record: { readonly rotation: RunningRecord['rotation'] | undefined; readonly ledger: RunningRecord['ledger'] },
  { environment, secretId, rotationId }: RotationInput,
): ApplyResult {
  const versionId = record.rotation?.incumbentVersionId;
  const replaced = record.ledger.find((entry) => entry.versionId === versionId && entry.state === 'grace');
  if (replaced?.retireAt === undefined) return {};
  return {
    retirement: {
      environment,
      secretId,
      rotationId,
      versionId: replaced.versionId,
      retireAt: replaced.retireAt.toISOString(),
    },
  };
}

/**
 * Single-role mode: from here until the label has moved, new logins with the incumbent are refused. Not begun when the
 * label is elsewhere: a stopped execution's function may come here when a later rotation has changed the password. Taken
 * back when somebody has written the record meanwhile, as in Generate: whoever rolls back does that first.
 */
async function installNow(rotator: ChosenRotator, ports: RotationPorts, record: RunningRecord) {
  const { secretId, rotationId, incumbentVersionId, startedAt } = record.rotation;
  const candidate = (await requireVersion(ports, secretId, rotationId)).value;
  const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
  if (![incumbentVersionId, rotationId].includes(current?.versionId)) throw currentMoved(record, current?.versionId);
  const isSwitched = current?.versionId === rotationId;
  const incumbent = current?.value;
  const admin = await adminValue(ports.secretStore, record, incumbent);
  const settings = rotatorSettings(record);
  const report = await rotator.install({ settings, admin, incumbent, versionId: rotationId, startedAt, candidate });
  if (!isSwitched && (await ports.registry.save(withLease(record, rotationId, ports.clock.now()))) === 'conflict') {
    const identity = record.rotation.candidate ?? '';
    await rotator.retire({ settings, admin, identity, versionId: rotationId, value: candidate, survivor: incumbent });
    throw new TransientFailure(`The entry of "${secretId}" was changed while its candidate was installed.`);
  }
  await rotator.test({ settings, candidate, incumbentIdentity: record.rotation.incumbent });
  return report;
}

function currentMoved({ rotation }: RunningRecord, found: string | undefined): CurrentVersionMoved {
  const { secretId, incumbentVersionId } = rotation;
  return new CurrentVersionMoved(
    `AWSCURRENT of "${secretId}" is on version ${found ?? 'none'}, expected ${incumbentVersionId ?? 'none'}: somebody else moved it.`,
  );
}
