import type { FunctionName } from '../bundles.ts';
import { LEASE_RETRY, NOTIFY_RETRY, RETIRE_RETRY } from '../retry-policies.ts';
import { EndsByItself, Misconfigured, StillHeld } from '../../shared/errors.ts';
import { functionTask, type StateMachineDefinition } from './asl.ts';
import { PHASE_TIMEOUT_SECONDS } from './workflow-functions.ts';

/** How long a debt rests between two attempts. */
export const OWED_WAIT_SECONDS = 3600;

/** How long consumers are given, between two looks, to leave what is to be retired. */
export const HELD_WAIT_SECONDS = 20;

/** How long what nobody can end is left to its own end, between two looks. */
export const OWN_END_WAIT_SECONDS = 600;

/** Under Step Functions' own limit of a year, so that giving up is an event (TIMED_OUT) and recovery starts it again. */
export const RETIREMENT_TIMEOUT_SECONDS = 360 * 24 * 3600;

/** The functions' whole input: their schemas know no other key. */
const RETIREMENT_INPUT = {
  'environment.$': '$.environment',
  'secretId.$': '$.secretId',
  'rotationId.$': '$.rotationId',
  'versionId.$': '$.versionId',
  'retireAt.$': '$.retireAt',
};

export interface VersionRetirementTargets {
  readonly functionArn: (name: FunctionName) => string;
}

/**
 * Waits for the grace period to end and for consumers to leave the old version (up to an hour without a word), then
 * ends it and proves it dead. A provider that says when it answers again is asked then. While that fails, people are told
 * and it is tried again every hour: a debt is never dropped. An hour of waiting for consumers writes about 1,300 of the 25,000 events that an execution may have, each
 * round after that 11 to 20, which is enough for seven weeks; past that it fails and the recovery rule starts a new one.
 */
export function versionRetirement({ functionArn }: VersionRetirementTargets): StateMachineDefinition {
  return {
    Comment:
      'Ends a replaced version after its grace period and proves it dead; an owed retirement is tried every hour.',
    StartAt: 'WaitForGracePeriod',
    TimeoutSeconds: RETIREMENT_TIMEOUT_SECONDS,
    States: {
      WaitForGracePeriod: { Type: 'Wait', TimestampPath: '$.retireAt', Next: 'Retire' },
      Retire: functionTask({
        functionArn: functionArn('retire'),
        parameters: RETIREMENT_INPUT,
        functionTimeoutSeconds: PHASE_TIMEOUT_SECONDS,
        retry: [LEASE_RETRY, RETIRE_RETRY],
        resultPath: '$.retire',
        catch: [
          { ErrorEquals: [StillHeld.errorName], ResultPath: null, Next: 'WaitForConsumers' },
          { ErrorEquals: [EndsByItself.errorName], ResultPath: null, Next: 'WaitForItsOwnEnd' },
          { ErrorEquals: ['States.ALL'], ResultPath: '$.fault', Next: 'Owed' },
        ],
        next: 'IsLimited',
      }),
      IsLimited: {
        Type: 'Choice',
        Choices: [{ Variable: '$.retire.until', IsPresent: true, Next: 'WaitForProvider' }],
        Default: 'Retired',
      },
      WaitForProvider: { Type: 'Wait', TimestampPath: '$.retire.until', Next: 'Retire' },
      WaitForItsOwnEnd: { Type: 'Wait', Seconds: OWN_END_WAIT_SECONDS, Next: 'Retire' },
      WaitForConsumers: { Type: 'Wait', Seconds: HELD_WAIT_SECONDS, Next: 'Retire' },
      Retired: { Type: 'Succeed' },
      Owed: functionTask({
        functionArn: functionArn('owed'),
        parameters: { ...RETIREMENT_INPUT, fault: { 'Error.$': '$.fault.Error' } },
        functionTimeoutSeconds: PHASE_TIMEOUT_SECONDS,
        retry: NOTIFY_RETRY,
        resultPath: null,
        catch: [
          { ErrorEquals: [Misconfigured.errorName], ResultPath: null, Next: 'WaitAndGiveUp' },
          { ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'WaitAndTryAgain' },
        ],
        next: 'WaitAndTryAgain',
      }),
      WaitAndTryAgain: { Type: 'Wait', Seconds: OWED_WAIT_SECONDS, Next: 'Retire' },
      // Whose input no step takes, or whose secret is not registered: nobody would ever hear of it. The recovery rule starts
      // it again; without the wait that would go round in seconds.
      WaitAndGiveUp: { Type: 'Wait', Seconds: OWED_WAIT_SECONDS, Next: 'NotToBeRetired' },
      NotToBeRetired: {
        Type: 'Fail',
        Error: 'NotToBeRetired',
        Cause: 'Neither could the version be retired nor people be told: the log of the functions has the reason.',
      },
    },
  };
}
