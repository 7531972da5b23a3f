import { DatabaseError } from 'pg';
import {
  InternalFault,
  Misconfigured,
  RekeyError,
  RefusedByPolicy,
  TargetUnreachable,
  TransientFailure,
} from '../../errors.ts';

// SQLSTATE: https://www.postgresql.org/docs/18/errcodes-appendix.html
const INVALID_PASSWORD = '28P01';
const INVALID_AUTHORIZATION = '28000';
const INSUFFICIENT_PRIVILEGE = '42501';
const NO_SUCH_DATABASE = '3D000';
const TOO_MANY_CONNECTIONS = '53300';
/**
 * Where the server looks at the limit of a role and of a database: after the password (InitPostgres in postinit.c calls
 * PerformAuthentication before both). `max_connections` as a whole it looks at before.
 */
const OWN_LIMIT_ROUTINES: ReadonlySet<string | undefined> = new Set(['InitializeSessionUserId', 'CheckMyDatabase']);

/** Locks, time limits, deadlocks, resources, a stopping or starting server, two sessions at one role. */
const PASSING = /^(?:55P03|57014|40001|40P01|53...|57P0.|55006|42710|23505|25006)$/;
const CONNECTION_LOST = /^08...$/;
/** `tuple concurrently updated` has no code of its own. */
const CONCURRENT_UPDATE = /^tuple concurrently (?:updated|deleted)$/;
const UNVERIFIED = /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME|ALTNAME/;

export function isInsufficientPrivilege(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === INSUFFICIENT_PRIVILEGE;
}

/**
 * The server looked at the credential and said no: wrong password, no such role, a role that may not log in. A
 * connection that pg_hba.conf turns away says nothing of the credential (it has the same code, told by its routine).
 */
export function isRefusedLogin(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  if (error.code === INVALID_PASSWORD) return true;
  return error.code === INVALID_AUTHORIZATION && error.routine !== 'ClientAuthentication';
}

/** The server has taken the credential, but no connection more of its role, or to its database. */
export function isOverOwnLimit(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === TOO_MANY_CONNECTIONS && OWN_LIMIT_ROUTINES.has(error.routine);
}

/** What went wrong while connecting, other than a refused login. The server's own texts may quote data: not used. */
export function connectFailure(error: unknown, place: string): RekeyError {
  const options = { cause: error };
  if (error instanceof RekeyError) return error;
  if (error instanceof DatabaseError) {
    if (error.code === NO_SUCH_DATABASE) return new Misconfigured(`The database does not exist at ${place}.`, options);
    if (error.code === INVALID_AUTHORIZATION) {
      return new Misconfigured(`The rules of ${place} (pg_hba.conf) do not let Rekey connect.`, options);
    }
    if (error.code === INSUFFICIENT_PRIVILEGE) {
      return new Misconfigured(`The role may not connect to the database at ${place}.`, options);
    }
    if (PASSING.test(error.code ?? '')) {
      return new TransientFailure(`${place} does not take connections now (SQLSTATE ${error.code}).`, options);
    }
    return new TargetUnreachable(`${place} ended the login (SQLSTATE ${error.code}).`, options);
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

/** What went wrong with a statement, `doing` something ("reading the roles"). */
export function queryFailure(error: unknown, doing: string): RekeyError {
  if (error instanceof RekeyError) return error;
  const options = { cause: error };
  if (!(error instanceof DatabaseError)) {
    return new TransientFailure(`The connection was lost while ${doing} (${codeOf(error)}).`, options);
  }
  const code = error.code ?? 'unknown';
  if (code === INSUFFICIENT_PRIVILEGE) {
    return new Misconfigured(`PostgreSQL does not allow it to Rekey's login: ${doing} (SQLSTATE ${code}).`, options);
  }
  if (isPassing(error)) return new TransientFailure(`Interrupted while ${doing} (SQLSTATE ${code}).`, options);
  return new InternalFault(`PostgreSQL answered SQLSTATE ${code} while ${doing}.`, options);
}

/** A refused PASSWORD clause: a password check of the server, or, no matter of the value, want of a right. */
export function passwordFailure(error: unknown): RekeyError {
  if (!(error instanceof DatabaseError) || isPassing(error) || isInsufficientPrivilege(error)) {
    return queryFailure(error, 'setting the password');
  }
  return new RefusedByPolicy(`The server does not accept the SCRAM verifier for the role (SQLSTATE ${error.code}).`, {
    cause: error,
  });
}

/** What the same again may not meet: locks, limits, a restarting server. */
export function isPassing(error: DatabaseError): boolean {
  const code = error.code ?? '';
  return PASSING.test(code) || CONNECTION_LOST.test(code) || CONCURRENT_UPDATE.test(error.message);
}

/** A driver's or Node's own code; a text only from a fixed list, because messages may quote what was sent. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (/timeout/i.test(error.message)) return 'time limit';
  if (error.message.startsWith('SASL')) return 'the server did not complete SCRAM-SHA-256';
  if (error.message.includes('SSL')) return 'no TLS';
  return 'connection ended';
}
