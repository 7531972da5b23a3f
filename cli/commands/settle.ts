import { Command } from 'commander';
import type { SettleResult } from '../../shared/rotation/settle-debt.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment, outputOf } from '../deployment.ts';
import { invokeFunction } from '../invoke-function.ts';
import type { Output } from '../output.ts';
import { requestedBy } from '../requested-by.ts';
import { printable } from './printable.ts';

interface Dependencies {
  readonly open?: (environment: string) => Promise<Deployment>;
  readonly invoke?: (functionName: string, input: object) => Promise<SettleResult>;
}

interface Options {
  readonly environment: string;
  readonly statement: string;
  readonly json?: boolean;
}

/** `rekey settle`: a person says that a credential that is owed is dead. */
export function settleCommand(
  output: Output,
  { open = openDeployment, invoke = invokeFunction<SettleResult> }: Dependencies = {},
): Command {
  return new Command('settle')
    .description('Say that a credential is dead that Rekey owes and cannot end or find by itself.')
    .argument('<secret>', 'the secret')
    .argument('[version]', 'which version is meant; needed where several are owed (rekey status shows them)')
    .requiredOption(
      '-s, --statement <text>',
      'what you have seen or done, for the audit trail (at most 512 characters)',
    )
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey settle billing_api --statement "rekey-1f2e… is not in the provider\'s list"\n  rekey settle aws_uploader 6f1c1d0e-… --statement "deleted AKIA…WXYZ in the console" --json\n\nWhere the value of the version is known and can be tried it is, first: what still works is not settled. Your name and statement\nare written into the audit trail. Exit code 1 when nothing is owed, or the credential still opens its target.',
    )
    .action(async (secretId: string, versionId: string | undefined, { environment, statement, json }: Options) => {
      const { outputs } = await open(environment);
      const settle = outputOf(outputs, 'SettleDebtFunction');
      const request = { environment, secretId, requestId: crypto.randomUUID(), requestedBy: requestedBy(), statement };
      // Named in any case: the request may be repeated when its answer is lost, and something else be owed by then.
      const debt = versionId ?? (await invoke(settle, request)).versionId;
      const settled = await invoke(settle, { ...request, debt });
      const { proof } = settled;
      const identity = printable(settled.identity);
      if (json === true) {
        output.line(
          JSON.stringify({ secret_id: secretId, version_id: settled.versionId, credential: settled.identity, proof }),
        );
        return;
      }
      const how =
        proof === 'refused'
          ? 'the target refused its value just now'
          : 'by your word: there is no value that could be tried';
      output.line(`${secretId}: nothing is owed for version ${settled.versionId} ("${identity}") any more: ${how}.`);
    });
}
