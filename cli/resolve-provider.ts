import { parseArgs } from 'node:util';
import { provide } from './commands/openclaw/provide.ts';
import { EXIT_CODE } from './exit-code.ts';

/*
 * `rekey resolve` as a program of its own: OpenClaw starts it anew for every batch, so it imports the client of Secrets
 * Manager and nothing else. `rekey openclaw install-provider` writes the command that runs it.
 */
const options = readOptions();
const provided = await provide(
  { witness: options.witness, serveFile: options['serve-file'], aliasFile: options['alias-file'] },
  { input: process.stdin, environment: process.env },
);
if (provided.stderr !== undefined) process.stderr.write(`${provided.stderr}\n`);
// Open connections are not waited for.
process.stdout.write(provided.stdout, () => process.exit(provided.exitCode));

function readOptions() {
  const file = { type: 'string' } as const;
  try {
    return parseArgs({ options: { witness: file, 'serve-file': file, 'alias-file': file } }).values;
  } catch {
    process.stderr.write('rekey resolve: options are --witness, --serve-file and --alias-file, each with a file.\n');
    return process.exit(EXIT_CODE.usage);
  }
}
