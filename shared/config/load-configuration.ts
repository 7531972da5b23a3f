import { besideFile, readConfigurationFile } from './configuration-file.ts';
import { RekeyError } from '../errors.ts';
import type { Configuration } from './declaration.ts';
import { parseConfiguration } from './parse-configuration.ts';
import { formatProblems, type Problem } from './problem.ts';

/** The configuration file is wrong; `problems` says everything that is, in file order. */
export class ConfigurationInvalid extends RekeyError {
  static readonly errorName = 'ConfigurationInvalid';
  override readonly name = ConfigurationInvalid.errorName;
  readonly code = 'REKEY_CONFIGURATION_INVALID';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(formatProblems(problems).join('\n'));
    this.problems = problems;
  }
}

/** The configuration in a file; throws `ConfigurationUnreadable` where there is none, `ConfigurationInvalid` for a wrong one. */
export function loadConfiguration(path: string): Configuration {
  const result = parseConfiguration({ path, bytes: readConfigurationFile(path) }, besideFile(path));
  if (!result.ok) throw new ConfigurationInvalid(result.problems);
  return result.configuration;
}
