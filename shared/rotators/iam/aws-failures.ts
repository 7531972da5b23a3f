import { ConcurrentModificationException, EntityTemporarilyUnmodifiableException } from '@aws-sdk/client-iam';
import { translateAwsError } from '../../aws/aws-errors.ts';
import {
  AdminRefused,
  Misconfigured,
  RekeyError,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../errors.ts';

/**
 * What STS and IAM say of a key: `InvalidClientTokenId` of one that is unknown, deleted or inactive (newer services name
 * it `UnrecognizedClientException`), `SignatureDoesNotMatch` of a wrong secret. A policy cannot deny GetCallerIdentity, so
 * `AccessDenied` says nothing of a key.
 * https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
 */
const REFUSALS: ReadonlySet<string> = new Set([
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);
/** Of an administrator's own temporary credentials as well. */
const NOBODY: ReadonlySet<string> = new Set([
  ...REFUSALS,
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
]);
const DENIED: ReadonlySet<string> = new Set(['AccessDenied', 'AccessDeniedException']);

const NO_CONNECTION = /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/;
/** Those of them that a connection may end with after the request has left. */
const MAYBE_SENT = /^(?:EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/;
const UNVERIFIED = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|ERR_TLS|ERR_SSL/;
const MOST_CAUSES = 5;

/** Whether AWS looked at the key and said no. */
export function isRefusal(error: unknown): boolean {
  return REFUSALS.has(nameOf(error)) && !isClockSkew(error);
}

export function isDenied(error: unknown): boolean {
  return DENIED.has(nameOf(error));
}

/** What went wrong while `doing` something with a key that is not the administrator's. An unknown error is itself. */
export function awsFailure(error: unknown, doing: string): unknown {
  if (error instanceof RekeyError) return error;
  const options = { cause: error };
  if (isClockSkew(error)) {
    const refused = { ...options, madeNothing: true };
    return new TransientFailure(`The clocks of AWS and of this machine differ too much (${doing}).`, refused);
  }
  const code = connectionCode(error, 0);
  if (code !== undefined) return new TargetUnreachable(`AWS cannot be reached (${code}; ${doing}).`, options);
  if (isDenied(error)) {
    return new Misconfigured(`A policy does not let Rekey do it (${nameOf(error)}; ${doing}).`, options);
  }
  try {
    return translateAwsError(error);
  } catch (translated) {
    return translated;
  }
}

/** Whether a request that AWS is said not to be reached with may have got there all the same. */
export function mayHaveArrived(error: unknown): boolean {
  return MAYBE_SENT.test(connectionCode(error, 0) ?? '');
}

/** What went wrong with a call of the administrator: `action` as IAM policies name it, on user `user`. */
export function adminFailure(
  error: unknown,
  { action, user }: { readonly action: string; readonly user: string },
): unknown {
  const options = { cause: error };
  const name = nameOf(error);
  if (NOBODY.has(name) && !isClockSkew(error)) {
    return new AdminRefused(
      `AWS does not take the administrator's credential (${name}, asked for ${action}).`,
      options,
    );
  }
  if (DENIED.has(name)) {
    return new Misconfigured(`The administrator may not do ${action} on IAM user "${user}".`, options);
  }
  if (error instanceof ConcurrentModificationException || error instanceof EntityTemporarilyUnmodifiableException) {
    // "Wait a few minutes and submit your request again": https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
    return new Throttled(`IAM user "${user}" is being changed by somebody else (${name}).`, options);
  }
  return awsFailure(error, action);
}

/**
 * A signature of another time is `SignatureDoesNotMatch` too. The SDK corrects its clock by AWS's and tries again where it
 * may; what is left has its mark, or says so.
 */
function isClockSkew(error: unknown): boolean {
  if (property(property(error, '$metadata'), 'clockSkewCorrected') === true) return true;
  return (
    REFUSALS.has(nameOf(error)) && /signature (?:expired|not yet current)/i.test(String(property(error, 'message')))
  );
}

/** Node reports a host with several addresses as an `AggregateError`; the SDK wraps some in `cause`. */
function connectionCode(error: unknown, depth: number): string | undefined {
  if (depth > MOST_CAUSES || typeof error !== 'object' || error === null) return undefined;
  const code = String(property(error, 'code'));
  if (NO_CONNECTION.test(code) || UNVERIFIED.test(code)) return code;
  const inner = error instanceof AggregateError ? error.errors : [];
  for (const cause of [property(error, 'cause'), ...inner]) {
    const found = connectionCode(cause, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The error's name, if it looks like one: it goes into a `safeMessage`. */
function nameOf(error: unknown): string {
  const name = property(error, 'name');
  return typeof name === 'string' && /^[A-Za-z0-9_.]{1,80}$/.test(name) ? name : 'unnamed error';
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
