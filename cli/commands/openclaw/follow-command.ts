import { Command } from 'commander';
import { openSecrets } from '../../../client/open-secrets.ts';
import { systemClock } from '../../../shared/clock.ts';
import { OpenClawFollower } from '../../../shared/openclaw/follower.ts';
import { OpenClawCommand } from '../../../shared/openclaw/gateway-rpc.ts';
import { idsBySecret } from '../../../shared/openclaw/plan.ts';
import { reloadOpenClaw } from '../../../shared/openclaw/reload.ts';
import { ServeFile } from '../../../shared/openclaw/serve-file.ts';
import { DEFAULT_ENVIRONMENT } from '../../deployment.ts';
import { CommandFailure, EXIT_CODE } from '../../exit-code.ts';
import type { Output } from '../../output.ts';
import { providerFiles } from './install.ts';
import { asUsage, collect, type MappingOptions, readAliasFile, readMappings } from './mapping-file.ts';

const DEFAULT_URL = 'ws://127.0.0.1:18789';
const TICK_MILLISECONDS = 60_000;
/** A reload that fails and the one that undoes it. */
const PROVE_SECONDS = 60;

const EXAMPLES = `
Examples:
  $ OPENCLAW_GATEWAY_TOKEN=… rekey openclaw follow --directory ~/.rekey/openclaw --mapping openclaw-secrets.json
  $ rekey openclaw follow --directory ~/.rekey/openclaw --id prod/openai#api_key --agent support-bot
  $ rekey openclaw follow --directory ~/.rekey/openclaw --id prod/openai --openclaw /opt/openclaw/openclaw.mjs

Runs beside the gateway, as its user, as long as the gateway runs. The gateway's token comes from
OPENCLAW_GATEWAY_TOKEN, never from the command line. Ends with exit code 0 when it is told to (SIGTERM, Ctrl-C), and
with 3 when at the start the gateway does not have, or cannot be brought to, what AWSCURRENT says.`;

interface Options extends MappingOptions {
  readonly directory: string;
  readonly id?: readonly string[];
  readonly url: string;
  readonly agent: string;
  readonly environment: string;
  readonly openclaw?: string;
}

/** `rekey openclaw follow`: the consumer beside a gateway, which acknowledges rollouts for it. */
export function followCommand(output: Output, open: typeof openSecrets = openSecrets): Command {
  return new Command('follow')
    .description('Carry a running gateway of OpenClaw through rotations: reload, prove, acknowledge.')
    .requiredOption('-d, --directory <dir>', 'where "rekey openclaw install-provider" wrote the command')
    .option('--id <id>', 'an id as OpenClaw asks for it; may be given again', collect)
    .option('--mapping <file>', 'the mapping file of "rekey openclaw plan"')
    .option('--alias-file <file>', 'JSON of ids and the names that they stand for')
    .option('--url <url>', "the gateway's address", DEFAULT_URL)
    .option('--agent <name>', 'the declared identity in the audit trail', 'openclaw')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--openclaw <file>', 'openclaw.mjs, where `openclaw` is not on the PATH')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => follow(options, output, open));
}

async function follow(options: Options, output: Output, open: typeof openSecrets): Promise<void> {
  const token = process.env['OPENCLAW_GATEWAY_TOKEN'];
  if (token === undefined || token === '') {
    throw new CommandFailure('OPENCLAW_GATEWAY_TOKEN is not set: it is the token of the gateway.', EXIT_CODE.usage);
  }
  const files = providerFiles(options.directory);
  const aliases = readAliasFile(options.aliasFile);
  const written = [...(options.id ?? []), ...readMappings(options).map(({ id }) => id)];
  const ids = asUsage(() => idsBySecret(written, aliases));
  if (ids.size === 0) throw new CommandFailure('Name what OpenClaw uses: --id or --mapping.', EXIT_CODE.usage);
  const { url, agent, environment } = options;
  const command = options.openclaw === undefined ? undefined : [process.execPath, options.openclaw];
  const rpc = new OpenClawCommand({ url, token, ...(command === undefined ? {} : { command }) });

  const secrets = await open([...ids.keys()], { agent, environment, proveSeconds: PROVE_SECONDS });
  const follower = new OpenClawFollower({
    secrets,
    idsBySecret: ids,
    serveFile: new ServeFile(files.serveFile),
    reload: (expect) =>
      reloadOpenClaw({ url, token, rpc, expect, witnessFile: files.witnessFile, lockFile: files.lockFile }),
    clock: systemClock,
    note: (sentence) => output.note(sentence),
  });
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once('SIGTERM', end).once('SIGINT', end);
  try {
    await follower.start();
    output.line(`Following ${[...ids.keys()].join(', ')} for the gateway at ${url}.`);
    while (!stop.signal.aborted) {
      await systemClock.sleep(TICK_MILLISECONDS, stop.signal).catch(() => undefined);
      if (!stop.signal.aborted) await follower.tick();
    }
  } finally {
    process.off('SIGTERM', end).off('SIGINT', end);
    follower.stop();
    await secrets.close();
  }
}
