import { RekeyError } from '../shared/errors.ts';

/**
 * The value may have been ended: nothing has been heard from this process for its bound. It is read again as soon as
 * AWS answers.
 */
export class SecretStale extends RekeyError {
  static readonly errorName = 'SecretStale';
  override readonly name = SecretStale.errorName;
  readonly code = 'REKEY_SECRET_STALE';
}

/** The secret is not one that was opened, has no value, or may not be read. */
export class SecretUnavailable extends RekeyError {
  static readonly errorName = 'SecretUnavailable';
  override readonly name = SecretUnavailable.errorName;
  readonly code = 'REKEY_SECRET_UNAVAILABLE';
}

/** The value is not the JSON that the caller expects. Has no cause: a parser's message quotes what it reads. */
export class SecretNotJson extends RekeyError {
  static readonly errorName = 'SecretNotJson';
  override readonly name = SecretNotJson.errorName;
  readonly code = 'REKEY_SECRET_NOT_JSON';
}

/** These secrets have been closed. */
export class SecretsClosed extends RekeyError {
  static readonly errorName = 'SecretsClosed';
  override readonly name = SecretsClosed.errorName;
  readonly code = 'REKEY_SECRETS_CLOSED';
}

/** The caller's own check of a new value took too long or answered `false`. */
export class ProofFailed extends RekeyError {
  static readonly errorName = 'ProofFailed';
  override readonly name = ProofFailed.errorName;
  readonly code = 'REKEY_PROOF_FAILED';
}

/** An agent's declaration contradicts itself. */
export class AgentMisdeclared extends RekeyError {
  static readonly errorName = 'AgentMisdeclared';
  override readonly name = AgentMisdeclared.errorName;
  readonly code = 'REKEY_AGENT_MISDECLARED';
}

/** The action needs an approval, and it was not given or nobody can give one. */
export class NotApproved extends RekeyError {
  static readonly errorName = 'NotApproved';
  override readonly name = NotApproved.errorName;
  readonly code = 'REKEY_NOT_APPROVED';
}
