import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { standardOutput as output } from '../../cli/output.ts';
import { table } from '../../cli/table.ts';
import { type CellResult, cellsOf, runCell } from './matrix.ts';
import { asDocument, asTable, counts, countsOf, failures, inWords, isBroken, type RotatorResult } from './report.ts';
import { TARGETS } from './targets.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/crash-matrix.md');
const EXIT_BROKEN = 1;

const program = new Command('npm run chaos --')
  .description('Harm rotations at every side effect, let them recover by themselves, and print what survived.')
  .argument('[rotators...]', `only these of: ${Object.keys(TARGETS).join(', ')}`)
  .option('--json', 'the last line is one JSON object')
  .addOption(new Option('--cells', 'one rotator: every cell, as one JSON object').hideHelp())
  .option('--no-write', 'leave docs/crash-matrix.md as it is; it is only written when every rotator ran')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run chaos\n  npm run chaos -- redis "http without list"\n  npm run chaos -- --json\n\nExit codes: 0 every cell survived (or people were told, where nobody can find out), 1 some did not, 2 wrong arguments.',
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
  output.line(`${inWords(cells)}.`);
  const { json, write } = program.opts<{ json?: boolean; write: boolean }>();
  if (write && results.length === Object.keys(TARGETS).length) writeFileSync(DOCUMENT, asDocument(results));
  if (json === true) output.line(JSON.stringify({ ...countsOf(cells), rotators: counts(results) }));
  if (cells.some(isBroken)) process.exitCode = EXIT_BROKEN;
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
    output.note(`${type}: ${inWords(done)} (${seconds} s)`);
    const effects = cells.filter(({ column }) => column === 'fails').map(({ effectName }) => effectName);
    return { type, effects, cells: done };
  } finally {
    await harness.stop();
  }
}
