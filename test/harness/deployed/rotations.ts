import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { RotationRecord, SecretRecord } from '../../../shared/registry/registry.ts';
import { rotationId } from '../../../shared/rotation/rotation-id.ts';
import { rekey } from './command.ts';
import { eventually } from './eventually.ts';
import { ended, executionsOf } from './executions.ts';
import { deployment, ENVIRONMENT, output } from './system.ts';

/** What `rekey rotate --json` says. */
export interface RotationAnswer {
  readonly rotation_id: string;
  readonly status: string;
  readonly fault: { readonly name: string; readonly message: string } | null;
}

export async function recordOf(secretId: string): Promise<SecretRecord> {
  const record = await (await deployment()).registry.get(secretId);
  if (record === undefined) throw new Error(`${secretId} is not registered.`);
  return record;
}

/** Asks for a rotation by hand, and answers its id without waiting for it. */
export async function requestRotation(secretId: string): Promise<string> {
  const { exitCode, output: text, notes } = await rekey('rotate', secretId, '--no-wait', '--json');
  if (exitCode !== 0) throw new Error(`rekey rotate ended with exit code ${exitCode}: ${notes}`);
  return (JSON.parse(text) as RotationAnswer).rotation_id;
}

/** Asks for a rotation as another program would, by an event on the bus, and answers its id. */
export async function sendRequest(secretId: string): Promise<string> {
  const detail = { secret_id: secretId, reason: 'manual', requested_by: 'a test' };
  const entry = { Source: 'rekey', DetailType: 'Rotation Requested', Detail: JSON.stringify(detail) };
  const { Entries = [] } = await new EventBridgeClient({}).send(
    new PutEventsCommand({ Entries: [{ ...entry, Resources: [`rekey:${ENVIRONMENT}`] }] }),
  );
  return rotationId(ENVIRONMENT, secretId, 'event', Entries[0]?.EventId ?? '');
}

/** Rotates a secret by hand and waits until its execution, and not only its record, has ended. */
export async function rotate(secretId: string): Promise<RotationAnswer & { readonly exitCode: number | null }> {
  const { exitCode, output: text, notes } = await rekey('rotate', secretId, '--json', '--timeout', '120');
  if (text === '') throw new Error(`rekey rotate ended with exit code ${exitCode}: ${notes}`);
  const answer = JSON.parse(text) as RotationAnswer;
  await ended(await executionOf(answer.rotation_id));
  return { ...answer, exitCode };
}

/** The execution that carries a rotation: its name ends with the rotation's id. */
export async function executionOf(rotationId: string): Promise<string> {
  const machine = await output('SecretRotationArn');
  return eventually(`an execution of rotation ${rotationId}`, async () => {
    const found = await executionsOf(machine);
    return found.find(({ name }) => name?.endsWith(rotationId))?.executionArn;
  });
}

/** Waits until the secret's last rotation has ended. */
export async function untilEnded(secretId: string): Promise<RotationRecord> {
  return eventually(`the end of a rotation of ${secretId}`, async () => {
    const { rotation } = await recordOf(secretId);
    return rotation?.endedAt === undefined ? undefined : rotation;
  });
}

/** Waits until the ledger has a version as proved dead. */
export async function untilRetired(
  secretId: string,
  versionId: string | undefined,
  withinMilliseconds?: number,
): Promise<void> {
  await eventually(
    `the retirement of version ${versionId} of ${secretId}`,
    async () => {
      const { ledger } = await recordOf(secretId);
      return ledger.find((entry) => entry.versionId === versionId)?.state === 'retired' ? true : undefined;
    },
    withinMilliseconds,
  );
}
