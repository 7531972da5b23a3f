import { Command } from 'commander';
import { makePlan, type SecretsPlan } from '../../../shared/openclaw/plan.ts';
import type { Output } from '../../output.ts';
import { providerFiles } from './install.ts';
import { asUsage, collect, type MappingOptions, readAliasFile, readMappings } from './mapping-file.ts';

const EXAMPLES = `
Examples:
  $ rekey openclaw plan --directory ~/.rekey/openclaw --secret prod/openai#api_key=models.providers.openai.apiKey --json > plan.json
  $ openclaw secrets apply --from plan.json --dry-run --allow-exec
  $ openclaw secrets apply --from plan.json --allow-exec
  $ rekey openclaw plan --directory ~/.rekey/openclaw --mapping openclaw-secrets.json

A mapping file is a JSON object: {"prod/openai#api_key": "models.providers.openai.apiKey", "slack": ["…", "…"]}.
A segment of a path that has dots is written ["so.named"]. Never edit openclaw.json by hand: OpenClaw may restore it.`;

interface Options extends MappingOptions {
  readonly directory: string;
  readonly provider: string;
  readonly json?: boolean;
}

/** `rekey openclaw plan`: what `openclaw secrets apply` takes. */
export function planCommand(output: Output): Command {
  return new Command('plan')
    .description('Print the plan by which OpenClaw reads its secrets through Rekey.')
    .requiredOption('-d, --directory <dir>', 'where "rekey openclaw install-provider" wrote the command')
    .option('-s, --secret <name=path>', 'a secret, and its place in openclaw.json; may be given again', collect)
    .option('--mapping <file>', 'JSON of secrets and their places')
    .option('--alias-file <file>', 'JSON of ids and the names that they stand for')
    .option('--provider <name>', "the provider's name in openclaw.json", 'rekey')
    .option('--json', 'the plan alone, for a file')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => {
      const { provider, directory, aliasFile } = options;
      const { command } = providerFiles(directory);
      const aliases = readAliasFile(aliasFile);
      const plan = asUsage(() => makePlan({ provider, command, mappings: readMappings(options), aliases }));
      output.line(JSON.stringify(plan, undefined, 2));
      if (options.json !== true) for (const line of nextSteps(plan)) output.note(line);
    });
}

function nextSteps({ targets }: SecretsPlan): readonly string[] {
  return [
    `${targets.length} ${targets.length === 1 ? 'place' : 'places'}. Save this as plan.json (or use --json), then:`,
    '  openclaw secrets apply --from plan.json --dry-run --allow-exec',
    '  openclaw secrets apply --from plan.json --allow-exec',
  ];
}
