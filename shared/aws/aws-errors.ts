import { RekeyError, Throttled, TransientFailure } from '../errors.ts';

/**
 * Names by which AWS services ask to slow down. `LimitExceededException` is absent on purpose: in Secrets Manager, SNS
 * and Step Functions it is a quota that waiting does not lift.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 */
const THROTTLING_NAMES: ReadonlySet<string> = new Set([
  'BandwidthLimitExceeded',
  'KMSThrottlingException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/** Faults of the moment that the services report by name, some of them with a 4xx status. */
const TRANSIENT_NAMES: ReadonlySet<string> = new Set([
  'InternalFailure',
  'InternalServerError',
  'InternalServiceError',
  'InternalServiceErrorException',
  'RequestTimeout',
  'RequestTimeoutException',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'TimeoutError',
  'TransactionConflictException',
  'TransactionInProgressException',
]);

/** What Node says when the network fails: `code` of the system error. */
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Codes in `CancellationReasons` of a DynamoDB transaction that mean throttling rather than a failed condition. */
const THROTTLING_REASONS: ReadonlySet<string> = new Set(['ThrottlingError', 'ProvisionedThroughputExceeded']);

/** How many `cause` and `AggregateError` levels are looked through for a network code. */
const MAX_CAUSE_DEPTH = 5;

/**
 * Runs `call` and throws its AWS SDK errors as Rekey's: `Throttled`, or `TransientFailure` for 5xx, timeouts and the
 * network. An error it does not know is rethrown unchanged, for the adapter to judge. Adds no side effect to `call`.
 */
export async function withAwsErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    return translateAwsError(error);
  }
}

/** Throws `error` as `Throttled` or `TransientFailure` where it is one, and unchanged where it is not. Pure. */
export function translateAwsError(error: unknown): never {
  if (error instanceof RekeyError) throw error;
  if (isThrottling(error)) throw new Throttled(`AWS asked to slow down (${nameOf(error)}).`, { cause: error });
  if (isTransient(error)) throw new TransientFailure(`AWS did not answer (${nameOf(error)}).`, { cause: error });
  throw error;
}

function isThrottling(error: unknown): boolean {
  return THROTTLING_NAMES.has(nameOf(error)) || statusOf(error) === 429 || isThrottledTransaction(error);
}

function isThrottledTransaction(error: unknown): boolean {
  if (nameOf(error) !== 'TransactionCanceledException') return false;
  const reasons = property(error, 'CancellationReasons');
  if (!Array.isArray(reasons)) return false;
  return reasons.some((reason: unknown) => THROTTLING_REASONS.has(String(property(reason, 'Code'))));
}

function isTransient(error: unknown): boolean {
  return TRANSIENT_NAMES.has(nameOf(error)) || statusOf(error) >= 500 || isNetworkFailure(error, 0);
}

/** Node reports a failed connection to a host with several addresses as an `AggregateError`; the SDK wraps some in `cause`. */
function isNetworkFailure(error: unknown, depth: number): boolean {
  if (depth > MAX_CAUSE_DEPTH || typeof error !== 'object' || error === null) return false;
  if (NETWORK_CODES.has(String(property(error, 'code')))) return true;
  const inner = error instanceof AggregateError ? error.errors : [];
  return [property(error, 'cause'), ...inner].some((cause) => isNetworkFailure(cause, depth + 1));
}

function statusOf(error: unknown): number {
  const status = property(property(error, '$metadata'), 'httpStatusCode');
  return typeof status === 'number' ? status : 0;
}

/** The error's name, if it looks like one: it goes into a `safeMessage`, so it must not be somebody's text. */
function nameOf(error: unknown): string {
  const name = property(error, 'name');
  return typeof name === 'string' && /^[A-Za-z0-9_.]{1,80}$/.test(name) ? name : 'unnamed error';
}

function property(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Record<string, unknown>)[key];
}
