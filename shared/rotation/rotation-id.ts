import { hash } from 'node:crypto';

/**
 * What Rekey takes as a rotation's id, which is the ClientRequestToken of its version: 32 to 64 lower-case letters, digits
 * and hyphens, or hexadecimal in either case. So are UUIDs, Terraform's `terraform-…`, and hashes. AWS takes any 32 to 64
 * characters (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html); an id is also part of
 * keys, of names of executions and of log lines, where a provider's key must not pass for one.
 */
export const ROTATION_ID = /^(?:[a-z0-9-]{32,64}|[0-9A-Fa-f-]{32,64})$/;

/** Step Functions: at most 80 characters of this alphabet in an execution's name. */
const NAME_LENGTH = 80;

/**
 * The same rotation for the same cause: an id in UUID form (version 8, RFC 9562) made of the SHA-256 of what started
 * it. Two schedulers at one due time, or one event delivered twice, mean one rotation.
 */
export function rotationId(...cause: readonly string[]): string {
  const hex = hash('sha256', JSON.stringify(cause));
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(18, 20)}-${hex.slice(20, 32)}`;
}

/** The execution's name: readable by the secret's name, unique by the rotation's id. */
export function executionName(secretId: string, id: string): string {
  const readable = secretId.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, NAME_LENGTH - id.length - 1);
  return `${readable}-${id}`;
}

/** A version's id as part of an execution's name: itself, or, of a version that Rekey did not make, its hash where it is unfit. */
export function nameOfVersion(versionId: string): string {
  return ROTATION_ID.test(versionId) ? versionId : hash('sha256', versionId).slice(0, 32);
}
