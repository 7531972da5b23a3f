import canonicalize from 'canonicalize';
import { hash } from 'node:crypto';
import type { AuditEntry, AuditHead, AuditOperation } from './audit-trail.ts';

/** `previous_hash` of a chain's first entry. */
export const GENESIS_HASH = '0'.repeat(64);

/** What comes before the first entry. */
export const GENESIS: AuditHead = { sequence: 0, hash: GENESIS_HASH };

/** One entry with the exact bytes that were hashed: store these, so that verification never depends on a serialiser. */
export interface LinkedEntry {
  readonly operationId: string;
  readonly sequence: number;
  /** RFC 8785 canonical JSON of the entry without `hash`. */
  readonly canonical: string;
  readonly hash: string;
}

/**
 * Links `operations` after `head`, in order: entry n carries the hash of entry n-1. Pure; the same input gives the same
 * bytes. Text that is not well-formed Unicode gets U+FFFD for its lone surrogates, as UTF-8 would do to it, so that
 * nobody's odd input can keep an entry from being written. Throws `RangeError` on an invalid date or number.
 */
export function linkEntries(
  secretId: string,
  head: AuditHead | undefined,
  operations: readonly AuditOperation[],
): readonly LinkedEntry[] {
  let previous = head ?? GENESIS;
  return operations.map((operation) => {
    const sequence = previous.sequence + 1;
    const canonical = canonicalJson({
      timestamp: operation.timestamp.toISOString(),
      secret_id: secretId,
      action: wellFormed(operation.action),
      agent: wellFormed(operation.agent),
      context: wellFormed(operation.context),
      risk_level: operation.riskLevel,
      sequence,
      previous_hash: previous.hash,
    });
    previous = { sequence, hash: hashOf(canonical) };
    return { operationId: operation.operationId, sequence, canonical, hash: previous.hash };
  });
}

/** SHA-256, lower-case hex, over the UTF-8 bytes. */
export function hashOf(canonical: string): string {
  return hash('sha256', canonical);
}

/** RFC 8785. Throws `RangeError` for what JSON cannot hold: NaN, infinities, lone surrogates. */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (error) {
    throw new RangeError('This has no canonical JSON.', { cause: error });
  }
  if (text === undefined) throw new RangeError('This has no canonical JSON.');
  return text;
}

/** The exact line of an export: the canonical JSON of the entry with its `hash`. */
export function exportLine(entry: AuditEntry): string {
  return canonicalJson(entry);
}

function wellFormed<T>(value: T): T;
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map((item: unknown) => wellFormed(item));
  if (typeof value !== 'object' || value === null) return value;
  // Object.fromEntries defines properties, so that a key named `__proto__` stays a key.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), wellFormed(item)]));
}
