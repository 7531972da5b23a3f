import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn';
import {
  type PhaseRecord,
  PHASES,
  type Registry,
  type RotationRecord,
  type SecretRecord,
} from '../../shared/registry/registry.ts';
import { poll } from '../local/poll.ts';

const START_SECONDS = 180;
const ROTATION_SECONDS = 120;
const RETIREMENT_SECONDS = 120;

/** Waits for a rotation of the secret to begin by itself. */
export async function untilStarted(registry: Registry, secretId: string): Promise<RotationRecord | undefined> {
  return poll(async () => (await registry.get(secretId))?.rotation, {
    withinMilliseconds: START_SECONDS * 1000,
    everyMilliseconds: 200,
  });
}

/** Follows the rotation to its end and tells each phase as it ends. */
export async function untilEnded(
  registry: Registry,
  secretId: string,
  onPhase: (phase: PhaseRecord, milliseconds: number) => void,
): Promise<RotationRecord | undefined> {
  const told = new Set<string>();
  return poll(
    async () => {
      const rotation = (await registry.get(secretId))?.rotation;
      for (const phase of rotation?.phases ?? []) {
        if (phase.endedAt === undefined || told.has(phase.name)) continue;
        told.add(phase.name);
        onPhase(phase, phase.endedAt.getTime() - phase.startedAt.getTime());
      }
      return rotation?.endedAt === undefined ? undefined : rotation;
    },
    { withinMilliseconds: ROTATION_SECONDS * 1000, everyMilliseconds: 100 },
  );
}

/** Waits until the ledger has the replaced version as proved dead. */
export async function untilRetired(
  registry: Registry,
  secretId: string,
  versionId: string,
): Promise<SecretRecord | undefined> {
  return poll(
    async () => {
      const record = await registry.get(secretId);
      const entry = record?.ledger.find((credential) => credential.versionId === versionId);
      return entry?.state === 'retired' ? record : undefined;
    },
    { withinMilliseconds: RETIREMENT_SECONDS * 1000, everyMilliseconds: 200 },
  );
}

/** The execution that carried this rotation: its name ends with the rotation's id. */
export async function executionArnOf(stateMachineArn: string, rotationId: string): Promise<string | undefined> {
  const { executions } = await new SFNClient({}).send(new ListExecutionsCommand({ stateMachineArn, maxResults: 100 }));
  return executions?.find(({ name }) => name?.endsWith(rotationId))?.executionArn;
}

/** Every phase with how it ended, in the request's order. */
export function phaseReport(rotation: RotationRecord | undefined) {
  return PHASES.map((name) => {
    const phase = rotation?.phases.find((one) => one.name === name);
    const milliseconds = phase?.endedAt === undefined ? null : phase.endedAt.getTime() - phase.startedAt.getTime();
    return { name, status: milliseconds === null ? 'failed' : 'succeeded', milliseconds } as const;
  });
}
