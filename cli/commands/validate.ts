import { Command } from 'commander';

import { besideFile, ConfigurationUnreadable, readConfigurationFile } from '../../shared/config/configuration-file.ts';
import { parseConfiguration, type ParseResult } from '../../shared/config/parse-configuration.ts';
import { formatProblem, formatProblems } from '../../shared/config/problem.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';

const DEFAULT_FILE = 'secrets.yaml';

const EXAMPLES = `
Examples:
  $ rekey validate                          check secrets.yaml here
  $ rekey validate dev.yaml prod.yaml       check several files
  $ rekey validate --json | jq .files       for scripts

An openclaw.json that lies beside a file is checked with it.

Exit codes: 0 every file is valid, 1 a file has problems, 3 a file is missing or cannot be read
(what is to be said about the others is printed all the same).`;

/** `rekey validate [FILE…]`: says what is wrong with configuration files, without touching AWS or anything else. */
export function validateCommand(output: Output): Command {
  return new Command('validate')
    .description('check configuration files and name every problem with its line and column')
    .argument('[files...]', `configuration files (default: ${DEFAULT_FILE})`)
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], options: { readonly json?: boolean }) => {
      const checked = (files.length > 0 ? files : [DEFAULT_FILE]).map((path) => ({ path, result: check(path) }));
      if (options.json) output.line(JSON.stringify(asDocument(checked), undefined, 2));
      else for (const { path, result } of checked) print(output, path, result);
      const unreadable = checked.flatMap(({ result }) => ('unreadable' in result ? [result.unreadable] : []));
      if (unreadable.length > 0) {
        const sentence = `${unreadable.join(', ')}. Name the file to check: rekey validate FILE.`;
        throw new CommandFailure(sentence, EXIT_CODE.environment);
      }
      if (checked.some(({ result }) => !result.ok)) process.exitCode = EXIT_CODE.finding;
    });
}

/** A file that cannot be read is one more result: it takes nothing away from what the others have. */
type Result = ParseResult | { readonly ok: false; readonly problems: readonly []; readonly unreadable: string };

interface CheckedFile {
  readonly path: string;
  readonly result: Result;
}

function check(path: string): Result {
  try {
    return parseConfiguration({ path, bytes: readConfigurationFile(path) }, besideFile(path));
  } catch (error) {
    if (!(error instanceof ConfigurationUnreadable)) throw error;
    return { ok: false, problems: [], unreadable: error.safeMessage };
  }
}

function print(output: Output, path: string, result: Result): void {
  if (!result.ok) {
    for (const line of formatProblems(result.problems)) output.line(line);
    return;
  }
  for (const line of formatProblems(result.warnings)) output.note(`warning: ${line}`);
  const { secrets, environments } = count(result);
  output.line(`${path}: ${counted(secrets, 'secret')} in ${counted(environments, 'environment')}: valid`);
}

function asDocument(checked: readonly CheckedFile[]) {
  return {
    valid: checked.every(({ result }) => result.ok),
    files: checked.map(({ path, result }) =>
      result.ok
        ? { path, valid: true, ...count(result), problems: [], warnings: result.warnings.map(withLine) }
        : {
            path,
            valid: false,
            ...('unreadable' in result ? { unreadable: result.unreadable } : {}),
            problems: result.problems.map(withLine),
            warnings: [],
          },
    ),
  };
}

function withLine(problem: Parameters<typeof formatProblem>[0]) {
  return { ...problem, text: formatProblem(problem) };
}

function count(result: Extract<ParseResult, { ok: true }>) {
  const { environments } = result.configuration;
  return {
    secrets: environments.reduce((sum, environment) => sum + environment.secrets.length, 0),
    environments: environments.length,
  };
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
