import { Command } from 'commander';
import type { Output } from '../../output.ts';
import { installProvider } from './install.ts';
import { readAliasFile } from './mapping-file.ts';

const EXAMPLES = `
Examples:
  $ rekey openclaw install-provider --directory ~/.rekey/openclaw
  $ rekey openclaw install-provider --directory ~/.rekey/openclaw --alias-file aliases.json --json

Run it as the user of the gateway: OpenClaw refuses links and files of others. Run it again after Rekey or Node has
moved. Exit code 2 when the directory is not only yours.`;

interface Options {
  readonly directory: string;
  readonly aliasFile?: string;
  readonly json?: boolean;
}

/** `rekey openclaw install-provider`: the executable that OpenClaw starts for its secrets. */
export function installCommand(output: Output): Command {
  return new Command('install-provider')
    .description('Write the command that OpenClaw runs to read secrets.')
    .requiredOption('-d, --directory <dir>', 'a directory of your own; it is made where it is missing')
    .option('--alias-file <file>', 'JSON of ids and the names that they stand for')
    .option('--json', 'one JSON document')
    .addHelpText('after', EXAMPLES)
    .action(({ directory, aliasFile, json }: Options) => {
      readAliasFile(aliasFile);
      const { command, witnessFile, serveFile } = installProvider(directory, aliasFile);
      if (json === true) output.line(JSON.stringify({ command, witness_file: witnessFile, serve_file: serveFile }));
      else output.line(`${command} answers OpenClaw now. Next: rekey openclaw plan --directory ${directory} --help`);
    });
}
