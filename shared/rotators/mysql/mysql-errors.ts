import {
  InternalFault,
  Misconfigured,
  RefusedByPolicy,
  RekeyError,
  TargetUnreachable,
  TransientFailure,
} from '../../errors.ts';

// https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/
// MySQL and MariaDB share the numbers below 1900; from there on each has its own.
/** Wrong password, no such account, an account that is locked. */
const REFUSED_LOGIN = new Set([1045, 1698, 3118, 4151]);
const NO_DATABASE = new Set([1044, 1049]);
/** Turned away before any credential is looked at. */
const HOST_NOT_ALLOWED = 1130;
const PASSWORD_EXPIRED = new Set([1820, 1862]);
const BLOCKED_BY_FAILURES = 3955;
const TLS_REQUIRED = 3159;
/** Privileges: of a database, table, column, routine, in general, of a role, of a proxied user. */
const NOT_ALLOWED = new Set([1044, 1045, 1095, 1142, 1143, 1227, 1370, 1410, 1698, 1873, 3879, 1959]);
/** A connection too many, locks, time limits, a stopping server, a node that is not ready, a server that only reads. */
const PASSING = new Set([
  1040, 1047, 1053, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1290, 1317, 1792, 1836, 1927, 1969, 3024,
  4095,
]);
/** Limits of one user. Both kinds of server count connections only once they have accepted the credential. */
const ALL_IN_USE = new Set([1203, 1226]);
/** The server's rules about passwords: validation, history, a hash where only a password can be checked. */
const POLICY = new Set([1819, 1827, 3638, 3640, 3894, 4052]);
/** An option of the server prevents the statement; the statement failed for an account. */
const UNCLEAR = new Set([1290, 1396]);
/** Tables, columns, routines that a grant names and that are gone. */
const GONE = new Set([1054, 1146, 1305]);

/** Somebody on an unencrypted connection asks for the password itself. */
export class PlainPasswordAsked extends Error {
  override readonly name = 'PlainPasswordAsked';
}

interface ServerError extends Error {
  readonly errno: number;
}

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'sqlState' in error && error.sqlState !== undefined && 'errno' in error;
}

/** The number of the server's error; `undefined` for anything else. */
export function numberOf(error: unknown): number | undefined {
  const found = error instanceof RekeyError ? error.cause : error;
  return isServerError(found) ? found.errno : undefined;
}

/** The server looked at the credential and said no. */
export function isRefusedLogin(error: unknown): boolean {
  return isServerError(error) && REFUSED_LOGIN.has(error.errno);
}

/** The server looked at the credential and said yes, but the user has no connection left. */
export function isAllInUse(error: unknown): boolean {
  return ALL_IN_USE.has(numberOf(error) ?? 0);
}

export function isNotAllowed(error: unknown): boolean {
  return NOT_ALLOWED.has(numberOf(error) ?? 0);
}

/** What a server says of many different things. */
export function isUnclear(error: unknown): boolean {
  return UNCLEAR.has(numberOf(error) ?? 0);
}

export function isGone(error: unknown): boolean {
  return GONE.has(numberOf(error) ?? 0);
}

/** What went wrong while connecting, other than a refused login. The server's own texts may quote data: not used. */
export function connectFailure(error: unknown, place: string): RekeyError {
  const options = { cause: error };
  if (error instanceof RekeyError) return error;
  if (error instanceof PlainPasswordAsked) {
    return new TargetUnreachable(
      `${place} asks for the password itself and offers no TLS: give the server a certificate, or declare tls: disable.`,
      options,
    );
  }
  if (isServerError(error)) {
    const { errno } = error;
    if (NO_DATABASE.has(errno)) {
      return new Misconfigured(
        `The database of the secret does not exist at ${place}, or its user may not use it.`,
        options,
      );
    }
    if (errno === HOST_NOT_ALLOWED) {
      return new Misconfigured(`${place} has no account that may come from where Rekey runs.`, options);
    }
    if (PASSWORD_EXPIRED.has(errno)) return new Misconfigured(`${place} says that the password has expired.`, options);
    if (errno === BLOCKED_BY_FAILURES) {
      return new Misconfigured(
        `${place} has blocked the account after failed logins: ALTER USER … ACCOUNT UNLOCK.`,
        options,
      );
    }
    if (errno === TLS_REQUIRED) {
      return new Misconfigured(`${place} takes only TLS, which the configuration (tls, ssl) rules out.`, options);
    }
    if (PASSING.has(errno)) return new TransientFailure(`${place} does not take logins now (error ${errno}).`, options);
    return new TargetUnreachable(`${place} ended the login (error ${errno}).`, options);
  }
  const code = codeOf(error);
  if (code === 'HANDSHAKE_SSL_ERROR') {
    return new TargetUnreachable(
      `TLS with ${place} failed: its certificate is not trusted, or not for this name; declare its authority as certificate_authority.`,
      options,
    );
  }
  if (code === 'AUTH_SWITCH_PLUGIN_ERROR') {
    return new Misconfigured(`${place} asks for an authentication that Rekey does not know.`, options);
  }
  return new TargetUnreachable(`${place} cannot be reached (${code}).`, options);
}

/** What went wrong with a statement, `doing` something ("reading the accounts"). */
export function queryFailure(error: unknown, doing: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const options = { cause: error };
  if (!isServerError(error)) {
    return new TransientFailure(`The connection was lost while ${doing} (${codeOf(error)}).`, options);
  }
  const { errno } = error;
  if (PASSING.has(errno)) return new TransientFailure(`Interrupted while ${doing} (error ${errno}).`, options);
  if (NOT_ALLOWED.has(errno)) {
    return new Misconfigured(`The server does not allow it to Rekey's login: ${doing} (error ${errno}).`, options);
  }
  if (POLICY.has(errno)) {
    return new RefusedByPolicy(`The server's rules about passwords refuse it: ${doing} (error ${errno}).`, options);
  }
  return new InternalFault(`The server answered error ${errno} while ${doing}.`, options);
}

/** A driver's or Node's own code; never a message, which may quote what was sent. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connection ended';
}
