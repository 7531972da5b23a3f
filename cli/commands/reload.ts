import { Command } from 'commander';
import { systemClock } from '../../shared/clock.ts';
import { isCountedOn } from '../../shared/rollout/presence.ts';
import type { ReloadResult } from '../../shared/rollout/reload.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment, outputOf } from '../deployment.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { invokeFunction } from '../invoke-function.ts';
import type { Output } from '../output.ts';
import { requestedBy } from '../requested-by.ts';
import { timeoutMilliseconds } from '../timeout-option.ts';

const POLL_MILLISECONDS = 500;

interface Dependencies {
  readonly open?: (environment: string) => Promise<Deployment>;
  readonly invoke?: (functionName: string, input: object) => Promise<ReloadResult>;
}

interface Options {
  readonly environment: string;
  readonly json?: boolean;
  readonly wait: boolean;
  readonly timeout: string;
}

/** `rekey reload`: every running consumer reads AWSCURRENT again, proves it and says so. */
export function reloadCommand(
  output: Output,
  { open = openDeployment, invoke = invokeFunction<ReloadResult> }: Dependencies = {},
): Command {
  return new Command('reload')
    .description('Make the consumers of secrets take their current value again, and wait until they have.')
    .argument('<secret...>', 'the secrets')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--no-wait', 'return when they have been told')
    .option('--timeout <seconds>', 'how long to wait for them', '60')
    .option('--json', 'one JSON document at the end')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey reload pg_prod_main\n  rekey reload api_key_github api_key_openai --json\n\nExit code 1 when a consumer has not taken it in time.',
    )
    .action(async (names: string[], options: Options) => {
      const milliseconds = timeoutMilliseconds(options);
      const deployment = await open(options.environment);
      const { environment } = options;
      const told = [];
      for (const secretId of names) {
        const request = { environment, secretId, requestId: crypto.randomUUID(), requestedBy: requestedBy() };
        const { sequence } = await invoke(outputOf(deployment.outputs, 'ReloadFunction'), request);
        told.push({ secretId, sequence });
      }
      const deadline = systemClock.now().getTime() + (options.wait ? milliseconds : 0);
      const results = [];
      for (const reload of told) results.push(await taken(reload, deployment, deadline));
      if (options.json === true) output.line(JSON.stringify({ environment, reloads: results }));
      else for (const result of results) output.line(describe(result, options.wait));
      if (options.wait && results.some(({ missing }) => missing.length > 0)) process.exitCode = EXIT_CODE.finding;
    });
}

interface Taken {
  readonly secret_id: string;
  readonly consumers: number;
  readonly reloaded: number;
  readonly missing: readonly string[];
}

async function taken(
  { secretId, sequence }: { readonly secretId: string; readonly sequence: number },
  { rollouts }: Deployment,
  deadline: number,
): Promise<Taken> {
  for (;;) {
    const live = (await rollouts.consumers(secretId)).filter((consumer) => isCountedOn(consumer, systemClock.now()));
    const missing = live.filter((consumer) => consumer.sequence < sequence);
    if (missing.length === 0 || systemClock.now().getTime() >= deadline) {
      return {
        secret_id: secretId,
        consumers: live.length,
        reloaded: live.length - missing.length,
        missing: missing.map(({ agent, host }) => `${agent} on ${host}`),
      };
    }
    await systemClock.sleep(POLL_MILLISECONDS);
  }
}

function describe({ secret_id, consumers, reloaded, missing }: Taken, waited: boolean): string {
  if (consumers === 0) return `${secret_id}: no consumer is running.`;
  if (!waited) return `${secret_id}: ${consumers} consumers have been told.`;
  const rest = missing.length === 0 ? '' : ` Not yet: ${missing.slice(0, 10).join(', ')}.`;
  return `${secret_id}: ${reloaded} of ${consumers} consumers have taken it.${rest}`;
}
