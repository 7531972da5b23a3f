import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { standardOutput as output } from '../../cli/output.ts';
import { table } from '../../cli/table.ts';
import { type CellResult, cellsOf, COLUMNS, type Column, runCell } from './matrix.ts';
import { TARGETS } from './targets.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/crash-matrix.md');
const EXIT_BROKEN = 1;

interface RotatorResult {
  readonly type: string;
  /** In the order in which they happen. */
  readonly effects: readonly string[];
  readonly cells: readonly CellResult[];
}

const program = new Command('npm run chaos --')
  .description('Harm rotations at every side effect, let them recover by themselves, and print what survived.')
  .argument('[rotators...]', `only these of: ${Object.keys(TARGETS).join(', ')}`)
  .option('--json', 'the last line is one JSON object')
  .addOption(new Option('--cells', 'one rotator: every cell, as one JSON object').hideHelp())
  .option('--no-write', 'leave docs/crash-matrix.md as it is; it is only written when every rotator ran')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run chaos\n  npm run chaos -- redis rabbitmq\n  npm run chaos -- --json\n\nExit codes: 0 every cell survived, 1 some did not, 2 wrong arguments.',
  )
  .exitOverride();

try {
  program.parse();
  const unknown = program.args.filter((name) => !Object.hasOwn(TARGETS, name));
  if (unknown.length > 0) program.error(`There is no rotator ${unknown.join(', ')}; see --help.`);
  const [type = ''] = program.args;
  if (program.opts<{ cells?: boolean }>().cells === true) output.line(JSON.stringify(await runRotator(type)));
  else await run(program.args.length === 0 ? Object.keys(TARGETS) : program.args);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

async function run(types: readonly string[]): Promise<void> {
  // A process for each: a lost connection is one of its whole process.
  const results = new Map<string, RotatorResult>();
  const waiting = [...types];
  const worker = async () => {
    for (let type = waiting.shift(); type !== undefined; type = waiting.shift()) {
      results.set(type, await inProcess(type));
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), types.length) }, worker));
  print(types.flatMap((type) => results.get(type) ?? []));
}

function inProcess(type: string): Promise<RotatorResult> {
  const child = spawn(process.execPath, [import.meta.filename, '--cells', type], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as RotatorResult);
      else reject(new Error(`The process for ${type} ended with ${code}.`));
    });
  });
}

function print(results: readonly RotatorResult[]): void {
  for (const line of table(...asTable(results))) output.line(line);
  for (const line of failures(results)) output.line(line);
  const cells = results.flatMap((result) => result.cells);
  const survived = cells.filter(hasSurvived).length;
  output.line(`${cells.length} cells, ${survived} survived.`);
  const { json, write } = program.opts<{ json?: boolean; write: boolean }>();
  if (write && results.length === Object.keys(TARGETS).length) writeFileSync(DOCUMENT, asDocument(results));
  if (json === true) output.line(JSON.stringify({ cells: cells.length, survived, rotators: counts(results) }));
  if (survived < cells.length) process.exitCode = EXIT_BROKEN;
}

async function runRotator(type: string): Promise<RotatorResult> {
  const started = performance.now();
  const harness = await TARGETS[type]?.();
  if (harness === undefined) throw new Error(`There is no target for ${type}.`);
  try {
    const cells = await cellsOf(harness);
    const done: CellResult[] = [];
    for (const cell of cells) {
      done.push(await runCell(harness, cell));
      if (done.length % 50 === 0) output.note(`${type}: ${done.length} of ${cells.length} cells`);
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    output.note(`${type}: ${done.filter(hasSurvived).length} of ${cells.length} cells survived (${seconds} s)`);
    const effects = cells.filter(({ column }) => column === 'fails').map(({ effectName }) => effectName);
    return { type, effects, cells: done };
  } finally {
    await harness.stop();
  }
}

function hasSurvived({ broken }: CellResult): boolean {
  return broken.length === 0;
}

function asTable(results: readonly RotatorResult[]): [string[], string[][]] {
  const rows = results.map(({ type, cells }) => [type, ...COLUMNS.map(({ name }) => inColumn(cells, name))]);
  return [['ROTATOR', ...COLUMNS.map(({ name }) => name.toUpperCase())], rows];
}

function inColumn(cells: readonly CellResult[], column: Column): string {
  const those = cells.filter((cell) => cell.column === column);
  const survived = those.filter(hasSurvived).length;
  return survived === those.length ? `${survived} survived` : `${those.length - survived} of ${those.length} BROKEN`;
}

function failures(results: readonly RotatorResult[]): readonly string[] {
  return results.flatMap(({ type, cells }) =>
    cells
      .filter((cell) => !hasSurvived(cell))
      .map(
        ({ column, fault, effect, effectName, write, broken }) =>
          `${type}: ${column} (${fault}) at effect ${effect} (${effectName}${write === undefined ? '' : `, write ${write}`}): ${broken.join('; ')}`,
      ),
  );
}

function counts(results: readonly RotatorResult[]): Readonly<Record<string, { cells: number; survived: number }>> {
  return Object.fromEntries(
    results.map(({ type, cells }) => [type, { cells: cells.length, survived: cells.filter(hasSurvived).length }]),
  );
}

function asDocument(results: readonly RotatorResult[]): string {
  const cells = results.flatMap((result) => result.cells);
  const [heading, rows] = asTable(results);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const broken = failures(results);
  return `# Crash matrix

Written by \`npm run chaos\`: **${cells.length} cells, ${cells.filter(hasSurvived).length} survived.** Each cell is a secret of
its own at a real target (which, [rotators.md](rotators.md) says), with a consumer that follows it. One rotation with
its retirement is harmed once, at one side effect; then the system recovers by itself. The steps are the deployed ones,
in the order of the deployed state machines, which an interpreter of Amazon States Language runs; registry, Secrets
Manager, audit trail and table of consumers are fakes that pass the same contract suites as the adapters for AWS.

| column | what happens at the effect |
|---|---|
| fails | it does not happen; the step is told so |
| answer lost | it happens; the step is told that it failed |
| killed, retried | the process dies before or after it; the state machine runs the step again |
| killed, recovery rule | the execution dies with it; the recovery function picks up |
| killed, next schedule | the execution dies with it, and nobody notices until the schedule comes by |
| twice at once | the same step runs a second time, from beginning to end, just before or just after it |
| connection lost | within what is done at the target: at each write to it, the connection is lost before the write or after it, without an answer |

A cell has survived when, after every effect and at the end: \`AWSCURRENT\` opens the target, so does the version that a
consumer uses, and so does a version in its grace period; at the end no credential lives that the registry does not
know, none is left half way, the audit chain verifies; and the next rotation works, with all of this true again.

${line(heading.map((text) => text.toLowerCase()))}
${line(heading.map(() => '---'))}
${rows.map(line).join('\n')}

For comparison, measured once with the same PostgreSQL and the same emulator of Secrets Manager: AWS's own templates for
PostgreSQL, as published, three rotations each, undisturbed, a login with \`AWSCURRENT\` after each of the four steps. Single
user: refused after \`setSecret\` and after \`testSecret\`, in all three; so these two boundaries break by design. Multi user:
accepted after every step; the value that was replaced went on working until the next rotation's \`setSecret\`.

The side effects, in their order:

${results.map(({ type, effects }) => `- ${type}: ${effects.join(', ')}`).join('\n')}
${broken.length === 0 ? '' : `\nWhat broke:\n\n${broken.map((text) => `- ${text}`).join('\n')}\n`}`;
}
