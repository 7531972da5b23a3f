import { LeaseHeld, Misconfigured } from '../errors.ts';
import { requireRecord } from '../registry/update-record.ts';
import { OperationLog } from '../rotation/operation-log.ts';
import type { RotationPorts } from '../rotation/ports.ts';
import { settleAgain } from './notices.ts';
import type { RequestInput } from './payloads.ts';

export interface ReloadResult {
  readonly versionId: string;
  /** The notice that consumers follow; each writes it down when it has. */
  readonly sequence: number;
}

/**
 * Makes every running consumer read AWSCURRENT again, prove it and say so. Twice under one request id is one reload.
 * Throws `LeaseHeld` while a rotation runs: its consumers are told of its version anyway.
 */
export async function reload(
  { secretId, requestId, requestedBy }: RequestInput,
  { registry, auditTrail, clock, rollouts, secretStore }: Omit<RotationPorts, 'rotatorFor'>,
): Promise<ReloadResult> {
  const record = await requireRecord(registry, secretId);
  if (record.rotation?.status === 'running') throw new LeaseHeld(`A rotation of "${secretId}" is under way.`);
  if (!record.declaration.reload.hotReload) {
    throw new Misconfigured(`"${secretId}" has hot_reload: false: its consumers take values only when they start.`);
  }
  const stages = (await secretStore.describe(secretId))?.stagesByVersion ?? {};
  const versionId = Object.keys(stages).find((version) => stages[version]?.includes('AWSCURRENT'));
  if (versionId === undefined) throw new Misconfigured(`The secret "${secretId}" has no current value yet.`);
  const log = new OperationLog(clock, {
    scope: `reload/${requestId}`,
    step: 'reload',
    reason: 'somebody asked for it',
    facts: { requested_by: requestedBy, version_id: versionId },
  });
  return log.during(auditTrail, secretId, async () => {
    const sequence = await settleAgain(rollouts, secretId, { rotationId: requestId, versionId });
    log.note('requested');
    return { versionId, sequence };
  });
}
