import { hash } from 'node:crypto';

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
