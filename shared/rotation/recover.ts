import { hash } from 'node:crypto';
import * as z from 'zod/mini';
import { notify } from './notify.ts';
import { type RetirementInput, retirementInput, rotationInput } from './payloads.ts';
import type { AlertingPorts, RotationPorts } from './ports.ts';
import { rollBack } from './roll-back.ts';
import { nameOfVersion } from './rotation-id.ts';

/** https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html */
export const executionStatusChange = z.object({
  detail: z.object({
    executionArn: z.string(),
    stateMachineArn: z.string(),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
    input: z.string(),
  }),
});
export type ExecutionStatusChange = z.infer<typeof executionStatusChange>;

const executionInput = z.union([retirementInput, rotationInput]);

export interface RecoveryPorts extends RotationPorts, AlertingPorts {
  /** Starts `VersionRetirement` under `name`; a second start under the same name is the same run. */
  startRetirement(name: string, input: RetirementInput): Promise<void>;
}

/**
 * Picks up what an execution left behind when it failed, timed out or was aborted: a rotation is rolled back (or
 * completed, where the switch was done) and people are told; a retirement is started again.
 *
 * Twice is harmless: a rotation that the workflow itself has rolled back is found ended.
 */
export async function recover(
  event: ExecutionStatusChange,
  ports: RecoveryPorts,
): Promise<{ readonly outcome: string }> {
  const { executionArn, status, input: text } = event.detail;
  const input = executionInput.parse(JSON.parse(text));
  if ('versionId' in input) {
    const name = `${nameOfVersion(input.rotationId)}-${hash('sha256', executionArn).slice(0, 12)}`;
    await ports.startRetirement(name, input);
    return { outcome: 'retirement_restarted' };
  }
  const { outcome, retirement } = await rollBack({ ...input, fault: { Error: `Execution.${status}` } }, ports);
  if (retirement !== undefined) await ports.startRetirement(input.rotationId, retirement);
  await notify(input, ports);
  return { outcome };
}
