import { Command } from 'commander';
import { PHASES, type SecretRecord } from '../../shared/registry/registry.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment } from '../deployment.ts';
import { systemClock } from '../../shared/clock.ts';
import { EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { duration, table } from '../table.ts';

/** `rekey status`: every managed secret, where it stands and what is owed. */
export function statusCommand(
  output: Output,
  open: (environment: string) => Promise<Deployment> = openDeployment,
): Command {
  return new Command('status')
    .description('Show every managed secret: its credential, age, next rotation, running phase and debts.')
    .argument('[secret...]', 'only these')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey status\n  rekey status pg_prod_main --json\n\nExit code 1 when a named secret is not registered.',
    )
    .action(async (names: string[], options: { environment: string; json?: boolean }) => {
      const { registry } = await open(options.environment);
      const records: SecretRecord[] = [];
      for await (const record of registry.list()) {
        if (names.length === 0 || names.includes(record.secretId)) records.push(record);
      }
      records.sort((a, b) => a.secretId.localeCompare(b.secretId));
      const now = systemClock.now();
      if (options.json === true) {
        output.line(
          JSON.stringify({ environment: options.environment, secrets: records.map((r) => describeSecret(r)) }),
        );
      } else if (records.length === 0 && names.length === 0) {
        output.line(`No secrets are registered in ${options.environment}. Declare them in secrets.yaml and deploy.`);
      } else {
        const rows = records.map((record) => row(record, now));
        for (const line of table(['SECRET', 'TYPE', 'STATE', 'CREDENTIAL', 'AGE', 'NEXT ROTATION', 'OWED'], rows))
          output.line(line);
      }
      const missing = names.filter((name) => !records.some(({ secretId }) => secretId === name));
      for (const name of missing) output.note(`"${name}" is not registered in ${options.environment}.`);
      if (missing.length > 0) process.exitCode = EXIT_CODE.finding;
    });
}

/** The machine's rendition of one secret. */
function describeSecret(record: SecretRecord): Readonly<Record<string, unknown>> {
  const { rotation } = record;
  return {
    secret_id: record.secretId,
    type: record.type,
    state: stateOf(record),
    current: current(record)?.identity ?? null,
    current_version_id: current(record)?.versionId ?? null,
    last_rotated_at: record.lastRotatedAt ?? null,
    next_rotation_at: record.dueAt ?? null,
    failures: record.failures,
    running_phase: runningPhase(record) ?? null,
    last_rotation:
      rotation === undefined
        ? null
        : {
            rotation_id: rotation.rotationId,
            reason: rotation.reason,
            requested_by: rotation.requestedBy,
            status: rotation.status,
            started_at: rotation.startedAt,
            ended_at: rotation.endedAt ?? null,
            fault: rotation.fault ?? null,
          },
    owed: owed(record).map(({ identity, versionId, retireAt, owedSince }) => ({
      credential: identity,
      version_id: versionId,
      retire_at: retireAt ?? null,
      owed_since: owedSince ?? null,
    })),
  };
}

function row(record: SecretRecord, now: Date): readonly string[] {
  const { dueAt, lastRotatedAt } = record;
  return [
    record.secretId,
    record.type,
    stateOf(record),
    current(record)?.identity ?? '-',
    lastRotatedAt === undefined ? 'never rotated' : duration((now.getTime() - lastRotatedAt.getTime()) / 1000),
    nextRotation(dueAt, now),
    owed(record)
      .map(({ identity, owedSince }) => `${identity} (${owedSince === undefined ? 'in grace' : 'OVERDUE'})`)
      .join(', ') || '-',
  ];
}

function nextRotation(dueAt: Date | undefined, now: Date): string {
  if (dueAt === undefined) return 'none';
  const seconds = (dueAt.getTime() - now.getTime()) / 1000;
  return seconds <= 0 ? 'due now' : `in ${duration(seconds)}`;
}

function stateOf(record: SecretRecord): string {
  if (record.status !== 'active') return record.status;
  const phase = runningPhase(record);
  if (phase !== undefined) return `rotating: ${phase}`;
  return record.failures > 0 ? `failing (${record.failures}x ${record.rotation?.fault?.name ?? ''})` : 'ok';
}

/** The first phase that has not ended, while a rotation runs. */
function runningPhase({ rotation }: SecretRecord): string | undefined {
  if (rotation?.status !== 'running') return undefined;
  const ended = new Set(rotation.phases.filter(({ endedAt }) => endedAt !== undefined).map(({ name }) => name));
  return PHASES.find((phase) => !ended.has(phase));
}

function current({ ledger }: SecretRecord) {
  return ledger.find(({ state }) => state === 'current');
}

function owed({ ledger }: SecretRecord) {
  return ledger.filter(({ state }) => state === 'grace');
}
