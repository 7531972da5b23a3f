import * as z from 'zod/mini';
import { LeaseHeld, Misconfigured, PASSING_FAULTS, RekeyError, RotationEnded } from '../errors.ts';
import type { RotationRecord } from '../registry/registry.ts';
import { apply } from './apply.ts';
import { audit } from './audit.ts';
import { generate } from './generate.ts';
import { notify } from './notify.ts';
import type { RollBackResult, RotationInput } from './payloads.ts';
import type { RecoveryPorts } from './recover.ts';
import { rollBack } from './roll-back.ts';
import { ROTATION_ID } from './rotation-id.ts';
import { test, testPending } from './test.ts';

/** The spellings of AWS's templates, and of its manual. */
const STEPS = {
  createSecret: generate,
  create_secret: generate,
  setSecret: generate,
  set_secret: generate,
  testSecret: test,
  test_secret: test,
  finishSecret: finish,
  finish_secret: finish,
} as const;

type Step = keyof typeof STEPS;

/**
 * What Secrets Manager's own scheduler sends a rotation function; a secret of another account adds `RotationToken`.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 */
export const fourStepEvent = z.object({
  Step: z.enum(Object.keys(STEPS) as [Step, ...Step[]]),
  SecretId: z.string().check(z.minLength(1), z.maxLength(2048)),
  /** Id of the version that the rotation makes. */
  ClientRequestToken: z.string().check(z.regex(ROTATION_ID)),
  RotationToken: z.optional(z.string()),
});
export type FourStepEvent = z.infer<typeof fourStepEvent>;

/** Whether the step did something, or had been done before. */
export interface FourStepResult {
  readonly outcome: 'done' | 'already_current';
}

/** What the same step may get past when it is tried again, or what is not this rotation's: nothing is rolled back. */
const PASSING: ReadonlySet<string> = new Set([...PASSING_FAULTS, LeaseHeld.errorName, RotationEnded.errorName]);

/**
 * AWS's contract for rotation functions, over the phases: `createSecret` is Generate (journal, `AWSPENDING` and
 * installation, in this order), `setSecret` makes sure of it, `testSecret` is Test, `finishSecret` is Audit, Apply and
 * Notify, and begins the retirement. So lease, evidence and recovery are those of every other rotation; consumers are
 * told after the switch. A fault that the same step cannot get past is rolled back and told as the workflow does, and
 * thrown: the token is used up then, and another one brings another value.
 *
 * `testSecret` for a version that no rotation knows is Secrets Manager trying its configuration: that version is proved at
 * the target, and nothing else is done.
 *
 * Refuses what AWS's templates refuse: rotation not enabled, a token without a version, a version that is not
 * `AWSPENDING`. A token that is `AWSCURRENT` is done, unless the record has its rotation running: after a crash, or
 * because a secret's first value carries the label from the start. Every step may run twice, because every phase may.
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
  const run = STEPS[Step];
  if (stages.includes('AWSCURRENT')) {
    const status = await statusOf(input, ports);
    // A first value that never worked keeps the label: it must not pass for a rotation that succeeded.
    if (status === 'rolled_back') throw new RotationEnded(`Rotation ${rotationId} of "${secretId}" was rolled back.`);
    if (status !== 'running') return { outcome: 'already_current' };
  } else if (!stages.includes('AWSPENDING')) {
    throw new Misconfigured(`Version ${rotationId} of "${secretId}" is not AWSPENDING: nothing is rotated.`);
  } else if (run === test && (await statusOf(input, ports)) === undefined) {
    await testPending(input, ports);
    return { outcome: 'done' };
  }
  try {
    await run(input, ports);
  } catch (error) {
    // What is no RekeyError is a defect or a crash: the dispatcher goes on when the lease has expired.
    if (!(error instanceof RekeyError) || PASSING.has(error.name)) throw error;
    if ((await giveUp(input, error, ports)) !== 'completed') throw error;
  }
  return { outcome: 'done' };
}

/** The retirement comes before the message, which closes the rotation: after a crash in between the step runs again. */
async function finish(input: RotationInput, ports: RecoveryPorts): Promise<void> {
  await audit(input, ports);
  const { retirement } = await apply(input, ports);
  if (retirement !== undefined) await ports.startRetirement(input.rotationId, retirement);
  await notify(input, ports);
}

/**
 * What the workflow does when a phase has failed for good. Answers how it ended; `undefined` when not even that could be
 * done: the rotation runs by its record then, and the dispatcher takes it up when the lease has expired.
 */
async function giveUp(
  input: RotationInput,
  { name }: RekeyError,
  ports: RecoveryPorts,
): Promise<RollBackResult['outcome'] | undefined> {
  const { secretId, rotationId } = input;
  const fault = { Error: name };
  try {
    const { outcome, retirement } = await rollBack({ ...input, fault }, ports);
    if (outcome === 'completed') {
      await finish(input, ports);
      return outcome;
    }
    // Where this fails the sweep does it; people are told in any case.
    if (retirement !== undefined) await ports.startRetirement(rotationId, retirement).catch(() => undefined);
    await notify({ ...input, fault }, ports);
    // Also of a rotation that never began: Secrets Manager would go on with it, and people would be told again.
    await ports.secretStore.clearPending(secretId, rotationId);
    return outcome;
  } catch {
    return undefined;
  }
}

/** Of the rotation that makes this version; `undefined` when none has begun. */
async function statusOf(
  { secretId, rotationId }: RotationInput,
  { registry }: RecoveryPorts,
): Promise<RotationRecord['status'] | undefined> {
  const rotation = (await registry.get(secretId))?.rotation;
  if (rotation?.rotationId === rotationId) return rotation.status;
  return (await registry.archivedRotation(secretId, rotationId))?.status;
}
