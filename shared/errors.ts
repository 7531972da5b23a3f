/**
 * The one family of errors. `safeMessage` is the only text that may reach a log, a state machine, an alert or a
 * person: it never holds a value, and never quotes input that might be one. `name` is a literal because bundlers
 * rename classes and Step Functions matches on it.
 */
export abstract class RekeyError extends Error {
  abstract override readonly name: string;
  /** Stable, documented, for machines: `REKEY_…`. */
  abstract readonly code: string;
  readonly safeMessage: string;
  /**
   * Of a request for a credential. `true`: it was refused or never sent, so that nothing was made. `false`: something may
   * have been, whatever the name of the fault is. `undefined`: the name says it.
   */
  readonly madeNothing: boolean | undefined;

  constructor(safeMessage: string, options: FaultOptions = {}) {
    super(safeMessage, options);
    this.safeMessage = safeMessage;
    this.madeNothing = options.madeNothing;
  }
}

export interface FaultOptions {
  readonly cause?: unknown;
  readonly madeNothing?: boolean | undefined;
}

/** Secrets that one message names. */
const MOST_NAMED = 10;

/** A passing fault (network, a restarting server, an AWS 5xx): the same step may succeed when tried again. */
export class TransientFailure extends RekeyError {
  static readonly errorName = 'TransientFailure';
  override readonly name = TransientFailure.errorName;
  readonly code = 'REKEY_TRANSIENT';
}

/** AWS or a target asked us to slow down. */
export class Throttled extends RekeyError {
  static readonly errorName = 'Throttled';
  override readonly name = Throttled.errorName;
  readonly code = 'REKEY_THROTTLED';
}

/**
 * A provider said when it answers again: nothing is asked of it before. Passing like `Throttled`, but waited for as long
 * as was said.
 */
export class RateLimited extends RekeyError {
  static readonly errorName = 'RateLimited';
  override readonly name = RateLimited.errorName;
  readonly code = 'REKEY_RATE_LIMITED';
  /** From when the answer came. */
  readonly retryAfterSeconds: number;

  constructor(safeMessage: string, options: FaultOptions & { readonly retryAfterSeconds: number }) {
    super(safeMessage, options);
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Another rotation holds this secret's lease. Not a fault: this run ends without effects. */
export class LeaseHeld extends RekeyError {
  static readonly errorName = 'LeaseHeld';
  override readonly name = LeaseHeld.errorName;
  readonly code = 'REKEY_LEASE_HELD';
}

/** This rotation has already ended (finished or rolled back): a late duplicate of a step has nothing left to do. */
export class RotationEnded extends RekeyError {
  static readonly errorName = 'RotationEnded';
  override readonly name = RotationEnded.errorName;
  readonly code = 'REKEY_ROTATION_ENDED';
}

/** The configuration, the registry or the secret's own JSON is not what the rotator needs. */
export class Misconfigured extends RekeyError {
  static readonly errorName = 'Misconfigured';
  override readonly name = Misconfigured.errorName;
  readonly code = 'REKEY_MISCONFIGURED';
}

/**
 * Entries of the registry that this version of Rekey cannot read: another version, or somebody by hand, wrote them so.
 * They stop only what concerns their own secrets.
 */
export class RecordUnreadable extends RekeyError {
  static readonly errorName = 'RecordUnreadable';
  override readonly name = RecordUnreadable.errorName;
  readonly code = 'REKEY_RECORD_UNREADABLE';
  readonly secretIds: readonly string[];

  /** `where` they cannot be read: names of fields, no value. */
  constructor(
    secretIds: readonly string[],
    { where, cause }: { readonly where?: string; readonly cause?: unknown } = {},
  ) {
    const named = secretIds.slice(0, MOST_NAMED).map((secretId) => `"${secretId}"`);
    const others = secretIds.length - named.length;
    const names = `${named.join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
    super(`The registry's entry of ${names} cannot be read${where === undefined ? '' : ` (${where})`}.`, { cause });
    this.secretIds = secretIds;
  }
}

/** The target cannot be reached: refused connection, no route, unknown host, TLS handshake. */
export class TargetUnreachable extends RekeyError {
  static readonly errorName = 'TargetUnreachable';
  override readonly name = TargetUnreachable.errorName;
  readonly code = 'REKEY_TARGET_UNREACHABLE';
}

/** The target refused the administrator's credential. */
export class AdminRefused extends RekeyError {
  static readonly errorName = 'AdminRefused';
  override readonly name = AdminRefused.errorName;
  readonly code = 'REKEY_ADMIN_REFUSED';
}

/** The incumbent does not open the target although nothing has been changed yet. */
export class IncumbentRefused extends RekeyError {
  static readonly errorName = 'IncumbentRefused';
  override readonly name = IncumbentRefused.errorName;
  readonly code = 'REKEY_INCUMBENT_REFUSED';
}

/** The target's own policy refused what Rekey wanted to set. Trying the same again cannot help. */
export class RefusedByPolicy extends RekeyError {
  static readonly errorName = 'RefusedByPolicy';
  override readonly name = RefusedByPolicy.errorName;
  readonly code = 'REKEY_REFUSED_BY_POLICY';
}

/** The place where the candidate would go is taken by a credential that Rekey did not make, or that is in use. */
export class SlotOccupied extends RekeyError {
  static readonly errorName = 'SlotOccupied';
  override readonly name = SlotOccupied.errorName;
  readonly code = 'REKEY_SLOT_OCCUPIED';
}

/** The credential that must make room is still in its grace period. */
export class RetirementPending extends RekeyError {
  static readonly errorName = 'RetirementPending';
  override readonly name = RetirementPending.errorName;
  readonly code = 'REKEY_RETIREMENT_PENDING';
}

/** The candidate did not prove itself: no login within the pre-heat time, or it can do less (or more) than the incumbent. */
export class CandidateUnproven extends RekeyError {
  static readonly errorName = 'CandidateUnproven';
  override readonly name = CandidateUnproven.errorName;
  readonly code = 'REKEY_CANDIDATE_UNPROVEN';
}

/** `AWSCURRENT` is neither on the incumbent nor on the candidate: somebody else moved it. Rekey touches nothing. */
export class CurrentVersionMoved extends RekeyError {
  static readonly errorName = 'CurrentVersionMoved';
  override readonly name = CurrentVersionMoved.errorName;
  readonly code = 'REKEY_CURRENT_VERSION_MOVED';
}

/** A retired credential still opens the target, or its death could not be proved. It stays a debt. */
export class StillAlive extends RekeyError {
  static readonly errorName = 'StillAlive';
  override readonly name = StillAlive.errorName;
  readonly code = 'REKEY_STILL_ALIVE';
}

/** What the journal says fits a credential that may be somebody else's: Rekey touches nothing and tells people. */
export class OrphanInDoubt extends RekeyError {
  static readonly errorName = 'OrphanInDoubt';
  override readonly name = OrphanInDoubt.errorName;
  readonly code = 'REKEY_ORPHAN_IN_DOUBT';
}

/** The credential cannot be ended by anybody before its own end, which is not yet. Not a fault: it is waited for. */
export class EndsByItself extends RekeyError {
  static readonly errorName = 'EndsByItself';
  override readonly name = EndsByItself.errorName;
  readonly code = 'REKEY_ENDS_BY_ITSELF';
}

/**
 * What should be ended is the credential that must go on working, under another version of the secret: somebody has put
 * its value back. It is never ended, and nothing was changed.
 */
export class SameAsSurvivor extends RekeyError {
  static readonly errorName = 'SameAsSurvivor';
  override readonly name = SameAsSurvivor.errorName;
  readonly code = 'REKEY_SAME_AS_SURVIVOR';
}

/** A consumer proved the candidate and it failed: the rollout goes back. */
export class ConsumersRefused extends RekeyError {
  static readonly errorName = 'ConsumersRefused';
  override readonly name = ConsumersRefused.errorName;
  readonly code = 'REKEY_CONSUMERS_REFUSED';
}

/** More consumers than tolerated said nothing to the candidate in time: the rollout goes back. */
export class ConsumersSilent extends RekeyError {
  static readonly errorName = 'ConsumersSilent';
  override readonly name = ConsumersSilent.errorName;
  readonly code = 'REKEY_CONSUMERS_SILENT';
}

/** Consumers still use what should be retired. Not a fault: they are waited for. */
export class StillHeld extends RekeyError {
  static readonly errorName = 'StillHeld';
  override readonly name = StillHeld.errorName;
  readonly code = 'REKEY_STILL_HELD';
}

/** Consumers have not left what should be retired for so long that people must know. It stays a debt. */
export class HeldTooLong extends RekeyError {
  static readonly errorName = 'HeldTooLong';
  override readonly name = HeldTooLong.errorName;
  readonly code = 'REKEY_HELD_TOO_LONG';
}

/** A defect or a fault that no code above knew. Its message says only where; the log has name, code and stack. */
export class InternalFault extends RekeyError {
  static readonly errorName = 'InternalFault';
  override readonly name = InternalFault.errorName;
  readonly code = 'REKEY_INTERNAL';
}

/** Names of the faults that the same work may well get past when it is tried again, `RateLimited` not before its time. */
export const PASSING_FAULTS: ReadonlySet<string> = new Set([
  TransientFailure.errorName,
  Throttled.errorName,
  TargetUnreachable.errorName,
  RateLimited.errorName,
]);
