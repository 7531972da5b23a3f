import { RekeyError } from '../errors.ts';
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

/** The configuration file cannot be read: it is not there, a directory, or not ours to read. */
export class ConfigurationUnreadable extends RekeyError {
  static readonly errorName = 'ConfigurationUnreadable';
  override readonly name = ConfigurationUnreadable.errorName;
  readonly code = 'REKEY_CONFIGURATION_UNREADABLE';
}
