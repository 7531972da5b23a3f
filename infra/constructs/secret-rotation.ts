import type { FunctionName } from '../bundles.ts';
import {
  EXECUTION_ALREADY_EXISTS,
  NOTIFY_RETRY,
  PHASE_RETRY,
  RELEASE_RETRY,
  ROLL_BACK_RETRY,
  START_EXECUTION_RETRY,
} from '../retry-policies.ts';
import { LeaseHeld, RotationEnded } from '../../shared/errors.ts';
import {
  type Catcher,
  type FunctionTask,
  functionTask,
  type State,
  startExecutionTask,
  type StateMachineDefinition,
  tokenTask,
} from './asl.ts';
import { PHASE_TIMEOUT_SECONDS } from './workflow-functions.ts';

/** Every retry of every phase, and a rollout to 10,000 consumers in batches of 100 that all need up to 14 minutes. */
export const ROTATION_TIMEOUT_SECONDS = 24 * 3600;

/** The phases' whole input: their schema knows no other key. */
const ROTATION_INPUT = {
  'environment.$': '$.environment',
  'secretId.$': '$.secretId',
  'rotationId.$': '$.rotationId',
  'reason.$': '$.reason',
  'requestedBy.$': '$.requestedBy',
};

/** Only the error's name goes on: a cause is text. */
const WITH_FAULT = { ...ROTATION_INPUT, fault: { 'Error.$': '$.fault.Error' } };

const ROLL_BACK_ON_ANY_FAULT: Catcher = { ErrorEquals: ['States.ALL'], ResultPath: '$.fault', Next: 'RollBack' };

export interface SecretRotationTargets {
  readonly functionArn: (name: FunctionName) => string;
  readonly versionRetirementArn: string;
}

/**
 * One rotation: the request's five phases, Apply beginning with the rollout to consumers, then the old version's
 * retirement starts. Whatever stops it before the end of Apply goes through RollBack, which answers whether the rotation
 * was undone or, the switch being done, completed. The retirement starts even when people could not be told. A batch
 * writes 13 of the 25,000 events that an execution may have, more when it is retried: about 1,900 batches fit.
 */
export function secretRotation({ functionArn, versionRetirementArn }: SecretRotationTargets): StateMachineDefinition {
  const step = (
    name: FunctionName,
    rest: { retry: FunctionTask['retry'] } & Partial<Parameters<typeof functionTask>[0]>,
  ): State =>
    functionTask({
      functionArn: functionArn(name),
      functionTimeoutSeconds: PHASE_TIMEOUT_SECONDS,
      parameters: ROTATION_INPUT,
      resultPath: null,
      ...rest,
    });

  return {
    Comment: 'Rotates one secret: generate, test, audit, apply, notify, then starts the retirement of the old version.',
    StartAt: 'Generate',
    TimeoutSeconds: ROTATION_TIMEOUT_SECONDS,
    States: {
      Generate: step('generate', {
        retry: PHASE_RETRY,
        catch: [
          { ErrorEquals: [LeaseHeld.errorName, RotationEnded.errorName], ResultPath: null, Next: 'Skipped' },
          ROLL_BACK_ON_ANY_FAULT,
        ],
        next: 'Test',
      }),
      Test: step('test', { retry: PHASE_RETRY, catch: [ROLL_BACK_ON_ANY_FAULT], next: 'Audit' }),
      Audit: step('audit', {
        retry: PHASE_RETRY,
        resultPath: '$.audit',
        catch: [ROLL_BACK_ON_ANY_FAULT],
        next: 'RollOut',
      }),
      RollOut: {
        Type: 'Map',
        Comment: 'Phase 4 begins: one batch of consumers after the other takes the candidate, proves it, acknowledges.',
        ItemsPath: '$.audit.batches',
        MaxConcurrencyPath: '$.audit.batchesAtOnce',
        ItemSelector: {
          ...ROTATION_INPUT,
          'batch.$': '$$.Map.Item.Value.batch',
          'timeoutSeconds.$': '$$.Map.Item.Value.timeoutSeconds',
        },
        ItemProcessor: {
          ProcessorConfig: { Mode: 'INLINE' },
          StartAt: 'HandOver',
          States: {
            HandOver: tokenTask({
              functionArn: functionArn('release-batch'),
              parameters: { ...ROTATION_INPUT, 'batch.$': '$.batch', 'token.$': '$$.Task.Token' },
              timeoutSecondsPath: '$.timeoutSeconds',
              retry: RELEASE_RETRY,
              // Time is over: who has not answered counts as silent.
              catch: [{ ErrorEquals: ['States.Timeout'], ResultPath: null, Next: 'JudgeBatch' }],
              next: 'JudgeBatch',
            }),
            JudgeBatch: functionTask({
              functionArn: functionArn('judge-batch'),
              functionTimeoutSeconds: PHASE_TIMEOUT_SECONDS,
              parameters: { ...ROTATION_INPUT, 'batch.$': '$.batch' },
              resultPath: null,
              retry: PHASE_RETRY,
            }),
          },
        },
        ResultPath: null,
        Catch: [ROLL_BACK_ON_ANY_FAULT],
        Next: 'Apply',
      },
      Apply: step('apply', {
        retry: PHASE_RETRY,
        resultPath: '$.apply',
        catch: [ROLL_BACK_ON_ANY_FAULT],
        next: 'Notify',
      }),
      Notify: step('notify', {
        retry: NOTIFY_RETRY,
        catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.notifyFault', Next: 'HasRetirement' }],
        next: 'HasRetirement',
      }),
      HasRetirement: {
        Type: 'Choice',
        Choices: [{ Variable: '$.apply.retirement', IsPresent: true, Next: 'StartRetirement' }],
        Default: 'WereAllTold',
      },
      StartRetirement: startExecutionTask({
        stateMachineArn: versionRetirementArn,
        name: '$.apply.retirement.rotationId',
        input: '$.apply.retirement',
        retry: START_EXECUTION_RETRY,
        catch: [{ ErrorEquals: [EXECUTION_ALREADY_EXISTS], ResultPath: null, Next: 'WereAllTold' }],
        next: 'WereAllTold',
      }),
      WereAllTold: {
        Type: 'Choice',
        Choices: [{ Variable: '$.notifyFault', IsPresent: true, Next: 'NotifyFailed' }],
        Default: 'Rotated',
      },
      Rotated: { Type: 'Succeed' },
      Skipped: { Type: 'Succeed', Comment: 'Another rotation holds the lease, or this one has ended before.' },
      NotifyFailed: {
        Type: 'Fail',
        Error: 'NotifyFailed',
        Cause: 'The secret was rotated, but people could not be told. The log of the function has the reason.',
      },

      RollBack: step('roll-back', {
        retry: ROLL_BACK_RETRY,
        parameters: WITH_FAULT,
        resultPath: '$.rollBack',
        catch: [{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'NotifyOfFailedRollBack' }],
        next: 'HowDidItEnd',
      }),
      HowDidItEnd: {
        Type: 'Choice',
        Choices: [{ Variable: '$.rollBack.outcome', StringEquals: 'completed', Next: 'TakeRetirement' }],
        Default: 'NotifyOfRollBack',
      },
      TakeRetirement: { Type: 'Pass', InputPath: '$.rollBack', ResultPath: '$.apply', Next: 'Notify' },
      NotifyOfRollBack: step('notify', {
        retry: NOTIFY_RETRY,
        parameters: WITH_FAULT,
        catch: [{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'IsCandidateOwed' }],
        next: 'IsCandidateOwed',
      }),
      IsCandidateOwed: {
        Type: 'Choice',
        Choices: [{ Variable: '$.rollBack.retirement', IsPresent: true, Next: 'StartOwedRetirement' }],
        Default: 'RotationRolledBack',
      },
      StartOwedRetirement: startExecutionTask({
        stateMachineArn: versionRetirementArn,
        name: '$.rollBack.retirement.rotationId',
        input: '$.rollBack.retirement',
        retry: START_EXECUTION_RETRY,
        catch: [{ ErrorEquals: [EXECUTION_ALREADY_EXISTS], ResultPath: null, Next: 'RotationRolledBack' }],
        next: 'RotationRolledBack',
      }),
      RotationRolledBack: {
        Type: 'Fail',
        Error: 'RotationRolledBack',
        Cause: 'The rotation was rolled back; the old version is current. The audit trail has the reason.',
      },
      NotifyOfFailedRollBack: step('notify', {
        retry: NOTIFY_RETRY,
        parameters: WITH_FAULT,
        catch: [{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'RollBackFailed' }],
        next: 'RollBackFailed',
      }),
      RollBackFailed: {
        Type: 'Fail',
        Error: 'RollBackFailed',
        Cause: 'The rotation could be neither finished nor rolled back; the recovery function tries again.',
      },
    },
  };
}
