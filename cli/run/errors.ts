import { RekeyError } from '../../shared/errors.ts';

/** The command did not take the values, or did not work with them: it goes back to those it had. */
export class ReloadFailed extends RekeyError {
  static readonly errorName = 'ReloadFailed';
  override readonly name = ReloadFailed.errorName;
  readonly code = 'REKEY_RELOAD_FAILED';
}

/** A value cannot be delivered as asked: it is not JSON, lacks the key, or does not fit into an environment variable. */
export class Undeliverable extends RekeyError {
  static readonly errorName = 'Undeliverable';
  override readonly name = Undeliverable.errorName;
  readonly code = 'REKEY_UNDELIVERABLE';
}
