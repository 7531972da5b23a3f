import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../shared/clock.ts';
import { DEFAULT_ENVIRONMENT } from '../deployment.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { openFollowed } from '../run/followed-secrets.ts';
import { parseHealthCheck } from '../run/health-check.ts';
import { parseReloadAction } from '../run/reload-action.ts';
import { tellTo } from '../run/run-events.ts';
import { type RunOptions, type RunPorts, takeSeconds } from '../run/run-options.ts';
import { parseSecretSpecs } from '../run/secret-spec.ts';
import { supervise } from '../run/supervise.ts';

const EXAMPLES = `
Examples:
  $ rekey run --secret pg_prod_main -- ./server                          PG_PROD_MAIN has the value
  $ rekey run --secret pg_prod_main#password=PGPASSWORD -- python app.py one member of its JSON
  $ rekey run --secret tls/key --files --on-reload SIGHUP -- nginx -g 'daemon off;'
  $ rekey run --secret api_key --health tcp:8080 -- java -jar app.jar    a new value counts when the port answers
  $ rekey run --secret api_key --health ./check-key -- ./agent                 or when a program of yours says so

With --files, REKEY_FILES names the directory of the files. docs/run.md has the rest.

Exit codes: the command's own, or 128 and the number of the signal that ended it; 75 Rekey could not be reached for as
long as --bound allows; 126 and 127 the command cannot be started; 2 wrong command line; 3 a secret could not be read.`;

const DEFAULT_SETTLE_SECONDS = 3;
/** What the consumer library allows for taking new values. */
const LONGEST_TAKE_SECONDS = 300;

interface Options {
  readonly secret: readonly string[];
  readonly files?: string | true;
  readonly onReload: string;
  readonly stopTimeout: number;
  readonly health?: string;
  readonly healthTimeout: number;
  readonly bound: number;
  readonly onStale: 'exit' | 'keep';
  readonly requireAll: boolean;
  readonly environment: string;
  readonly agent?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

interface Dependencies extends Partial<Omit<RunPorts, 'tell'>> {
  readonly run?: (options: RunOptions, ports: RunPorts) => Promise<number>;
  readonly exit?: (code: number) => void;
  readonly isTerminal?: boolean;
}

/** `rekey run`: any program as a consumer, its secrets in environment variables or files. */
export function runCommand(output: Output, dependencies: Dependencies = {}): Command {
  return new Command('run')
    .description('Run a command with secrets, bring it their new values, and go back where it does not work with them.')
    .usage('[options] --secret NAME -- COMMAND [ARGS...]')
    .argument('<command...>', 'the command and its arguments, after --')
    .option('--secret <spec>', 'NAME, NAME=VARIABLE, NAME#key or NAME#key=VARIABLE; may be repeated', collect, [])
    .option('--files [directory]', 'files instead of environment variables; in memory where no directory is given')
    .option('--on-reload <action>', 'restart, a signal such as SIGHUP, exec:COMMAND or none', 'restart')
    .addOption(seconds('--stop-timeout <seconds>', 'from SIGTERM to SIGKILL', { from: 0, to: 140, by: 10 }))
    .option('--health <check>', 'COMMAND, URL or tcp:[HOST:]PORT that has to work with new values')
    .addOption(seconds('--health-timeout <seconds>', 'how long it may take', { from: 1, to: 140, by: 30 }))
    .addOption(seconds('--bound <seconds>', 'how long to go on unheard of', { from: 120, to: 86_400, by: 3600 }))
    .addOption(new Option('--on-stale <what>', 'what to do then').choices(['exit', 'keep']).default('exit'))
    .option('--require-all', 'do not start without one of the secrets', true)
    .option('--no-require-all', 'start without those that cannot be read, with a warning')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .addOption(new Option('--agent <name>', 'the declared identity, for the audit trail').env('REKEY_AGENT'))
    .option('--quiet', 'say only what goes wrong')
    .option('--json', 'say it as JSON lines, on standard error')
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options) => {
      if (process.platform === 'win32') throw new CommandFailure('"rekey run" does not run on Windows.');
      const { run = supervise, exit = (code) => process.exit(code), clock = systemClock } = dependencies;
      const tell = tellTo(output, { json: options.json === true, quiet: options.quiet === true, clock });
      const isTerminal = dependencies.isTerminal ?? process.stdin.isTTY;
      const parsed = parse(words, options, isTerminal);
      try {
        const code = await run(parsed, {
          open: dependencies.open ?? openFollowed,
          signals: dependencies.signals ?? process,
          env: dependencies.env ?? process.env,
          tell,
          clock,
        });
        tell({ event: 'ended', exit_code: code });
        // The connections to AWS would keep this process for a while.
        exit(code);
      } catch (error) {
        if (!(error instanceof CommandFailure)) throw error;
        tell({ event: 'failed', message: error.message, exit_code: error.exitCode });
        exit(error.exitCode);
      }
    });
}

function parse(words: readonly string[], options: Options, isTerminal: boolean): RunOptions {
  const [program, ...rest] = words;
  if (program === undefined || program === '') throw usage('There is no command after --.');
  const medium = options.files === undefined ? 'environment' : 'files';
  const parsed: RunOptions = {
    command: [program, ...rest],
    specs: parseSecretSpecs(options.secret, medium),
    medium,
    directory: typeof options.files === 'string' ? options.files : undefined,
    action: parseReloadAction(options.onReload, medium),
    health: options.health === undefined ? undefined : parseHealthCheck(options.health),
    stopSeconds: options.stopTimeout,
    healthSeconds: options.healthTimeout,
    settleSeconds: DEFAULT_SETTLE_SECONDS,
    boundSeconds: options.bound,
    onStale: options.onStale,
    requireAll: options.requireAll,
    environment: options.environment,
    agent: options.agent,
    isTerminal,
  };
  if (takeSeconds(parsed) > LONGEST_TAKE_SECONDS) {
    throw usage(
      `--stop-timeout and --health-timeout are too long: taking new values and going back could take ${takeSeconds(parsed)} seconds, more than ${LONGEST_TAKE_SECONDS}.`,
    );
  }
  return parsed;
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function seconds(
  flags: string,
  description: string,
  { from, to, by }: { readonly from: number; readonly to: number; readonly by: number },
): Option {
  return new Option(flags, `${description}, ${from} to ${to}`).default(by).argParser((text) => {
    const number = Number(text);
    if (text.trim() !== '' && number >= from && number <= to) return number;
    throw new InvalidArgumentError(`It must be a number from ${from} to ${to}.`);
  });
}

function usage(sentence: string): CommandFailure {
  return new CommandFailure(sentence, EXIT_CODE.usage);
}
