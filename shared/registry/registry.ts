import type { AuditHead, AuditOperation } from '../audit/audit-trail.ts';
import type { SecretDeclaration } from '../config/declaration.ts';
import type { RolloutPlan } from '../rollout/plan.ts';
import type { RotationInput } from '../rotation/payloads.ts';
import type { CredentialIdentity, KnownCredential } from '../rotators/rotator.ts';

export const PHASES = ['generate', 'test', 'audit', 'apply', 'notify'] as const;
export type Phase = (typeof PHASES)[number];

/**
 * Everything Rekey knows of one secret, as one document: declaration, lease, running or last rotation, ledger. One
 * document, so that every transition is one compare-and-swap on `revision` and no crash can leave half of one.
 */
export interface SecretRecord {
  readonly secretId: string;
  readonly environment: string;
  readonly type: string;
  readonly declaration: SecretDeclaration;
  /** `orphaned`: it left the file; nothing rotates or deletes it. `unsupported`: no rotator for its type here. */
  readonly status: 'active' | 'orphaned' | 'unsupported';
  /** When the scheduler starts the next rotation; absent when none may. */
  readonly dueAt: Date | undefined;
  readonly lease: Lease | undefined;
  /** The running rotation, or the last one. */
  readonly rotation: RotationRecord | undefined;
  readonly ledger: readonly LedgerCredential[];
  readonly lastRotatedAt: Date | undefined;
  /** Failed rotations in a row, for the backoff of the next try. */
  readonly failures: number;
  /** Values in a row that the target's policy refused, at most three: then they are counted anew. */
  readonly refusals: number;
  /** Grows by one with every save; 0 before the first. */
  readonly revision: number;
  /** Where the audit chain was after the last entries that were saved with this record: a hint, the chain may be longer. */
  readonly auditHead: AuditHead | undefined;
}

/** The right to change this secret's credentials, until it expires. */
export interface Lease {
  /** A rotation's id, `retire/<versionId>` or `revert/<requestId>`. */
  readonly holder: string;
  readonly expiresAt: Date;
}

/** A credential that exists at the target, or may, because of Rekey: journaled before it is made. */
export interface LedgerCredential extends KnownCredential {
  /**
   * With `grace`: not retired before. With `retired`: proved dead again then, because a function that had not ended by the
   * first proof may have made it alive since.
   */
  readonly retireAt: Date | undefined;
  /** When retiring it first failed: a debt until it is proved dead. */
  readonly owedSince: Date | undefined;
  /** When people were last told of the debt. */
  readonly owedAlertAt: Date | undefined;
  /** When an execution of its retirement last failed, whether people could be told or not: it tries again. */
  readonly owedTriedAt?: Date | undefined;
  /** Of a debt that only a person can end: what may be at the target, and under which name to look for it. */
  readonly doubt?: string | undefined;
}

export interface RotationRecord extends RotationInput {
  readonly status: 'running' | 'succeeded' | 'rolled_back';
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  readonly candidate: CredentialIdentity | undefined;
  readonly incumbent: CredentialIdentity | undefined;
  readonly incumbentVersionId: string | undefined;
  readonly phases: readonly PhaseRecord[];
  /** Who is handed the candidate before the switch; written by Audit. */
  readonly rollout: RolloutPlan | undefined;
  /** What stopped it: an error's name and its safe text. */
  readonly fault: Fault | undefined;
  /** Alert kinds already sent: each goes out once. */
  readonly alerted: readonly string[];
}

export interface Fault {
  readonly name: string;
  readonly message: string;
  /** `RateLimited`: when the provider answers again. */
  readonly retryAt?: Date | undefined;
}

export interface PhaseRecord {
  readonly name: Phase;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  /** Counts and names for later phases, alerts and reports. Never a value. */
  readonly facts: Readonly<Record<string, string>>;
}

/** What is written together with a record; one of the two. */
export type SaveWith =
  /** The rotation that `record.rotation` replaces, kept under its id; `conflict` too when the new one was archived before. */
  | { readonly archived: RotationRecord | undefined; readonly entries?: undefined }
  /** What the record's change says in the secret's audit chain. Entries that are there already are passed over. */
  | { readonly entries: readonly AuditOperation[]; readonly archived?: undefined }
  | { readonly archived?: undefined; readonly entries?: undefined };

/** What `findDue` finds. */
export interface DueRecords {
  readonly records: readonly SecretRecord[];
  /** Secrets that are due by the index and whose records cannot be read. */
  readonly unreadable: readonly string[];
}

/** Where secret records live. */
export interface Registry {
  /** Strongly consistent. Throws `RecordUnreadable`. */
  get(secretId: string): Promise<SecretRecord | undefined>;
  /**
   * Writes `record` as revision `record.revision + 1`, only if the stored one is still at `record.revision`
   * (compare-and-swap; 0 means that none exists). What is saved `also` is in the same transaction: both or neither.
   */
  save(record: SecretRecord, also?: SaveWith): Promise<'saved' | 'conflict'>;
  /** A rotation that a later one has replaced in the record. */
  archivedRotation(secretId: string, rotationId: string): Promise<RotationRecord | undefined>;
  /**
   * Active secrets due at or before `now`, the longest due first, at most `limit`. Eventually consistent. A record that
   * cannot be read takes no other's place.
   */
  findDue(now: Date, limit: number): Promise<DueRecords>;
  /** Every record that can be read, in no order; at the end throws `RecordUnreadable` where there were others. */
  list(): AsyncIterable<SecretRecord>;
}
