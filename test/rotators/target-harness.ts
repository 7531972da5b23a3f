import type { Clock } from '../../shared/clock.ts';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { KnownCredential, Rotator } from '../../shared/rotators/rotator.ts';

/**
 * A real target (or a server that keeps a provider's published rules) with the rotator for it, as the shared suites need
 * them: contract, crash matrix, load, benchmark. One target serves many secrets, each `adopt`ed under a name of its own.
 */
export interface TargetHarness {
  readonly type: string;
  /**
   * `true`: the target does not say how to find what a lost answer left behind. Rekey holds it in doubt, under the name that
   * it was given, and tells people; `unaccounted` answers that name.
   */
  readonly leavesDoubt?: boolean;
  /** `true`: with a credential its connections end (`connect`): one is kept open over every scenario of the crash matrix. */
  readonly endsConnections?: boolean;
  /** A credential at the target, made by hand, and the value that a secret `name` has for it. */
  adopt(name: string): Promise<Adopted>;
  rotator(clock: Clock): Rotator;
  /** Text that changes when anything at the target that has to do with `adopted` changes. Without values. */
  state(adopted: Adopted): Promise<string>;
  /** Credentials of `adopted` that open the target now and that none of `accounted` explains, as names for people. */
  unaccounted(adopted: Adopted, accounted: readonly Accounted[]): Promise<readonly string[]>;
  /** One operation of a consumer that connects for it. Throws where the target refuses it or fails. */
  use(value: SecretText): Promise<void>;
  /** A consumer that keeps its connection. Absent where there are none (HTTP APIs). */
  connect?(value: SecretText): Promise<KeptConnection>;
  /**
   * Puts credentials that Rekey did not make where the next candidate would go. Absent where that is not possible.
   * `isUntouched`: they are all there as they were.
   */
  obstruct?(adopted: Adopted): Promise<{ readonly isUntouched: () => Promise<boolean> }>;
  /** The same value, for a target at which nobody listens. */
  unreachable?(value: SecretText): SecretText;
  stop(): Promise<void>;
}

export interface Adopted {
  readonly name: string;
  /** What `secrets.yaml` says of it beyond name and schedule: `connection`, `provider`, … */
  readonly declared: Partial<SecretDeclaration>;
  readonly incumbent: SecretText;
  readonly admin: SecretText | undefined;
}

/** A credential that may be alive, with its value where one is stored. */
export interface Accounted extends Pick<KnownCredential, 'identity' | 'versionId'> {
  readonly value: SecretText | undefined;
}

export interface KeptConnection {
  use(): Promise<void>;
  end(): Promise<void>;
}
