import type { ConnectionDeclaration } from '../config/declaration.ts';
import type { SecretText } from '../redact.ts';

/**
 * The strategy for one secret type. A `chosen` rotator picks the value and sets it at the target. Every method may run
 * twice with the same arguments; each implementation says what makes that so. Rotators know nothing of Secrets
 * Manager, the registry or the workflow: values come in, facts go out, faults are `RekeyError`s.
 */
export interface Rotator {
  readonly type: string;
  /**
   * `true`: incumbent and candidate open the target side by side until retirement, so `install` runs in Generate.
   * `false` (single-role mode): there is a window between install and promotion, so `install` runs in Apply.
   */
  readonly overlap: boolean;
  /**
   * Before any side effect: target reachable, administrator accepted, incumbent works (when there is one), the slot for
   * the candidate free. Answers the public identity of the candidate, for the journal. Touches nothing.
   */
  preflight(input: PreflightInput): Promise<Preflight>;
  /** A fresh value for `identity`: the secret's whole JSON. Pure but for the random source. */
  propose(input: ProposeInput): SecretText;
  /**
   * Makes the candidate valid at the target. The incumbent stays valid iff `overlap`. May come late (a function that goes
   * on although its execution was stopped): never overwrites what a later rotation has installed, but throws.
   */
  install(input: InstallInput): Promise<InstallReport>;
  /** Health checks until N in a row succeed or `preheatSeconds` pass, then capability parity with the incumbent. */
  test(input: TestInput): Promise<TestReport>;
  /**
   * Ends what `preflight` may have left open for `install`, and waits for connections that are still closing: whoever
   * has called one of the others calls it at the end.
   */
  release(): Promise<void>;
  /** One login with exactly this value: `accepted`, or `refused` by the target. Unreachable throws. */
  probe(value: SecretText, settings: RotatorSettings): Promise<'accepted' | 'refused'>;
  /**
   * Ends `credential` at the target (no new logins, old sessions ended) and proves it by a refused login where its
   * value is known. Used for retirement and for removing a candidate on roll back. What a later rotation has put in its
   * place is left alone. Throws `StillAlive` when it is not dead.
   */
  retire(input: RetireInput): Promise<RetireReport>;
}

/** A credential's public name at the target (for PostgreSQL: the login role). Never a value. */
export type CredentialIdentity = string;

/** Settings of one secret that a rotator may read; from `secrets.yaml`, already parsed. */
export interface RotatorSettings {
  readonly secretId: string;
  /** Connection facts from configuration; absent for a secret adopted with the AWS database convention. */
  readonly connection?: ConnectionSettings;
  /** `two_roles` (default) or `single_role`. */
  readonly mode: 'two_roles' | 'single_role';
  readonly preheatSeconds: number;
  readonly healthyThreshold: number;
  /** Ends sessions of a retired credential that are still open. */
  readonly endSessions: boolean;
}

export type ConnectionSettings = ConnectionDeclaration;

/** What the registry's ledger knows of this secret's credentials at the target. */
export interface KnownCredential {
  readonly identity: CredentialIdentity;
  readonly versionId: string;
  readonly state: 'proposed' | 'current' | 'grace' | 'retired';
}

interface Values {
  readonly settings: RotatorSettings;
  /** JSON of the administrator's secret; absent when the incumbent administers itself (single-role mode). */
  readonly admin: SecretText | undefined;
  /** Absent for a secret that has never had a value. */
  readonly incumbent: SecretText | undefined;
}
export interface PreflightInput extends Values {
  readonly versionId: string;
  readonly known: readonly KnownCredential[];
}
export interface Preflight {
  readonly candidate: CredentialIdentity;
  readonly incumbent: CredentialIdentity | undefined;
  /** Facts for the audit entry: server version, whether TLS was used … */
  readonly facts: Readonly<Record<string, string>>;
}
export interface ProposeInput extends Values {
  readonly versionId: string;
  readonly candidate: CredentialIdentity;
}
export interface InstallInput extends Values {
  readonly versionId: string;
  /** When the rotation started: after every rotation of the secret before it. */
  readonly startedAt: Date;
  readonly candidate: SecretText;
}
export interface InstallReport {
  readonly facts: Readonly<Record<string, string>>;
}
export interface TestInput {
  readonly settings: RotatorSettings;
  readonly candidate: SecretText;
  /** Compared with the candidate; absent on the first rotation of a secret that had no value. */
  readonly incumbentIdentity: CredentialIdentity | undefined;
}
export interface TestReport {
  /** Consecutive successes seen. */
  readonly healthy: number;
  /** What was compared, e.g. `tables`, `schemas`; each equal. */
  readonly parity: readonly string[];
}
export interface RetireInput {
  readonly settings: RotatorSettings;
  readonly admin: SecretText | undefined;
  readonly identity: CredentialIdentity;
  /** The version of the secret that holds the credential. */
  readonly versionId: string;
  /** The credential's value, to prove that it is refused; absent when it was never stored. */
  readonly value: SecretText | undefined;
  /** The credential that must go on working. */
  readonly survivor: SecretText | undefined;
}
export interface RetireReport {
  /** `true`: a login with the value was refused; `false`: there was no value to try, the target says it cannot log in. */
  readonly refusedLogin: boolean;
  readonly endedSessions: number;
  /** For the audit entry: what was found in its place, what became of its sessions. */
  readonly facts: Readonly<Record<string, string>>;
}
