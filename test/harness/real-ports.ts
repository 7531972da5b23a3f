import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DynamoDbAuditTrail } from '../../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../../shared/aws/dynamodb-registry.ts';
import { DynamoDbRollouts } from '../../shared/aws/dynamodb-rollouts.ts';
import { SecretsManagerStore } from '../../shared/aws/secrets-manager-store.ts';
import { systemClock } from '../../shared/clock.ts';
import type { SecretType } from '../../shared/config/declaration.ts';
import { configure } from '../../shared/configure/configure.ts';
import { requireRecord } from '../../shared/registry/update-record.ts';
import { apply } from '../../shared/rotation/apply.ts';
import { audit } from '../../shared/rotation/audit.ts';
import { generate } from '../../shared/rotation/generate.ts';
import { notify } from '../../shared/rotation/notify.ts';
import type { RetirementInput, RotationInput } from '../../shared/rotation/payloads.ts';
import type { AlertingPorts, RotationPorts } from '../../shared/rotation/ports.ts';
import { retire } from '../../shared/rotation/retire.ts';
import { test } from '../../shared/rotation/test.ts';
import { RecordingAlertPublisher } from '../fakes/recording-alert-publisher.ts';
import type { TargetHarness, Adopted } from '../rotators/target-harness.ts';
import { declaration, ENVIRONMENT } from './rotation-world.ts';
import { createAuditTable, createConsumersTable, createRegistryTable } from './tables.ts';

export interface Tables {
  readonly registry: string;
  readonly auditTrail: string;
  readonly consumers: string;
}

export type RealPorts = RotationPorts & AlertingPorts;

export async function createTables(): Promise<Tables> {
  const client = new DynamoDBClient({});
  return {
    registry: await createRegistryTable(client),
    auditTrail: await createAuditTable(client),
    consumers: await createConsumersTable(client),
  };
}

/** The adapters that the functions have, at the cloud that the environment names; alerts are recorded instead of sent. */
export function realPorts(tables: Tables, rotatorFor: RotationPorts['rotatorFor']): RealPorts {
  const client = new DynamoDBClient({});
  const auditTrail = new DynamoDbAuditTrail({ client, table: tables.auditTrail, clock: systemClock });
  return {
    clock: systemClock,
    registry: new DynamoDbRegistry(client, tables.registry, auditTrail),
    auditTrail,
    secretStore: new SecretsManagerStore(new SecretsManagerClient({})),
    rollouts: new DynamoDbRollouts(client, tables.consumers),
    alerts: new RecordingAlertPublisher(),
    rotatorFor,
  };
}

/** A credential of the target, made by hand, as a secret `name` that Rekey rotates from now on, without a grace period. */
export async function adoptAt(harness: TargetHarness, name: string, ports: RealPorts): Promise<Adopted> {
  const secretsManager = new SecretsManagerClient({});
  const adopted = await harness.adopt(name);
  const adminSecret = adopted.admin === undefined ? undefined : `${name}_admin`;
  const values = { [name]: adopted.incumbent, ...(adminSecret === undefined ? {} : { [adminSecret]: adopted.admin }) };
  for (const [Name, value] of Object.entries(values)) {
    await secretsManager.send(new CreateSecretCommand({ Name, SecretString: value?.reveal() }));
  }
  const secret = declaration({
    type: harness.type as SecretType,
    graceSeconds: 0,
    ...adopted.declared,
    name,
    ...(adminSecret === undefined ? {} : { adminSecret }),
  });
  await configure({ name: ENVIRONMENT, secrets: [secret], alerts: [] }, { ...ports, isRotatable: () => true });
  return adopted;
}

export function rotationOf(secretId: string): RotationInput {
  return {
    environment: ENVIRONMENT,
    secretId,
    rotationId: crypto.randomUUID(),
    reason: 'manual',
    requestedBy: 'somebody',
  };
}

const STEPS = ['generate', 'test', 'audit', 'apply', 'notify', 'retire'] as const;
export type Step = (typeof STEPS)[number];

/** All five phases and the retirement, one after the other, as the workflow runs them; or the steps from one on. */
export async function rotateWhole(
  input: RotationInput,
  ports: RealPorts,
  { from = 'generate', before = async () => undefined }: { from?: Step; before?: (step: Step) => Promise<void> } = {},
): Promise<void> {
  let retirement: RetirementInput | undefined;
  const work: Readonly<Record<Step, () => Promise<unknown>>> = {
    generate: () => generate(input, ports),
    test: () => test(input, ports),
    audit: () => audit(input, ports),
    apply: async () => {
      ({ retirement } = await apply(input, ports));
    },
    notify: () => notify(input, ports),
    retire: async () => {
      const started = retirement ?? (from === 'generate' ? undefined : await retirementOfLast(input, ports));
      if (started !== undefined) await retire(started, ports);
    },
  };
  for (const step of STEPS.slice(STEPS.indexOf(from))) {
    await before(step);
    await work[step]();
  }
}

/** As its execution has it from its beginning, whatever the ledger says by now. */
async function retirementOfLast(
  { environment, secretId, rotationId }: RotationInput,
  { registry, clock }: RealPorts,
): Promise<RetirementInput | undefined> {
  const versionId = (await requireRecord(registry, secretId)).rotation?.incumbentVersionId;
  if (versionId === undefined) return undefined;
  return { environment, secretId, rotationId, versionId, retireAt: clock.now().toISOString() };
}
