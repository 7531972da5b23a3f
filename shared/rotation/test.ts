import { CandidateUnproven, IncumbentRefused, Misconfigured } from '../errors.ts';
import { requireRecord } from '../registry/update-record.ts';
import { adminValue, requireRotator, requireVersion, rotatorSettings } from './credential-values.ts';
import type { RotationInput } from './payloads.ts';
import { hasEnded, operationLog, requireRunning, type RunningRecord, runPhase } from './phase.ts';
import type { TestInput } from '../rotators/rotator.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Pre-heat: the candidate logs in until enough health checks in a row succeed, and can do exactly what the incumbent
 * can. Changes nothing at the target, so running it twice is harmless. Throws `CandidateUnproven`.
 *
 * Without overlap (single-role mode) the candidate is not installed yet: the incumbent is proved instead, and Apply
 * tests the candidate.
 */
export async function test(input: RotationInput, ports: RotationPorts): Promise<void> {
  const reading = ports.secretStore.read(input.secretId, { versionId: input.rotationId });
  reading.catch(() => undefined); // Awaited only where the rotation runs.
  const record = await requireRunning(ports, input);
  if (!hasEnded(record, 'generate'))
    throw new CandidateUnproven('There is no candidate to test: Generate has not ended.');
  await runPhase(ports, input, 'test', record, async (log, afterwards) => {
    const rotator = await requireRotator(ports, record, afterwards);
    const candidate = (await reading) ?? (await requireVersion(ports, input.secretId, input.rotationId));
    if (!rotator.overlap) {
      const incumbent = await ports.secretStore.read(input.secretId, { stage: 'AWSCURRENT' });
      if (incumbent !== undefined && (await rotator.probe(incumbent.value, rotatorSettings(record))) === 'refused') {
        throw new IncumbentRefused(`The incumbent of "${input.secretId}" no longer opens its target.`);
      }
      log.note('incumbent_healthy');
      return { facts: { deferred: 'the candidate is tested in apply: this mode has no overlap' } };
    }
    const report = await rotator.test({
      settings: rotatorSettings(record),
      candidate: candidate.value,
      incumbentIdentity: record.rotation.incumbent,
      ...(rotator.comparesWith === 'values' ? await valuesToCompare(record, ports) : {}),
    });
    log.note('candidate_healthy', { successes: report.healthy });
    log.note('capabilities_equal', { compared: report.parity });
    return { facts: { healthy: String(report.healthy), parity: report.parity.join(', ') } };
  });
}

/**
 * Proves that a rotation could be tested, without one: Rekey knows the secret, and the pending version that somebody else
 * has made of it opens the target. One login; nothing is written but the audit entry. Throws `Misconfigured` for a secret
 * that is not rotated, `CandidateUnproven` when the value is refused.
 */
export async function testPending(input: RotationInput, ports: RotationPorts): Promise<void> {
  const { secretId, rotationId: versionId } = input;
  const record = await requireRecord(ports.registry, secretId);
  const log = operationLog(ports, input, 'test');
  await log.during(ports.auditTrail, secretId, async () => {
    if (record.status !== 'active') {
      throw new Misconfigured(`"${secretId}" is ${record.status} in secrets.yaml; Rekey does not rotate it.`);
    }
    await using afterwards = new AsyncDisposableStack();
    const rotator = await requireRotator(ports, record, afterwards);
    const { value } = await requireVersion(ports, secretId, versionId);
    if ((await rotator.probe(value, rotatorSettings(record))) === 'refused') {
      throw new CandidateUnproven(`The pending version ${versionId} of "${secretId}" does not open its target.`);
    }
    log.note('configuration_tested', { version_id: versionId });
  });
}

/** What the candidate replaces, and who may look at both: for targets where a login does not see the other's rights. */
async function valuesToCompare(
  record: RunningRecord,
  { secretStore }: RotationPorts,
): Promise<Pick<TestInput, 'incumbent' | 'admin'>> {
  const { incumbentVersionId: versionId } = record.rotation;
  const incumbent =
    versionId === undefined ? undefined : (await secretStore.read(record.secretId, { versionId }))?.value;
  return { incumbent, admin: await adminValue(secretStore, record, incumbent) };
}
