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

Exit codes: 0 every file is valid, 1 a file has problems, 3 a file is missing.`;

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
      if (checked.some(({ result }) => !result.ok)) process.exitCode = EXIT_CODE.finding;
    });
}

interface CheckedFile {
  readonly path: string;
  readonly result: ParseResult;
}

function check(path: string): ParseResult {
  try {
    return parseConfiguration({ path, bytes: readConfigurationFile(path) }, besideFile(path));
  } catch (cause) {
    if (!(cause instanceof ConfigurationUnreadable)) throw cause;
    throw new CommandFailure(
      `${cause.safeMessage}. Name the file to check: rekey validate FILE.`,
      EXIT_CODE.environment,
      { cause },
    );
  }
}

function print(output: Output, path: string, result: ParseResult): void {
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
        : { path, valid: false, problems: result.problems.map(withLine), warnings: [] },
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
