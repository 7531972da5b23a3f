import { RekeyError, TargetUnreachable, TransientFailure } from '../../errors.ts';

const UNVERIFIED = /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME|ALTNAME/;

/** What went wrong while connecting to `place`. */
export function connectFailure(error: unknown, place: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const code = codeOf(error);
  if (UNVERIFIED.test(code)) {
    return new TargetUnreachable(
      `The certificate of ${place} is not trusted (${code}): declare its authority as certificate_authority.`,
      { cause: error },
    );
  }
  return new TargetUnreachable(`${place} cannot be reached (${code}).`, { cause: error });
}

/** A connection that ended, or said nothing more, while `doing` something ("reading a user"). */
export function connectionLost(error: unknown, doing: string): RekeyError {
  if (error instanceof RekeyError) return error;
  return new TransientFailure(`The connection was lost while ${doing} (${codeOf(error)}).`, { cause: error });
}

/** Node's or OpenSSL's own code; a text only from a fixed list, because messages may quote what was sent. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  // The driver has no code for its own; and nothing is aborted but for a time limit.
  if (error.name === 'TimeoutError' || error.name === 'AbortError' || error.message === 'connect ETIMEDOUT') {
    return 'time limit';
  }
  if ('code' in error && typeof error.code === 'number') return `AMQP ${error.code}`;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'connection ended';
}
