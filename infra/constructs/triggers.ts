/* oxlint-disable no-new -- a construct adds itself to the tree of its scope */
import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction, SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import type { RekeyFunction } from './rekey-function.ts';

/** How often every ledger is gone through. */
const SWEEP_HOURS = 1;

export interface TriggersProps {
  readonly environment: string;
  readonly dispatchRateMinutes: number;
  readonly rotationDispatch: StateMachine;
  /** Executions whose end in failure Recover picks up. */
  readonly recoverable: readonly StateMachine[];
  readonly recover: RekeyFunction;
  readonly sweep: RekeyFunction;
  /** Where events go that could not be delivered. */
  readonly deadLetters: DeadLetterQueue;
}

/** What starts Rekey: the schedules, a request on the default bus, an execution that failed. */
export class Triggers extends Construct {
  constructor(scope: Construct, id: string, props: TriggersProps) {
    super(scope, id);
    const deadLetterQueue = props.deadLetters.queue;

    new Rule(this, 'Schedule', {
      description: `Rekey ${props.environment}: starts the rotations that are due`,
      schedule: Schedule.rate(Duration.minutes(props.dispatchRateMinutes)),
      targets: [
        new SfnStateMachine(props.rotationDispatch, {
          deadLetterQueue,
          // Older than this, the next run of the schedule has come first.
          maxEventAge: Duration.minutes(Math.min(1440, Math.max(5, props.dispatchRateMinutes))),
          retryAttempts: 5,
        }),
      ],
    });

    new Rule(this, 'Sweep', {
      description: `Rekey ${props.environment}: looks for credentials that should not live any more`,
      schedule: Schedule.rate(Duration.hours(SWEEP_HOURS)),
      targets: [
        new LambdaFunction(props.sweep.function, {
          deadLetterQueue,
          maxEventAge: Duration.hours(SWEEP_HOURS),
          retryAttempts: 5,
        }),
      ],
    });

    new Rule(this, 'RotationRequested', {
      description: `Rekey ${props.environment}: starts the rotation that somebody asked for`,
      eventPattern: {
        source: ['rekey'],
        detailType: ['Rotation Requested'],
        resources: [`rekey:${props.environment}`],
      },
      targets: [
        new SfnStateMachine(props.rotationDispatch, {
          deadLetterQueue,
          maxEventAge: Duration.hours(6),
          retryAttempts: 30,
        }),
      ],
    });

    new Rule(this, 'ExecutionFailed', {
      description: `Rekey ${props.environment}: picks up what a failed execution left behind`,
      // https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
          stateMachineArn: props.recoverable.map(({ stateMachineArn }) => stateMachineArn),
        },
      },
      targets: [
        new LambdaFunction(props.recover.function, {
          deadLetterQueue,
          maxEventAge: Duration.hours(24),
          retryAttempts: 185,
        }),
      ],
    });
  }
}
