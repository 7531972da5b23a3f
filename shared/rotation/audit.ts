import { CandidateUnproven } from '../errors.ts';
import type { SecretRecord } from '../registry/registry.ts';
import type { Consumer } from '../rollout/consumer.ts';
import { planRollout } from '../rollout/plan.ts';
import { isLive } from '../rollout/presence.ts';
import type { AuditResult, RotationInput } from './payloads.ts';
import { hasEnded, phaseRecord, requireRunning, runPhase } from './phase.ts';
import type { RotationPorts } from './ports.ts';

/** Step Functions runs at most 40 iterations of an inline map side by side. */
const ALL_AT_ONCE = 40;

/**
 * Writes down, before anything switches, who asked, why, what was tested, what the switch replaces and who is affected;
 * and decides in which batches the live consumers are handed the candidate. No effect but the entry and the plan, which
 * are written once: a second run answers the same batches. Nothing is applied that was not recorded here.
 */
export async function audit(
  input: RotationInput,
  ports: Pick<RotationPorts, 'registry' | 'auditTrail' | 'clock' | 'rollouts'>,
): Promise<AuditResult> {
  const reading = ports.rollouts.consumers(input.secretId);
  reading.catch(() => undefined); // Awaited only where the rotation runs.
  const record = await requireRunning(ports, input);
  if (!hasEnded(record, 'test')) throw new CandidateUnproven('The candidate has not been tested: Test has not ended.');
  const audited = await runPhase(ports, input, 'audit', record, async (log) => {
    const { rotation, declaration } = record;
    const consumers = await reading;
    const now = ports.clock.now();
    // Where nobody is, there is no notice to follow on.
    const notice = consumers.length === 0 ? undefined : await ports.rollouts.notice(input.secretId);
    const sequence = notice?.sequence ?? 0;
    const plan = planRollout(declaration, { rotationId: input.rotationId, consumers, now, sequence });
    log.note('switch_recorded', {
      version_id: input.rotationId,
      replaces_version_id: rotation.incumbentVersionId ?? 'none',
      candidate: rotation.candidate ?? 'none',
      incumbent: rotation.incumbent ?? 'none',
      ...(declaration.accessLevel === undefined ? {} : { access_level: declaration.accessLevel }),
      ...(declaration.scope === undefined ? {} : { scope: declaration.scope }),
      grace_seconds: declaration.graceSeconds,
      tested: Object.entries(phaseRecord(record, 'test')?.facts ?? {}).map(([fact, value]) => `${fact}: ${value}`),
      affected: byAgent(consumers.filter((consumer) => isLive(consumer, now))),
      batches: plan.bounds.length,
    });
    return {
      facts: { recorded: 'yes', consumers: String(plan.consumers), batches: String(plan.bounds.length) },
      change: (latest) => ({ ...latest, rotation: { ...latest.rotation, rollout: plan } }),
    };
  });
  return batchesOf(audited);
}

function batchesOf({ rotation, declaration }: SecretRecord): AuditResult {
  const { batchTimeoutSeconds: timeoutSeconds, rollingUpdate } = declaration.rollout;
  const batches = (rotation?.rollout?.bounds ?? []).map((_, batch) => ({ batch, timeoutSeconds }));
  return { batches, batchesAtOnce: rollingUpdate ? 1 : ALL_AT_ONCE };
}

/** `billing-agent: 12`, the largest first. */
function byAgent(consumers: readonly Consumer[]): readonly string[] {
  const groups = [...Map.groupBy(consumers, ({ agent }) => agent)];
  return groups.sort(([, a], [, b]) => b.length - a.length).map(([agent, those]) => `${agent}: ${those.length}`);
}
