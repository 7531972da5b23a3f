import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Clock } from '../clock.ts';
import type { EnvironmentDeclaration, SecretDeclaration } from '../config/declaration.ts';
import { Misconfigured, RecordUnreadable } from '../errors.ts';
import type { Registry, SecretRecord } from '../registry/registry.ts';
import { updateRecord } from '../registry/update-record.ts';
import { nextRotation } from '../rotation/due.ts';
import { OperationLog } from '../rotation/operation-log.ts';
import type { SecretStore } from '../secret-store.ts';
import { engineOf } from './engine.ts';

export interface ConfigurePorts {
  readonly registry: Registry;
  readonly secretStore: SecretStore;
  readonly auditTrail: AuditTrail;
  readonly clock: Clock;
  /** Whether this version rotates a secret of this type that is declared so. */
  isRotatable(type: string, declaration: SecretDeclaration): boolean;
}

/** What Configure found and did, by secret name. */
export interface ConfigureReport {
  readonly created: readonly string[];
  readonly adopted: readonly string[];
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
  /** Left the file: kept, no longer rotated. */
  readonly orphaned: readonly string[];
  /** Registered, not rotated: no rotator for the type, or something that it needs is not declared. */
  readonly unsupported: readonly string[];
}

type Outcome = keyof ConfigureReport;

/**
 * Brings the registry and Secrets Manager in step with the file. Creates what is missing (without a value), adopts what
 * exists as it is, never deletes: a secret that left the file is marked orphaned and reported.
 *
 * Twice is harmless: a record that already says what the file says is not written. A record that cannot be read is left
 * alone and stops no other: when all others are in step, `RecordUnreadable` names it.
 */
export async function configure(declared: EnvironmentDeclaration, ports: ConfigurePorts): Promise<ConfigureReport> {
  const report: Record<Outcome, string[]> = {
    created: [],
    adopted: [],
    changed: [],
    unchanged: [],
    orphaned: [],
    unsupported: [],
  };
  const unreadable = new Set<string>();
  for (const declaration of declared.secrets) {
    await passingOver(unreadable, async () => {
      const { outcome, supported } = await bringInStep(declared.name, declaration, ports);
      report[outcome].push(declaration.name);
      if (!supported) report.unsupported.push(declaration.name);
    });
  }
  const names = new Set(declared.secrets.map(({ name }) => name));
  await passingOver(unreadable, async () => {
    for await (const record of ports.registry.list()) {
      if (record.environment !== declared.name || names.has(record.secretId)) continue;
      report.orphaned.push(record.secretId);
      if (record.status !== 'orphaned') await passingOver(unreadable, () => orphan(record, ports));
    }
  });
  if (unreadable.size > 0) throw new RecordUnreadable([...unreadable]);
  return report;
}

/** Does `work`; of records that it could not read only the names are kept. */
async function passingOver(unreadable: Set<string>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof RecordUnreadable)) throw error;
    for (const secretId of error.secretIds) unreadable.add(secretId);
  }
}

async function bringInStep(
  environment: string,
  declaration: SecretDeclaration,
  ports: ConfigurePorts,
): Promise<{ readonly outcome: Outcome; readonly supported: boolean }> {
  const { registry, secretStore, clock } = ports;
  const secretId = declaration.name;
  const made = await ensureSecret(environment, declaration, secretStore);
  const known = await registry.get(secretId);
  if (known !== undefined && known.environment !== environment) {
    throw new Misconfigured(`"${secretId}" already belongs to the environment "${known.environment}".`);
  }
  const type = declaration.type ?? known?.type ?? (await engineOf(secretStore, secretId));
  const supported = ports.isRotatable(type, declaration);
  const status = supported ? 'active' : 'unsupported';
  if (known === undefined) {
    const now = clock.now();
    const isFirstDue = declaration.rotateImmediately && declaration.scheduler === undefined;
    const dueAt = isFirstDue ? now : nextRotation(declaration, now);
    const record: SecretRecord = {
      secretId,
      environment,
      type,
      declaration,
      status,
      dueAt: supported ? dueAt : undefined,
      lease: undefined,
      rotation: undefined,
      ledger: [],
      lastRotatedAt: undefined,
      failures: 0,
      refusals: 0,
      revision: 0,
      auditHead: undefined,
    };
    await log(ports, record, made, { type, status });
    await registry.save(record); // A conflict means that another run of Configure wrote the same file's entry.
    return { outcome: made, supported };
  }
  const same = JSON.stringify(known.declaration) === JSON.stringify(declaration);
  if (same && known.type === type && known.status === status) return { outcome: 'unchanged', supported };
  await log(ports, known, 'changed', { type, status });
  await updateRecord(
    registry,
    secretId,
    (latest) => redeclared(latest, { declaration, type, status }, clock.now()),
    known,
  );
  return { outcome: 'changed', supported };
}

/**
 * A new schedule counts from now; one that was only moved about in the file keeps its due time, and so does a rotation that
 * runs: by that the dispatcher goes on with it if it dies.
 */
function redeclared(
  record: SecretRecord,
  next: Pick<SecretRecord, 'declaration' | 'type' | 'status'>,
  now: Date,
): SecretRecord {
  const rescheduled =
    record.status !== 'active' ||
    record.declaration.scheduler !== next.declaration.scheduler ||
    JSON.stringify(record.declaration.schedule) !== JSON.stringify(next.declaration.schedule);
  const isOurs = next.declaration.scheduler === undefined;
  // One that can rotate only now is new to the schedule.
  const isFirst = isOurs && record.status === 'unsupported' && next.declaration.rotateImmediately;
  const isDue = isOurs && record.dueAt !== undefined && record.dueAt <= now;
  const due = isFirst ? now : isDue ? record.dueAt : nextRotation(next.declaration, now);
  const isRunning = record.rotation?.status === 'running';
  const dueAt = isRunning ? (record.dueAt ?? now) : rescheduled ? due : record.dueAt;
  return { ...record, ...next, dueAt: next.status === 'active' ? dueAt : undefined };
}

async function ensureSecret(
  environment: string,
  { name }: SecretDeclaration,
  secretStore: SecretStore,
): Promise<'created' | 'adopted'> {
  if ((await secretStore.describe(name)) !== undefined) return 'adopted';
  const tags = { 'rekey:environment': environment };
  const made = await secretStore.create({ name, description: 'Rotated by Rekey.', tags });
  return made === 'created' ? 'created' : 'adopted';
}

async function orphan(record: SecretRecord, ports: ConfigurePorts): Promise<void> {
  await log(ports, record, 'orphaned', {});
  await updateRecord(
    ports.registry,
    record.secretId,
    (latest) => ({ ...latest, status: 'orphaned', dueAt: undefined }),
    record,
  );
}

async function log(
  { auditTrail, clock }: ConfigurePorts,
  record: SecretRecord,
  action: string,
  facts: Readonly<Record<string, string>>,
): Promise<void> {
  const entries = new OperationLog(clock, {
    scope: `configure/${record.revision}`,
    step: 'configure',
    reason: 'secrets.yaml was deployed',
    facts: { environment: record.environment, rotation: record.declaration.rotation },
  });
  await entries.during(auditTrail, record.secretId, async () => entries.note(action, facts));
}
