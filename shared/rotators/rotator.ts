import type { ConnectionDeclaration, SecretDeclaration } from '../config/declaration.ts';
import type { SecretText } from '../redact.ts';

/**
 * The strategy for one secret type. Every method may run twice with the same arguments; each implementation says what
 * makes that so. Rotators know nothing of Secrets Manager, the registry or the workflow: values come in, facts go out,
 * faults are `RekeyError`s.
 */
export type Rotator = ChosenRotator | IssuedRotator;

interface AnyRotator {
  readonly type: string;
  /**
   * `true`: incumbent and candidate open the target side by side until retirement, so the candidate is there before the
   * switch. `false` (single-role mode): there is a window between install and promotion, so `install` runs in Apply.
   */
  readonly overlap: boolean;
  /** `values`: `test` is also given the incumbent's value and the administrator's. */
  readonly comparesWith?: 'values';
  /**
   * Before any side effect: target reachable, administrator accepted, incumbent works (when there is one), the place for
   * the candidate free. Answers the public identity of the candidate, for the journal. Touches nothing.
   */
  preflight(input: PreflightInput): Promise<Preflight>;
  /** Health checks until N in a row succeed or `preheatSeconds` pass, then capability parity with the incumbent. */
  test(input: TestInput): Promise<TestReport>;
  /**
   * Ends what `preflight` may have left open for what follows, and waits for connections that are still closing: whoever
   * has called one of the others calls it at the end.
   */
  release(): Promise<void>;
  /** One login with exactly this value: `accepted`, or `refused` by the target. Unreachable throws. */
  probe(value: SecretText, settings: RotatorSettings): Promise<'accepted' | 'refused'>;
  /**
   * Ends `credential` at the target (no new logins, old sessions ended) and proves it by a refused login where its
   * value is known. Used for retirement and for removing a candidate on roll back. What a later rotation has put in its
   * place is left alone, and so is whatever Rekey did not make. Throws `StillAlive` when it is not dead, `OrphanInDoubt`
   * when what the journal says fits a credential that may be somebody else's, `EndsByItself` when nobody can end it
   * before its own end; and `SameAsSurvivor`, before anything is changed, when ending it would end the survivor: its value,
   * its key, or its place at the target, of which there is one, is the survivor's.
   */
  retire(input: RetireInput): Promise<RetireReport>;
}

/** Picks the value and sets it at the target: stored as `AWSPENDING` before it is set. */
export interface ChosenRotator extends AnyRotator {
  readonly kind: 'chosen';
  /** A fresh value for `identity`: the secret's whole JSON. Pure but for the random source. */
  propose(input: ProposeInput): SecretText;
  /**
   * Makes the candidate valid at the target. The incumbent stays valid iff `overlap`. May come late (a function that goes
   * on although its execution was stopped): never overwrites what a later rotation has installed, but throws
   * `RotationEnded`.
   */
  install(input: InstallInput): Promise<InstallReport>;
}

/** Asks a provider for the value, which tells it once: journaled before, stored right after. */
export interface IssuedRotator extends AnyRotator {
  readonly kind: 'issued';
  readonly overlap: true;
  /**
   * Removes what earlier attempts of this rotation have left at the provider (their answers were lost, so nobody has the
   * values), as `retire` would; then has the provider make one. Where they can be neither found nor end by themselves, it
   * asks for no other: `OrphanInDoubt`. Not called again once its value is stored.
   */
  issue(input: IssueInput): Promise<IssueReport>;
  /**
   * Names of faults of `issue` that say for sure that the provider has made nothing, besides those that always do: an
   * attempt that ends with one is none, unless the fault itself says otherwise (`madeNothing`).
   */
  readonly madeNothing?: ReadonlySet<string>;
}

/** A credential's public name at the target (a login role, a key's id). Never a value. */
export type CredentialIdentity = string;

/** Settings of one secret that a rotator may read; from `secrets.yaml`, already parsed. */
export interface RotatorSettings
  extends Pick<
    SecretDeclaration,
    | 'mode'
    | 'preheatSeconds'
    | 'healthyThreshold'
    | 'endSessions'
    | 'connection'
    | 'provider'
    | 'http'
    | 'policy'
    | 'privileges'
    | 'scope'
    | 'permissions'
  > {
  readonly secretId: string;
}

export type ConnectionSettings = ConnectionDeclaration;

/** What the registry's ledger knows of this secret's credentials at the target. */
export interface KnownCredential {
  readonly identity: CredentialIdentity;
  readonly versionId: string;
  readonly state: 'proposed' | 'current' | 'grace' | 'retired';
  /** When the rotation that made it began; absent: it was there before Rekey. */
  readonly since?: Date | undefined;
  /**
   * Its value has been in Secrets Manager, so it may be at the target. Absent: nobody knows, and where no value is stored
   * now, what bears its name at the target may be anybody's.
   */
  readonly wasStored?: true | undefined;
  /** When it ends by itself, as its provider said; absent where it does not. */
  readonly expiresAt?: Date | undefined;
  /** Of an issued credential. */
  readonly issuance?: Issuance;
}

/** What was written before a provider was asked for a credential: how to find it again when the answer is lost. */
export interface Issuance {
  /** Before the first attempt. */
  readonly since: Date;
  /** Ids of all the credentials that the provider had then, in places where a new one cannot be named. */
  readonly existing: readonly string[];
  /** Attempts begun, 1, 2 … : the number is part of the name of what each makes. */
  readonly attempts: number;
  /** So many of them, the first ones, are explained: what they made is the ledger's credential, is gone, or ends by itself. */
  readonly explained?: number | undefined;
}

interface Values {
  readonly settings: RotatorSettings;
  /** Value of the administrator's secret; absent when the incumbent administers itself. */
  readonly admin: SecretText | undefined;
  /** Absent for a secret that has never had a value. */
  readonly incumbent: SecretText | undefined;
}
export interface PreflightInput extends Values {
  readonly versionId: string;
  /** What an earlier try of this very rotation has stored: only that can be its own in the candidate's place. */
  readonly candidate?: SecretText | undefined;
  readonly incumbentVersionId?: string | undefined;
  readonly known: readonly KnownCredential[];
}
export interface Preflight {
  readonly candidate: CredentialIdentity;
  readonly incumbent: CredentialIdentity | undefined;
  /** Facts for the audit entry: server version, whether TLS was used … */
  readonly facts: Readonly<Record<string, string>>;
  /** What the candidate's place looked like, for targets that cannot say later for whom it is: `install` gets it. No value. */
  readonly fence?: string;
  /** Of an issued rotator whose provider gives the names: all that are there, for the journal. */
  readonly existing?: readonly string[];
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
  readonly incumbentVersionId?: string | undefined;
  /** As `preflight` of this very run answered it. */
  readonly fence?: string | undefined;
}
export interface InstallReport {
  readonly facts: Readonly<Record<string, string>>;
  /** A sentence for people, who are told with the rotation's success: what may go wrong later, and nobody else will say. */
  readonly warning?: string;
}
export interface IssueInput extends Values {
  readonly versionId: string;
  readonly startedAt: Date;
  /** As `preflight` answered it. */
  readonly candidate: CredentialIdentity;
  /** This attempt included. */
  readonly issuance: Issuance;
  readonly known: readonly KnownCredential[];
}
export interface IssueReport {
  /** The provider's id of what it made; for the ledger, in place of the candidate's preliminary identity. */
  readonly identity: CredentialIdentity;
  /** The secret's whole value. */
  readonly value: SecretText;
  /** When the credential ends by itself: the next rotation is due before that. */
  readonly expiresAt?: Date;
  readonly facts: Readonly<Record<string, string>>;
}
export interface TestInput {
  readonly settings: RotatorSettings;
  readonly candidate: SecretText;
  /** Compared with the candidate; absent on the first rotation of a secret that had no value. */
  readonly incumbentIdentity: CredentialIdentity | undefined;
  /** For targets where only a credential itself can say what it may do. */
  readonly incumbent?: SecretText | undefined;
  readonly admin?: SecretText | undefined;
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
  readonly survivorVersionId?: string | undefined;
  /** The whole ledger of the secret, this credential's entry (and its issuance) included. */
  readonly known?: readonly KnownCredential[];
}
export interface RetireReport {
  /** `true`: a login with the value was refused; `false`: there was no value to try, the target says it cannot log in. */
  readonly refusedLogin: boolean;
  readonly endedSessions: number;
  /** For the audit entry: what was found in its place, what became of its sessions. */
  readonly facts: Readonly<Record<string, string>>;
}
