import { CandidateUnproven, CurrentVersionMoved } from '../errors.ts';
import { adminValue, requireRotator, requireVersion, rotatorSettings } from './credential-values.ts';
import { credential, withCredentialChange } from './ledger.ts';
import type { ApplyResult, RotationInput } from './payloads.ts';
import { hasEnded, type RunningRecord, requireRunning, runPhase } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Moves `AWSCURRENT` to the candidate by compare-and-swap, reads it back and logs in with what was read.
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
    if (!rotator.overlap) {
      const report = await installNow(ports, record);
      log.note('candidate_installed', report.facts);
    }
    const from = record.rotation.incumbentVersionId;
    const moved = await ports.secretStore.promote(secretId, { from, to: rotationId });
    const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
    if (moved === 'lost' && current?.versionId !== rotationId) {
      throw new CurrentVersionMoved(
        `AWSCURRENT of "${secretId}" is on version ${current?.versionId ?? 'none'}, expected ${from ?? 'none'}: somebody else moved it.`,
      );
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
    return { facts: { version: rotationId }, change: switched(ports.clock.now()) };
  });
  return retirementOf(applied, input);
}

/** The ledger after the switch: the candidate is current, the incumbent's grace begins at `now`. */
export function switched(now: Date): (record: RunningRecord) => RunningRecord {
  return (record) => {
    const { rotationId, incumbentVersionId } = record.rotation;
    const promoted = { ...withCredentialChange(record, rotationId, { state: 'current' }), lastRotatedAt: now };
    const incumbent = credential(record, incumbentVersionId);
    if (incumbent?.state !== 'current') return promoted;
    const retireAt = new Date(now.getTime() + record.declaration.graceSeconds * 1000);
    return withCredentialChange(promoted, incumbent.versionId, { state: 'grace', retireAt });
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

/** Single-role mode: from here until the label has moved, new logins with the incumbent are refused. */
async function installNow(ports: RotationPorts, record: RunningRecord) {
  const { secretId, rotationId } = record.rotation;
  const rotator = await requireRotator(ports, record);
  const candidate = (await requireVersion(ports, secretId, rotationId)).value;
  const incumbent = (await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' }))?.value;
  const admin = await adminValue(ports.secretStore, record, incumbent);
  const settings = rotatorSettings(record);
  const report = await rotator.install({ settings, admin, incumbent, versionId: rotationId, candidate });
  await rotator.test({ settings, candidate, incumbentIdentity: record.rotation.incumbent });
  return report;
}
