import type { SecretRecord } from '../registry/registry.ts';
import type { SecretVersion } from '../secret-store.ts';
import { requireRotator, rotatorSettings } from './credential-values.ts';
import { credential } from './ledger.ts';
import type { RotationPorts } from './ports.ts';

/**
 * Whether `current`, what carries `AWSCURRENT`, is a first value that never came into force: its rotation was rolled back,
 * but the label cannot be taken off. So it is retired, or to be ended, and its target refuses it. (What people put in force
 * themselves, an old version that works again among it, is not.)
 */
export async function isDeadFirst(
  record: SecretRecord,
  current: SecretVersion,
  ports: RotationPorts,
): Promise<boolean> {
  const { versionId } = current;
  const state = credential(record, versionId)?.state;
  if (state !== 'retired' && !(state === 'grace' && (await wasRolledBack(record, versionId, ports)))) return false;
  await using afterwards = new AsyncDisposableStack();
  const rotator = await requireRotator(ports, record, afterwards);
  return (await rotator.probe(current.value, rotatorSettings(record))) === 'refused';
}

async function wasRolledBack(
  { secretId, rotation }: SecretRecord,
  rotationId: string,
  { registry }: RotationPorts,
): Promise<boolean> {
  const found = rotation?.rotationId === rotationId ? rotation : await registry.archivedRotation(secretId, rotationId);
  return found?.status === 'rolled_back';
}
