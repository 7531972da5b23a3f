import { Command } from 'commander';
import type { Output } from '../output.ts';
import { provide } from './openclaw/provide.ts';

const EXAMPLES = `
Examples:
  $ echo '{"protocolVersion":1,"provider":"aws","ids":["prod/openai#api_key"]}' | rekey resolve
  $ rekey resolve --alias-file aliases.json < request.json

An id is a secret's name or ARN; "#key" after it means one field of its JSON. Names that OpenClaw does not take
(with @ + =, a leading /, or over 256 characters) get an alias: {"mail": "prod/mail@example.com#password"}.
OpenClaw itself runs what "rekey openclaw install-provider" writes, which starts faster.

Error codes of an id: NOT_FOUND, AMBIGUOUS_DUPLICATE_KEY, ACCESS_DENIED, BINARY, DECRYPTION_FAILED, DELETED, FAILED,
INVALID_ID, NO_CREDENTIALS, NOT_A_STRING, NOT_JSON, THROTTLED, TIMEOUT, UNAVAILABLE.
Exit codes: 0 answered, whatever the ids; 2 the request is not one; 3 the aliases cannot be read.`;

interface Options {
  readonly witness?: string;
  readonly serveFile?: string;
  readonly aliasFile?: string;
}

/** `rekey resolve`: OpenClaw's exec secret provider over AWS Secrets Manager. Prints values: it is what it is for. */
export function resolveCommand(output: Output, input: AsyncIterable<Uint8Array> = process.stdin): Command {
  return new Command('resolve')
    .description("Answer one batch of OpenClaw's exec secret protocol from AWS Secrets Manager (stdin to stdout).")
    .option('--alias-file <file>', 'JSON of ids and the names that they stand for (default: REKEY_ALIASES)')
    .option('--witness <file>', 'append which versions were served, never a value')
    .option('--serve-file <file>', 'serve the versions of a rollout that this file names')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      const { stdout, stderr, exitCode } = await provide(options, { input, environment: process.env });
      if (stderr !== undefined) output.note(stderr);
      output.line(stdout.trimEnd());
      process.exitCode = exitCode;
    });
}
