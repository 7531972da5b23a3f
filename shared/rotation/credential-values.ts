import * as z from 'zod/mini';
import { Misconfigured, TransientFailure, RekeyError } from '../errors.ts';
import type { SecretText } from '../redact.ts';
import type { SecretRecord } from '../registry/registry.ts';
import type { Rotator, RotatorSettings } from '../rotators/rotator.ts';
import type { SecretStore, SecretVersion } from '../secret-store.ts';
import type { RotationPorts } from './ports.ts';

const READ_BACK_ATTEMPTS = 10;
const READ_BACK_MILLISECONDS = 200;

/** The rotator for a record's type, released `afterwards`. Throws `Misconfigured` when this version has none. */
export async function requireRotator(
  ports: Pick<RotationPorts, 'rotatorFor'>,
  record: SecretRecord,
  afterwards?: AsyncDisposableStack,
): Promise<Rotator> {
  const rotator = await ports.rotatorFor(record.type, record.declaration.mode);
  if (rotator === undefined) {
    throw new Misconfigured(`This version of Rekey has no rotator for type "${record.type}" ("${record.secretId}").`);
  }
  afterwards?.defer(() => rotator.release());
  return rotator;
}

export function rotatorSettings({ secretId, declaration }: SecretRecord): RotatorSettings {
  return {
    secretId,
    mode: declaration.mode,
    preheatSeconds: declaration.preheatSeconds,
    healthyThreshold: declaration.healthyThreshold,
    endSessions: declaration.endSessions,
    ...definedOf(declaration, ['connection', 'provider', 'http', 'policy', 'privileges', 'scope', 'permissions']),
  };
}

/** Those of `keys` that `from` has a value for. */
function definedOf<From extends object, Key extends keyof From>(from: From, keys: readonly Key[]): Pick<From, Key> {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]]))) as Pick<
    From,
    Key
  >;
}

/** A version that must exist: reads again for about two seconds, because a fresh version may not be readable at once. */
export async function requireVersion(
  ports: Pick<RotationPorts, 'secretStore' | 'clock'>,
  secretId: string,
  versionId: string,
): Promise<SecretVersion> {
  for (let attempt = 0; attempt < READ_BACK_ATTEMPTS; attempt += 1) {
    const version = await ports.secretStore.read(secretId, { versionId });
    if (version !== undefined) return version;
    await ports.clock.sleep(READ_BACK_MILLISECONDS);
  }
  throw new TransientFailure(`Version ${versionId} of "${secretId}" is not readable yet.`);
}

const withMaster = z.object({ masterarn: z.string().check(z.minLength(1)) });

/**
 * The administrator's credential: the declared secret's, or the one that the value's own `masterarn` names
 * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html).
 * `undefined` when neither is given: then the credential administers itself.
 */
export async function adminValue(
  secretStore: SecretStore,
  record: SecretRecord,
  value: SecretText | undefined,
): Promise<SecretText | undefined> {
  const adminSecret = record.declaration.adminSecret ?? masterArn(value);
  if (adminSecret === undefined) return undefined;
  let admin: SecretVersion | undefined;
  try {
    admin = await secretStore.read(adminSecret, { stage: 'AWSCURRENT' });
  } catch (error) {
    if (error instanceof RekeyError || !(error instanceof Error) || error.name !== 'AccessDeniedException') throw error;
    throw new Misconfigured(
      `Rekey may not read the administrator's secret "${adminSecret}"; name it as admin_secret of "${record.secretId}".`,
      { cause: error },
    );
  }
  if (admin === undefined) {
    throw new Misconfigured(
      `The administrator's secret "${adminSecret}" of "${record.secretId}" has no current value.`,
    );
  }
  return admin.value;
}

function masterArn(value: SecretText | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return withMaster.parse(JSON.parse(value.reveal())).masterarn;
  } catch {
    return undefined; // Not the AWS database convention: the rotator says what it expects.
  }
}
