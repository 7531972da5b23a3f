import { Command } from 'commander';
import type { RevertResult } from '../../shared/rotation/revert.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment, outputOf } from '../deployment.ts';
import { invokeFunction } from '../invoke-function.ts';
import type { Output } from '../output.ts';
import { requestedBy } from '../requested-by.ts';

interface Dependencies {
  readonly open?: (environment: string) => Promise<Deployment>;
  readonly invoke?: (functionName: string, input: object) => Promise<RevertResult>;
}

/** `rekey rollback`: makes the version before current again, while it is in its grace period. */
export function rollbackCommand(
  output: Output,
  { open = openDeployment, invoke = invokeFunction<RevertResult> }: Dependencies = {},
): Command {
  return new Command('rollback')
    .description('Take the last rotation of a secret back, while the version before is in its grace period.')
    .argument('<secret>', 'the secret')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey rollback pg_prod_main\n  rekey rollback pg_prod_main --json\n\nBoth versions work for the grace period and until every consumer has changed over; then the newer one is ended.\nExit code 1 when there is nothing to go back to.',
    )
    .action(async (secretId: string, { environment, json }: { environment: string; json?: boolean }) => {
      const { outputs } = await open(environment);
      const requestId = crypto.randomUUID();
      const request = { environment, secretId, requestId, requestedBy: requestedBy() };
      const { versionId, replacedVersionId } = await invoke(outputOf(outputs, 'RevertFunction'), request);
      if (json === true) {
        output.line(
          JSON.stringify({ secret_id: secretId, version_id: versionId, replaced_version_id: replacedVersionId }),
        );
        return;
      }
      output.line(`${secretId}: version ${versionId} is current again.`);
      output.line(
        `Version ${replacedVersionId} is ended after the grace period, when no consumer uses it: rekey status ${secretId} --watch`,
      );
    });
}
