import type { FunctionName } from '../bundles.ts';
import { RecordUnreadable } from '../../shared/errors.ts';
import { DISPATCH_RETRY, EXECUTION_ALREADY_EXISTS, START_EXECUTION_RETRY } from '../retry-policies.ts';
import { functionTask, startExecutionTask, type StateMachineDefinition } from './asl.ts';
import { PHASE_TIMEOUT_SECONDS } from './workflow-functions.ts';

/** One run starts at most 100 rotations. */
export const DISPATCH_TIMEOUT_SECONDS = 900;

/** Starts at a time; 25 rotations a second is what Secrets Manager's quota carries in a region. */
export const DISPATCH_CONCURRENCY = 10;

export interface RotationDispatchTargets {
  readonly functionArn: (name: FunctionName) => string;
  readonly secretRotationArn: string;
}

/**
 * The one path of every trigger: asks which rotations an event means, then starts each under its own name. A rotation
 * that is there already is a success. A start that fails does not hold up the others; the machine fails when all did, and
 * when there were entries of the registry that could not be read.
 */
export function rotationDispatch({ functionArn, secretRotationArn }: RotationDispatchTargets): StateMachineDefinition {
  return {
    Comment: 'Starts the rotations that an event means: the due ones for a schedule, the named one for a request.',
    StartAt: 'FindDue',
    TimeoutSeconds: DISPATCH_TIMEOUT_SECONDS,
    States: {
      FindDue: functionTask({
        functionArn: functionArn('dispatch'),
        functionTimeoutSeconds: PHASE_TIMEOUT_SECONDS,
        retry: DISPATCH_RETRY,
        next: 'StartRotations',
      }),
      StartRotations: {
        Type: 'Map',
        ItemsPath: '$.rotations',
        MaxConcurrency: DISPATCH_CONCURRENCY,
        ToleratedFailurePercentage: 99,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'StartRotation',
          States: {
            StartRotation: startExecutionTask({
              stateMachineArn: secretRotationArn,
              name: '$.executionName',
              input: '$.input',
              retry: START_EXECUTION_RETRY,
              catch: [{ ErrorEquals: [EXECUTION_ALREADY_EXISTS], ResultPath: null, Next: 'AlreadyStarted' }],
            }),
            AlreadyStarted: { Type: 'Pass', End: true },
          },
        },
        ResultPath: null,
        Next: 'WereAllRead',
      },
      WereAllRead: {
        Type: 'Choice',
        Choices: [{ Variable: '$.unreadable', IsPresent: true, Next: 'RecordUnreadable' }],
        Default: 'Dispatched',
      },
      Dispatched: { Type: 'Succeed' },
      RecordUnreadable: { Type: 'Fail', Error: RecordUnreadable.errorName, CausePath: '$.unreadable' },
    },
  };
}
