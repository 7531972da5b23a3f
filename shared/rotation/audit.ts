import { CandidateUnproven } from '../errors.ts';
import type { RotationInput } from './payloads.ts';
import { hasEnded, phaseRecord, requireRunning, runPhase } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Writes down, before anything switches, who asked, why, what was tested and what the switch replaces. No effect but
 * the entry, which is written once. Nothing is applied that was not recorded here.
 */
export async function audit(
  input: RotationInput,
  ports: Pick<RotationPorts, 'registry' | 'auditTrail' | 'clock'>,
): Promise<void> {
  const record = await requireRunning(ports, input);
  if (!hasEnded(record, 'test')) throw new CandidateUnproven('The candidate has not been tested: Test has not ended.');
  await runPhase(ports, input, 'audit', record, async (log) => {
    const { rotation, declaration } = record;
    log.note('switch_recorded', {
      version_id: input.rotationId,
      replaces_version_id: rotation.incumbentVersionId ?? 'none',
      candidate: rotation.candidate ?? 'none',
      incumbent: rotation.incumbent ?? 'none',
      ...(declaration.accessLevel === undefined ? {} : { access_level: declaration.accessLevel }),
      ...(declaration.scope === undefined ? {} : { scope: declaration.scope }),
      grace_seconds: declaration.graceSeconds,
      tested: Object.entries(phaseRecord(record, 'test')?.facts ?? {}).map(([fact, value]) => `${fact}: ${value}`),
    });
    return { facts: { recorded: 'yes' } };
  });
}
