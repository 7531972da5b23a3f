import { Command, CommanderError } from 'commander';
import { standardOutput as output } from '../cli/output.ts';
import { benchBundles } from './bundles.ts';
import { benchClient } from './client.ts';
import { benchRotation } from './rotation.ts';
import { benchRotators } from './rotators.ts';

/** One measurement: what people read, and the JSON object whose keys stay the same over time. */
export interface Measurement {
  readonly lines: readonly string[];
  readonly figures: object;
}

/** `note` says how far it is; what `cleanup` is given runs at the end, however that comes. */
export type Bench = (note: (text: string) => void, cleanup: AsyncDisposableStack) => Promise<Measurement>;

const BENCHES: Readonly<Record<string, Bench>> = {
  rotation: benchRotation,
  rotators: benchRotators,
  bundles: benchBundles,
  client: benchClient,
};

const EXIT_INTERRUPTED = 130;

const program = new Command('npm run bench --')
  .description('Measure Rekey: figures as ratios or counts, absolute times only for this machine.')
  .argument('<name>', `one of: ${Object.keys(BENCHES).join(', ')}`)
  .option('--json', 'the last line is one JSON object')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run bench -- rotation\n  npm run bench -- bundles --json\n  npm run bench -- client\n  npm run bench -- rotators',
  )
  .exitOverride();

try {
  program.parse();
  const [name = ''] = program.args;
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (bench === undefined)
    program.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHES).join(', ')}.`);
  else await run(bench);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

/** Runs `bench` to its end or to Ctrl-C, whichever comes first; then nothing of it is left running. */
async function run(bench: Bench): Promise<void> {
  const cleanup = new AsyncDisposableStack();
  const interruption = Promise.withResolvers<undefined>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.resolve(undefined));
  try {
    const work = bench((text) => output.note(text), cleanup);
    // After Ctrl-C its servers are gone: what it says about that is of no interest.
    work.catch(() => undefined);
    const measured = await Promise.race([work, interruption.promise]);
    for (const line of measured?.lines ?? ['Interrupted.']) output.line(line);
    if (measured !== undefined && program.opts<{ json?: boolean }>().json === true) {
      output.line(JSON.stringify(measured.figures));
    }
    if (measured === undefined) process.exitCode = EXIT_INTERRUPTED;
  } finally {
    await cleanup.disposeAsync();
  }
  if (process.exitCode === EXIT_INTERRUPTED) process.exit();
}
