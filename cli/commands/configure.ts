import { Command } from 'commander';
import type { ConfigureReport } from '../../shared/configure/configure.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment, outputOf } from '../deployment.ts';
import { invokeFunction } from '../invoke-function.ts';
import type { Output } from '../output.ts';

const MEANINGS: Readonly<Record<keyof ConfigureReport, string>> = {
  created: 'created without a value; the first rotation gives it one',
  adopted: 'adopted as it was',
  changed: 'declaration changed',
  unchanged: 'as deployed before',
  orphaned: 'left the file: kept, no longer rotated',
  unsupported: 'registered, not rotated: no rotator for its type, or something that it needs is not declared',
};

/** `rekey configure`: brings registry and Secrets Manager in step with the deployed file again, and reports. */
export function configureCommand(
  output: Output,
  open: (environment: string) => Promise<Deployment> = openDeployment,
): Command {
  return new Command('configure')
    .description('Bring the registry and Secrets Manager in step with the deployed secrets.yaml again.')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey configure\n  rekey configure --json\n\nEvery deployment does this too. To change what is declared, edit secrets.yaml and deploy.',
    )
    .action(async (options: { readonly environment: string; readonly json?: boolean }) => {
      const { outputs } = await open(options.environment);
      const report = await invokeFunction<ConfigureReport>(outputOf(outputs, 'ConfigureFunction'), {
        source: 'rekey.cli',
      });
      if (options.json === true) return output.line(JSON.stringify(report));
      for (const [kind, meaning] of Object.entries(MEANINGS) as [keyof ConfigureReport, string][]) {
        for (const name of report[kind]) output.line(`${name}: ${meaning}`);
      }
    });
}
