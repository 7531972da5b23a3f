import { createHash } from 'node:crypto';

/** PostgreSQL cuts longer identifiers off, in silence (NAMEDATALEN - 1, in bytes). */
export const IDENTIFIER_BYTES = 63;
const HASH_DIGITS = 8;

/** The two login roles that take turns in front of one owner role, in order of use. */
export function slotsOf(ownerRole: string): readonly [string, string] {
  const base = fit(ownerRole, IDENTIFIER_BYTES - '_a'.length);
  return [`${base}_a`, `${base}_b`];
}

/** The role that sessions act as when they may only read what an owner role can; never the name of a slot. */
export function readOnlyRoleOf(ownerRole: string): string {
  return `${fit(ownerRole, IDENTIFIER_BYTES - '_ro'.length)}_ro`;
}

/** An owner role for a secret that has none: readable, and never a name that PostgreSQL reserves (`pg_…`). */
export function ownerRoleFor(secretId: string): string {
  const plain = secretId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  // Room for the slots, so that their names are the owner's with a suffix.
  return fit(/^(?!pg_)[a-z]/.test(plain) ? plain : `app_${plain}`, IDENTIFIER_BYTES - '_a'.length);
}

/** The rotation that a login role was last installed for. */
export interface Installation {
  readonly versionId: string;
  /** To the millisecond. */
  readonly startedAt: Date;
  /** Its credential has been ended: this version is not installed again. */
  readonly hasEnded?: boolean;
}

/**
 * What Rekey writes on every role it makes, and looks for before it changes one; on a login role with what it was last
 * installed for. A name of Secrets Manager has no space, so none looks like that.
 */
export function managedComment(secretId: string, installed?: Installation): string {
  const plain = `${MANAGED}${secretId}`;
  if (installed === undefined) return plain;
  const { startedAt, versionId, hasEnded } = installed;
  return `${plain}; ${hasEnded === true ? 'ended' : 'installed'} ${startedAt.toISOString()} ${versionId}`;
}

/**
 * What `managedComment` wrote for `secretId`; `undefined` for any other text. `installed` is missing on an owner role,
 * on a login that was taken over, and on what a Rekey made that did not write it yet.
 */
export function readManaged(
  comment: string | null,
  secretId: string,
): { readonly installed: Installation | undefined } | undefined {
  const plain = managedComment(secretId);
  if (comment === plain) return { installed: undefined };
  const [, word, start = '', versionId = ''] = INSTALLATION.exec(comment?.slice(plain.length) ?? '') ?? [];
  const startedAt = new Date(start);
  if (Number.isNaN(startedAt.getTime())) return undefined;
  const installed = { startedAt, versionId, hasEnded: word === 'ended' };
  return managedComment(secretId, installed) === comment ? { installed } : undefined;
}

/** What Rekey writes on a read-only role that it makes: for which secret, and whose readable objects it reads. */
export function readOnlyComment(secretId: string, ownerRole: string): string {
  return `${managedComment(secretId)}${READS_FOR}${ownerRole}`;
}

/** The owner role in what `readOnlyComment` wrote for `secretId`; `undefined` for any other text. */
export function ownerReadFor(comment: string | null, secretId: string): string | undefined {
  const beginning = readOnlyComment(secretId, '');
  return comment?.startsWith(beginning) === true ? comment.slice(beginning.length) : undefined;
}

export function isManaged(comment: string | null): boolean {
  return comment?.startsWith(MANAGED) ?? false;
}

const MANAGED = 'managed by Rekey for ';
const READS_FOR = '; reads what this role can: ';
const INSTALLATION = /^; (installed|ended) (\S+) (.+)$/s;

/** `name` in at most `bytes`: shortened at a character, with a hash of the whole so that two names stay two. */
function fit(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > bytes - HASH_DIGITS - 1) break;
    kept += character;
  }
  return `${kept}_${hash}`;
}
