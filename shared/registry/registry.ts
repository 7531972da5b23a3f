import type { CredentialIdentity, KnownCredential } from '../rotators/rotator.ts';
import type { SecretDeclaration } from '../config/declaration.ts';
import type { RotationInput } from '../rotation/payloads.ts';

export const PHASES = ['generate', 'test', 'audit', 'apply', 'notify'] as const;
export type Phase = (typeof PHASES)[number];

/** One secret's row: what was declared, and where its rotations stand. */
export interface ManagedSecret {
  readonly secretId: string;
  readonly environment: string;
  readonly arn: string | undefined;
  readonly declaration: SecretDeclaration;
  /** `orphaned`: it left the file; nothing rotates it, nothing deletes it. `unsupported`: no rotator for its type here. */
  readonly status: 'active' | 'orphaned' | 'unsupported';
  readonly type: string;
  /** Absent for a secret that no schedule may start. */
  readonly dueAt: Date | undefined;
  readonly lease: Lease | undefined;
  readonly lastRotatedAt: Date | undefined;
  /** Failures in a row, for the backoff of the next try. */
  readonly failures: number;
}

export interface Lease {
  readonly rotationId: string;
  readonly expiresAt: Date;
}

/** A credential in the ledger: the journal of what exists at the target because of Rekey. */
export interface LedgerCredential extends KnownCredential {
  readonly secretId: string;
  /** The rotation that made it, or that adopted it as an incumbent. */
  readonly rotationId: string;
  /** ISO time before which it is not retired; set with `grace`. */
  readonly retireAt: Date | undefined;
  /** When an attempt to retire it first failed: a debt until it is dead. */
  readonly owedSince: Date | undefined;
}

export type RotationStatus = 'running' | 'succeeded' | 'rolled_back' | 'failed';

/** The record of one rotation, kept after it. */
export interface RotationRecord extends RotationInput {
  readonly status: RotationStatus;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  readonly candidate: CredentialIdentity | undefined;
  readonly incumbent: CredentialIdentity | undefined;
  readonly incumbentVersionId: string | undefined;
  readonly phases: readonly PhaseRecord[];
  /** `code` and safe text of what stopped it. */
  readonly fault: { readonly name: string; readonly message: string } | undefined;
  /** Alert kinds already sent for it: an alert goes out once. */
  readonly alerted: readonly string[];
}

export interface PhaseRecord {
  readonly name: Phase;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  /** What later phases and the report need: counts, parity lists, versions. Never a value. */
  readonly facts: Readonly<Record<string, string>>;
}
