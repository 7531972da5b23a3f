import { LeaseHeld, RateLimited, TargetUnreachable, Throttled, TransientFailure } from '../shared/errors.ts';

/** One entry of a state's `Retry` (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html). */
export interface RetryPolicy {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds: number;
  /** Retries after the first attempt. */
  readonly MaxAttempts: number;
  readonly BackoffRate: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: 'FULL' | 'NONE';
}

/** Faults that are over in seconds. Every step may run twice, so a lost answer or a timeout belongs here too. */
const PASSING_ERRORS = [
  TransientFailure.errorName,
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  // A function that ran out of time or memory, by its older and its newer name.
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'States.Timeout',
] as const;

/** Somebody asked to slow down: AWS, a provider with a quota, Lambda itself. */
const THROTTLED_ERRORS = [Throttled.errorName, 'Lambda.TooManyRequestsException'] as const;

/**
 * Every error that is tried again. What a policy, a target or the configuration decided (`RefusedByPolicy`,
 * `CandidateUnproven`, `Misconfigured`, …) is not: the same again cannot help. `RefusedByPolicy` gets another rotation with
 * another value, by `shared/rotation/due.ts`.
 */
export const TRANSIENT_ERRORS = [...PASSING_ERRORS, ...THROTTLED_ERRORS, TargetUnreachable.errorName] as const;

/** A passing fault in a phase before the switch. 4 retries after 2, 4, 8, 16 s: last wait 16 s, 30 s in all. */
const PASSING_RETRY: RetryPolicy = {
  ErrorEquals: PASSING_ERRORS,
  IntervalSeconds: 2,
  MaxAttempts: 4,
  BackoffRate: 2,
};

/**
 * Throttled: 5 retries after up to 4, 8, 16, 32, 60 s, spread over that (full jitter), so that a fleet does not come back
 * as one: last wait 60 s, 2 min at most in all.
 */
const THROTTLED_RETRY: RetryPolicy = {
  ErrorEquals: THROTTLED_ERRORS,
  IntervalSeconds: 4,
  MaxAttempts: 5,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  JitterStrategy: 'FULL',
};

/** A target that does not answer: a restart, a failover. 4 retries after 4, 8, 16, 32 s: last wait 32 s, 60 s in all. */
const UNREACHABLE_RETRY: RetryPolicy = {
  ErrorEquals: [TargetUnreachable.errorName],
  IntervalSeconds: 4,
  MaxAttempts: 4,
  BackoffRate: 2,
};

/**
 * A provider said when it answers again: 3 retries after 65, 130, 130 s, never earlier (no jitter): last wait 130 s,
 * 5 min 25 s in all, well below the 15 min that a lease lives. A retry that comes before the provider's time asks it
 * nothing (`shared/rotation/phase.ts`); what takes longer is rolled back, and tried again after that time.
 */
const RATE_LIMITED_RETRY: RetryPolicy = {
  ErrorEquals: [RateLimited.errorName],
  // A minute is the least that GitHub asks for; clocks differ.
  IntervalSeconds: 65,
  MaxAttempts: 3,
  BackoffRate: 2,
  MaxDelaySeconds: 130,
  JitterStrategy: 'NONE',
};

/** A phase before the switch: each class of fault by its own policy. */
export const PHASE_RETRY: readonly RetryPolicy[] = [
  PASSING_RETRY,
  THROTTLED_RETRY,
  RATE_LIMITED_RETRY,
  UNREACHABLE_RETRY,
];

/** Releasing a batch: as a phase, but the task's own timeout is the batch's, which is not tried again. */
export const RELEASE_RETRY: readonly RetryPolicy[] = [
  { ...PASSING_RETRY, ErrorEquals: PASSING_ERRORS.filter((name) => name !== 'States.Timeout') },
  THROTTLED_RETRY,
];

/**
 * Rolling back must come through: 8 retries after 5, 10, 20, 40, 80, 120, 120, 120 s: last wait 2 min, 8 min 35 s in
 * all. Where a provider must say first whether the switch is done, and said when it answers: 6 retries after 65, 130, 260,
 * 520, 600, 600 s, 36 min in all, the lease renewed each time. What is left then is the recovery rule's.
 */
export const ROLL_BACK_RETRY: readonly RetryPolicy[] = [
  { ErrorEquals: TRANSIENT_ERRORS, IntervalSeconds: 5, MaxAttempts: 8, BackoffRate: 2, MaxDelaySeconds: 120 },
  { ...RATE_LIMITED_RETRY, MaxAttempts: 6, MaxDelaySeconds: 600 },
];

/** Telling people. 5 retries after 2, 4, 8, 16, 32 s: last wait 32 s, 62 s in all. */
export const NOTIFY_RETRY: RetryPolicy = {
  ErrorEquals: TRANSIENT_ERRORS,
  IntervalSeconds: 2,
  MaxAttempts: 5,
  BackoffRate: 2,
};

/**
 * Retiring. 3 retries after 5, 10, 20 s: last wait 20 s, 35 s in all; the machine itself tries again every hour, and waits
 * as long as a provider has said.
 */
export const RETIRE_RETRY: RetryPolicy = {
  ErrorEquals: TRANSIENT_ERRORS,
  IntervalSeconds: 5,
  MaxAttempts: 3,
  BackoffRate: 2,
};

/**
 * A retirement waits while a rotation of the same secret runs. 40 retries, 30 s each: 20 min in all, more than a lease
 * lives without a sign of its holder.
 */
export const LEASE_RETRY: RetryPolicy = {
  ErrorEquals: [LeaseHeld.errorName],
  IntervalSeconds: 30,
  MaxAttempts: 40,
  BackoffRate: 1,
};

/** Finding what is due. 3 retries after 2, 4, 8 s: last wait 8 s, 14 s in all; the next scheduled run is the safety net. */
export const DISPATCH_RETRY: RetryPolicy = {
  ErrorEquals: TRANSIENT_ERRORS,
  IntervalSeconds: 2,
  MaxAttempts: 3,
  BackoffRate: 2,
};

/**
 * Starting another execution. 6 retries after up to 1, 2, 4, 8, 16, 20 s (full jitter, so that a throttled fleet
 * spreads): last wait 20 s, 51 s in all. An execution of that name is success, not an error to retry.
 */
export const START_EXECUTION_RETRY: RetryPolicy = {
  ErrorEquals: [
    'StepFunctions.ThrottlingException',
    'StepFunctions.ExecutionLimitExceededException',
    'StepFunctions.ServiceUnavailableException',
    'StepFunctions.InternalServerException',
    'StepFunctions.SdkClientException',
    'States.Timeout',
  ],
  IntervalSeconds: 1,
  MaxAttempts: 6,
  BackoffRate: 2,
  MaxDelaySeconds: 20,
  JitterStrategy: 'FULL',
};

/** Error of `startExecution` when an execution of that name is there already, running or ended. */
export const EXECUTION_ALREADY_EXISTS = 'StepFunctions.ExecutionAlreadyExistsException';
