import { RekeyError } from '../errors.ts';

/** The request on standard input is not one of OpenClaw's. Its text never quotes what was read. */
export class RequestRefused extends RekeyError {
  static readonly errorName = 'RequestRefused';
  override readonly name = RequestRefused.errorName;
  readonly code = 'REKEY_OPENCLAW_REQUEST';
}

/** The gateway did not take the versions that it should have, or there is no proof that it did. */
export class ReloadUnproven extends RekeyError {
  static readonly errorName = 'ReloadUnproven';
  override readonly name = ReloadUnproven.errorName;
  readonly code = 'REKEY_OPENCLAW_RELOAD';
}

/** The command line, or a file that it names, does not say what OpenClaw needs. */
export class PlanRefused extends RekeyError {
  static readonly errorName = 'PlanRefused';
  override readonly name = PlanRefused.errorName;
  readonly code = 'REKEY_OPENCLAW_PLAN';
}
