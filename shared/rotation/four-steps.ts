import * as z from 'zod/mini';
import { Misconfigured } from '../errors.ts';
import { apply } from './apply.ts';
import { audit } from './audit.ts';
import { generate } from './generate.ts';
import { notify } from './notify.ts';
import type { RotationInput } from './payloads.ts';
import type { RecoveryPorts } from './recover.ts';
import { test } from './test.ts';

/**
 * What Secrets Manager's own scheduler sends a rotation function, with the spellings of AWS's templates and of their
 * forks; a secret of another account adds `RotationToken`.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 */
export const fourStepEvent = z.object({
  Step: z.enum([
    'createSecret',
    'create_secret',
    'setSecret',
    'set_secret',
    'testSecret',
    'test_secret',
    'finishSecret',
    'finish_secret',
  ]),
  SecretId: z.string().check(z.minLength(1), z.maxLength(2048)),
  /** Id of the version that the rotation makes. */
  ClientRequestToken: z.string().check(z.minLength(32), z.maxLength(64)),
  RotationToken: z.optional(z.string()),
});
export type FourStepEvent = z.infer<typeof fourStepEvent>;

/** Whether the step did something, or had been done before. */
export interface FourStepResult {
  readonly outcome: 'done' | 'already_current';
}

/**
 * AWS's contract for rotation functions, over the phases: `createSecret` is Generate (journal, `AWSPENDING` and
 * installation, in this order), `setSecret` makes sure of it, `testSecret` is Test, `finishSecret` is Audit, Apply and
 * Notify, and begins the retirement. So lease, evidence and recovery are those of every other rotation; consumers are
 * told after the switch.
 *
 * Refuses what AWS's templates refuse: rotation not enabled, a token without a version, a version that is not
 * `AWSPENDING`. A token that is `AWSCURRENT` is done; `finishSecret` then only completes what a crash left open. Every
 * step may run twice, because every phase may.
 */
export async function fourSteps(
  event: FourStepEvent,
  ports: RecoveryPorts,
  environment: string,
): Promise<FourStepResult> {
  const { ClientRequestToken: rotationId, Step } = event;
  const description = await ports.secretStore.describe(event.SecretId);
  if (description === undefined) throw new Misconfigured('The secret does not exist, or Rekey may not see it.');
  const { name: secretId, stagesByVersion, rotationEnabled } = description;
  if (!rotationEnabled) throw new Misconfigured(`Rotation is not enabled for "${secretId}".`);
  const stages = stagesByVersion[rotationId];
  if (stages === undefined) throw new Misconfigured(`"${secretId}" has no version ${rotationId} to rotate to.`);

  const input: RotationInput = {
    environment,
    secretId,
    rotationId,
    reason: 'scheduled',
    requestedBy: 'secretsmanager.amazonaws.com',
  };
  const isFinish = Step === 'finishSecret' || Step === 'finish_secret';
  if (stages.includes('AWSCURRENT')) {
    // Else a crash after the switch would leave the lease, the message and the retirement to the next scheduler run.
    if (isFinish && (await isRunning(input, ports))) await finish(input, ports);
    return { outcome: 'already_current' };
  }
  if (!stages.includes('AWSPENDING')) {
    throw new Misconfigured(`Version ${rotationId} of "${secretId}" is not AWSPENDING: nothing is rotated.`);
  }
  switch (Step) {
    case 'createSecret':
    case 'create_secret':
    case 'setSecret':
    case 'set_secret':
      await generate(input, ports);
      break;
    case 'testSecret':
    case 'test_secret':
      await test(input, ports);
      break;
    case 'finishSecret':
    case 'finish_secret':
      await finish(input, ports);
      break;
  }
  return { outcome: 'done' };
}

async function finish(input: RotationInput, ports: RecoveryPorts): Promise<void> {
  await audit(input, ports);
  const { retirement } = await apply(input, ports);
  await notify(input, ports);
  if (retirement !== undefined) await ports.startRetirement(input.rotationId, retirement);
}

async function isRunning({ secretId, rotationId }: RotationInput, { registry }: RecoveryPorts): Promise<boolean> {
  const rotation = (await registry.get(secretId))?.rotation;
  return rotation?.rotationId === rotationId && rotation.status === 'running';
}
