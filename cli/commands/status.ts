import { Command, Option } from 'commander';
import { RecordUnreadable } from '../../shared/errors.ts';
import { PHASES, type Registry, type SecretRecord } from '../../shared/registry/registry.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment } from '../deployment.ts';
import { systemClock } from '../../shared/clock.ts';
import { EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { duration, table } from '../table.ts';
import { rolloutLines, viewRollout } from './rollout-lines.ts';

const WATCH_MILLISECONDS = 1000;
/** Clears the screen and puts the cursor home. */
const CLEAR = '\u001B[2J\u001B[H';

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
    .option('-w, --watch', 'go on showing it: batches, who has what, who is missing')
    .addOption(new Option('--times <number>', 'how often').hideHelp())
    .addHelpText(
      'after',
      '\nExamples:\n  rekey status\n  rekey status pg_prod_main --json\n  rekey status pg_prod_main --watch\n\nExit code 1 when a named secret is not registered, or an entry of the registry cannot be read.',
    )
    .action(async (names: string[], options: StatusOptions) => {
      const deployment = await open(options.environment);
      if (options.watch !== true) return show(names, options, deployment, output);
      await watch(names, options, deployment, output);
    });
}

interface StatusOptions {
  readonly environment: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  /** How often it is shown; for tests. Until Ctrl-C without it. */
  readonly times?: string;
}

async function show(
  names: readonly string[],
  options: StatusOptions,
  deployment: Deployment,
  output: Output,
): Promise<void> {
  const lines = await describe(names, options, deployment);
  for (const line of lines.answer) output.line(line);
  for (const line of lines.complaints) output.note(line);
  if (lines.complaints.length > 0) process.exitCode = EXIT_CODE.finding;
}

/** Again and again, in place on a terminal; elsewhere only what has changed. */
async function watch(
  names: readonly string[],
  options: StatusOptions,
  deployment: Deployment,
  output: Output,
): Promise<void> {
  const times = Number(options.times ?? Number.POSITIVE_INFINITY);
  let before = '';
  for (let shown = 0; shown < times; shown += 1) {
    if (shown > 0) await systemClock.sleep(WATCH_MILLISECONDS);
    const { answer, complaints } = await describe(names, options, deployment);
    const text = [...answer, ...complaints].join('\n');
    if (text === before) continue;
    before = text;
    output.line(output.interactive && options.json !== true ? `${CLEAR}${text}` : text);
  }
}

async function describe(
  names: readonly string[],
  { environment, json = false, watch: watched = false }: StatusOptions,
  { registry, rollouts }: Deployment,
): Promise<{ readonly answer: readonly string[]; readonly complaints: readonly string[] }> {
  const { found, unreadable } = await readAll(registry);
  const isWanted = (name: string) => names.length === 0 || names.includes(name);
  const records = found.filter(({ secretId }) => isWanted(secretId));
  records.sort((a, b) => a.secretId.localeCompare(b.secretId));
  const now = systemClock.now();
  // Reading consumers costs a query for each secret: only for those that were asked for.
  const isDetailed = watched || names.length > 0;
  const views = isDetailed ? await Promise.all(records.map((record) => viewRollout(record, rollouts, now))) : [];
  const hidden = unreadable.filter(isWanted);
  const missing = names.filter((name) => !hidden.includes(name) && !records.some(({ secretId }) => secretId === name));
  const complaints = [
    ...missing.map((name) => `"${name}" is not registered in ${environment}.`),
    ...hidden.map((name) => new RecordUnreadable([name]).safeMessage),
  ];
  if (json) {
    const secrets = records.map((record, index) => ({
      ...describeSecret(record),
      ...(views[index] === undefined ? {} : { rollout: views[index] }),
    }));
    return { answer: [JSON.stringify({ environment, secrets })], complaints };
  }
  if (found.length === 0 && unreadable.length === 0 && names.length === 0) {
    return {
      answer: [`No secrets are registered in ${environment}. Declare them in secrets.yaml and deploy.`],
      complaints,
    };
  }
  const rows = records.map((record) => row(record, now));
  const [heading = '', ...lines] = table(
    ['SECRET', 'TYPE', 'STATE', 'CREDENTIAL', 'AGE', 'NEXT ROTATION', 'OWED'],
    rows,
  );
  const below = (index: number) => (views[index] === undefined ? [] : rolloutLines(views[index]));
  return { answer: [heading, ...lines.flatMap((line, index) => [line, ...below(index)])], complaints };
}

/** The records of all secrets, and the names of those whose records cannot be read. */
async function readAll(
  registry: Registry,
): Promise<{ readonly found: readonly SecretRecord[]; readonly unreadable: readonly string[] }> {
  const found: SecretRecord[] = [];
  try {
    for await (const record of registry.list()) found.push(record);
  } catch (error) {
    if (!(error instanceof RecordUnreadable)) throw error;
    return { found, unreadable: error.secretIds };
  }
  return { found, unreadable: [] };
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
