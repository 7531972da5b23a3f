/** The request's risk levels. */
export type RiskLevel = 'critical' | 'high' | 'medium' | 'low';

/** One link of a secret's chain, in the request's shape. Never holds a value. */
export interface AuditEntry {
  /** ISO 8601, UTC, milliseconds. */
  readonly timestamp: string;
  readonly secret_id: string;
  /** What was done, dotted lower case: `rotation.generate.candidate_installed`. */
  readonly action: string;
  /** Who did it: an agent's name, or `rekey/<function>`. */
  readonly agent: string;
  readonly context: AuditContext;
  readonly risk_level: RiskLevel;
  /** 1, 2, 3 … without gaps within `secret_id`. */
  readonly sequence: number;
  /** `hash` of the entry before; 64 zeros for the first. */
  readonly previous_hash: string;
  /** SHA-256, hex, of the RFC 8785 canonical JSON of this entry without `hash`. */
  readonly hash: string;
}

export interface AuditContext {
  readonly ip_address: string;
  readonly reason: string;
  readonly [fact: string]: string | number | boolean | readonly string[];
}

/** What a caller hands in; the trail adds sequence and hashes. */
export interface AuditOperation {
  /** Names this operation for ever, e.g. `<rotationId>/generate/candidate_installed`: appending it again changes nothing. */
  readonly operationId: string;
  readonly timestamp: Date;
  readonly action: string;
  readonly agent: string;
  readonly context: AuditContext;
  readonly riskLevel: RiskLevel;
}

export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/** At most this many operations a call: entries, their markers and the head have to fit into one transaction. */
export const MAX_OPERATIONS = 30;

/** Append-only, one hash chain per secret. */
export interface AuditTrail {
  /**
   * Appends in order, all or nothing, entries and head in one transaction. Idempotent for ever by `operationId`: an
   * operation already written is passed over, whatever it holds now, also within one call. At most `MAX_OPERATIONS` a
   * call (`RangeError`). Concurrent writers are serialised by a condition on the head. Answers the head after the call.
   */
  append(secretId: string, operations: readonly AuditOperation[]): Promise<AuditHead>;
  /** Strongly consistent; `undefined` when nothing was written yet. Reads only. */
  head(secretId: string): Promise<AuditHead | undefined>;
  /** Entries in sequence order, from `from` (1 by default). Pages lazily. Throws `InternalFault` on one that is not as written. */
  read(secretId: string, options?: ReadOptions): AsyncIterable<AuditEntry>;
  /**
   * The same as export lines: the exact bytes that were hashed, with `hash` put in. Unchecked, for `verifyChain`; what
   * somebody broke comes out broken. Pages lazily, strongly consistent.
   */
  lines(secretId: string, options?: ReadOptions): AsyncIterable<string>;
  /** The secrets that have a chain, in no order. Reads only. */
  secretIds(): AsyncIterable<string>;
}

export interface ReadOptions {
  /** First sequence wanted, 1 or more. */
  readonly from?: number;
}
