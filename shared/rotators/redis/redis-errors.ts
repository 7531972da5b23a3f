import { ErrorReply, SocketTimeoutError, ConnectionTimeoutError } from '@redis/client';
import { InternalFault, Misconfigured, RekeyError, TargetUnreachable, TransientFailure } from '../../errors.ts';

/** Reading its data, in a script that does not end, without its primary, a cluster in the middle of a change. */
const PASSING = new Set(['LOADING', 'BUSY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'UNBLOCKED']);
const UNVERIFIED = /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME|ALTNAME/;

/** The first word of an error reply: `WRONGPASS`, `NOPERM`, `ERR`. The rest may quote what was sent. */
function codeOfReply({ message }: ErrorReply): string {
  return /^[A-Z]{2,32}(?= |$)/.exec(message)?.[0] ?? 'unknown';
}

/** The server looked at the credential and said no: wrong password, no such user, a user that is off. */
export function isRefusedLogin(error: unknown): boolean {
  return error instanceof ErrorReply && codeOfReply(error) === 'WRONGPASS';
}

/** The user may not run the command, or the server does not have it (older, renamed, taken out by a provider). */
export function isNotAllowed(error: unknown): boolean {
  if (!(error instanceof ErrorReply)) return false;
  const code = codeOfReply(error);
  return code === 'NOPERM' || (code === 'ERR' && /^ERR unknown (?:sub)?command/i.test(error.message));
}

/** What went wrong while connecting, other than a refused login. */
export function connectFailure(error: unknown, place: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const options = { cause: error };
  if (error instanceof ErrorReply) {
    const code = codeOfReply(error);
    if (PASSING.has(code) || /max number of clients/.test(error.message)) {
      return new TransientFailure(`${place} takes no logins now (${code}).`, options);
    }
    if (code === 'DENIED') {
      return new Misconfigured(
        `${place} is in protected mode: it takes connections from its own machine only.`,
        options,
      );
    }
    return new Misconfigured(`${place} does not take a login with a user name (${code}): it needs Redis 6.0.`, options);
  }
  const code = codeOf(error);
  if (UNVERIFIED.test(code)) {
    return new TargetUnreachable(
      `The certificate of ${place} is not trusted (${code}): declare its authority as certificate_authority.`,
      options,
    );
  }
  return new TargetUnreachable(`${place} cannot be reached (${code}).`, options);
}

/** What went wrong with a command, `doing` something ("reading a user"). */
export function commandFailure(error: unknown, doing: string, place: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const options = { cause: error };
  if (!(error instanceof ErrorReply)) {
    return new TransientFailure(`The connection to ${place} was lost while ${doing} (${codeOf(error)}).`, options);
  }
  const code = codeOfReply(error);
  if (isNotAllowed(error)) {
    return new Misconfigured(
      `${place} does not allow it to Rekey's user, or does not have it: ${doing} (${code}).`,
      options,
    );
  }
  if (PASSING.has(code)) return new TransientFailure(`${place} was busy while ${doing} (${code}).`, options);
  return new InternalFault(`${place} answered ${code} while ${doing}.`, options);
}

/** A driver's or Node's own code: never a message, which may quote what was sent. */
function codeOf(error: unknown): string {
  if (error instanceof SocketTimeoutError || error instanceof ConnectionTimeoutError) return 'time limit';
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'connection ended';
}
