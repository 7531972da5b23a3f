import { Command, InvalidArgumentError, Option } from 'commander';

import { type LocalCloud, readLocalCloud, startLocalCloud } from '../../infra/local/local-cloud.ts';
import { LocalCloudFailure } from '../../infra/local/local-cloud-failure.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';

const EXAMPLES = `
Examples:
  $ rekey local up                          start AWS on 127.0.0.1 and leave it running
  $ eval "$(rekey local env)"               let this shell's AWS tools use it
  $ rekey local status --json | jq .endpoint
  $ rekey local down                        end it, with every Lambda process it started

With AWS_ENDPOINT_URL set, that endpoint is used: up and down leave it alone.
Exit codes: 0 done, 1 status: none is running, 3 something is missing (Python, a port, room on the disk).`;

interface JsonOption {
  readonly json?: boolean;
}

interface UpOptions extends JsonOption {
  readonly port?: number;
  readonly rateScale: number;
  readonly waitScale: number;
}

/** `rekey local …`: an emulator of AWS on 127.0.0.1 that stays up between commands. */
export function localCommand(output: Output): Command {
  const command = new Command('local')
    .description('run AWS on this machine: an emulator on 127.0.0.1')
    .addHelpText('after', EXAMPLES);

  subcommand('up', 'start the local cloud and leave it running')
    .addOption(new Option('--port <number>', 'port of 127.0.0.1 (default: any free one)').argParser(wholeNumber))
    .addOption(scaleOption('--rate-scale <factor>', 'how much faster than on AWS scheduled rules fire'))
    .addOption(scaleOption('--wait-scale <factor>', 'how much shorter than on AWS the waits of Step Functions are'))
    .action(async (options: UpOptions) => {
      const cloud = await orFail(
        startLocalCloud({
          detached: true,
          scale: { rate: options.rateScale, wait: options.waitScale },
          onProgress: (line) => output.note(line),
          ...(options.port === undefined ? {} : { port: options.port }),
        }),
      );
      if (options.json) printJson({ running: true, ...about(cloud) });
      else output.line(`The local cloud runs at ${cloud.endpoint}. To use it here: eval "$(rekey local env)"`);
    });

  subcommand('down', 'end the local cloud').action(async ({ json }: JsonOption) => {
    const cloud = await orFail(readLocalCloud());
    await cloud?.stop();
    if (json) printJson({ running: false, stopped: cloud !== undefined });
    else output.line(cloud === undefined ? 'No local cloud is running.' : 'The local cloud has ended.');
  });

  subcommand('status', 'say whether a local cloud is running').action(async ({ json }: JsonOption) => {
    const cloud = await orFail(readLocalCloud());
    if (json) printJson(cloud === undefined ? { running: false } : { running: true, ...about(cloud) });
    else output.line(cloud === undefined ? 'No local cloud is running.' : describe(cloud));
    if (cloud === undefined) process.exitCode = EXIT_CODE.finding;
  });

  subcommand('env', 'print what a shell needs to use the local cloud').action(async ({ json }: JsonOption) => {
    const { environment } = await running();
    if (json) printJson(environment);
    else {
      for (const [name, value] of Object.entries(environment)) {
        // The AWS CLI takes an empty AWS_PROFILE for the name of a profile.
        output.line(value === '' ? `unset ${name}` : `export ${name}=${quote(value)}`);
      }
    }
  });

  subcommand('reset', 'empty the local cloud').action(async ({ json }: JsonOption) => {
    await orFail((await running()).reset());
    if (json) printJson({ reset: true });
    else output.line('The local cloud is empty.');
  });

  return command;

  function subcommand(name: string, description: string): Command {
    return command.command(name).description(description).option('--json', 'print one JSON document');
  }

  function printJson(document: unknown): void {
    output.line(JSON.stringify(document, undefined, 2));
  }
}

async function running(): Promise<LocalCloud> {
  const cloud = await orFail(readLocalCloud());
  if (cloud === undefined) throw new CommandFailure('No local cloud is running: start one with `rekey local up`.');
  return cloud;
}

function about({ endpoint, logFile, pid }: LocalCloud): { endpoint: string; logFile?: string; pid?: number } {
  return { endpoint, ...(logFile === undefined ? {} : { logFile }), ...(pid === undefined ? {} : { pid }) };
}

function describe({ endpoint, logFile, pid }: LocalCloud): string {
  return pid === undefined
    ? `AWS_ENDPOINT_URL names ${endpoint}; Rekey did not start it.`
    : `The local cloud runs at ${endpoint} (process ${pid}, log ${logFile}).`;
}

async function orFail<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof LocalCloudFailure) {
      throw new CommandFailure(error.message, EXIT_CODE.environment, { cause: error });
    }
    throw error;
  }
}

function scaleOption(flags: string, description: string): Option {
  return new Option(flags, description).default(1).argParser((text) => {
    const factor = Number(text);
    if (!Number.isFinite(factor) || factor <= 0) throw new InvalidArgumentError('It must be a number above 0.');
    return factor;
  });
}

function wholeNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 65535.');
  }
  return port;
}

/** For POSIX shells: everything but a single quote is itself between single quotes. */
function quote(value: string): string {
  return /^[\w./:-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
