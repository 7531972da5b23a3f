/**
 * How targets say that a credential is not, or no longer, good: SQLSTATE class 28, MySQL and MariaDB, AWS, Redis.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 * https://docs.aws.amazon.com/awssupport/latest/user/CommonErrors.html
 */
const NAMES: ReadonlySet<string> = new Set([
  '28000',
  '28P01',
  'ER_ACCESS_DENIED_ERROR',
  'AccessDenied',
  'AccessDeniedException',
  'AuthFailure',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'UnauthorizedException',
  'UnrecognizedClientException',
  'NOAUTH',
  'WRONGPASS',
]);

const UNAUTHORIZED = 401;

/** Whether a target's error looks like a refused credential: by status 401, by its code or name, or Redis' first word. */
export function isAuthError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name, status, statusCode, message } = error as Readonly<Record<string, unknown>>;
  const statuses = [
    status,
    statusCode,
    inside(error, 'response', 'status'),
    inside(error, '$metadata', 'httpStatusCode'),
  ];
  if (statuses.includes(UNAUTHORIZED)) return true;
  const firstWord = typeof message === 'string' ? message.split(' ', 1)[0] : undefined;
  return [code, name, firstWord].some((word) => typeof word === 'string' && NAMES.has(word));
}

function inside(error: object, outer: string, inner: string): unknown {
  const part = (error as Readonly<Record<string, unknown>>)[outer];
  return typeof part === 'object' && part !== null ? (part as Readonly<Record<string, unknown>>)[inner] : undefined;
}
