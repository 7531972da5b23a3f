import { Command, CommanderError } from 'commander';
import { standardOutput as output } from '../cli/output.ts';
import { benchBundles } from './bundles.ts';
import { benchRotation } from './rotation.ts';

/** One measurement: what people read, and the JSON object whose keys stay the same over time. */
export interface Measurement {
  readonly lines: readonly string[];
  readonly figures: object;
}

const BENCHES: Readonly<Record<string, (note: (text: string) => void) => Promise<Measurement>>> = {
  rotation: benchRotation,
  bundles: benchBundles,
};

const program = new Command('npm run bench --')
  .description('Measure Rekey: figures as ratios or counts, absolute times only for this machine.')
  .argument('<name>', `one of: ${Object.keys(BENCHES).join(', ')}`)
  .option('--json', 'the last line is one JSON object')
  .addHelpText('after', '\nExamples:\n  npm run bench -- rotation\n  npm run bench -- bundles --json')
  .exitOverride();

try {
  program.parse();
  const [name = ''] = program.args;
  const bench = BENCHES[name];
  if (bench === undefined)
    program.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHES).join(', ')}.`);
  else {
    const { lines, figures } = await bench((text) => output.note(text));
    for (const line of lines) output.line(line);
    if (program.opts<{ json?: boolean }>().json === true) output.line(JSON.stringify(figures));
  }
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
