import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { AlertTopic } from './alert-topic.ts';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import type { RekeyFunction } from './rekey-function.ts';

const RUNBOOK = 'infra/runbook.md';
const PERIOD = Duration.minutes(5);
/** A dispatcher that missed this many of its runs in a row has stopped. */
const MISSED_RUNS = 3;

export interface AlarmsProps {
  readonly environment: string;
  readonly alerts: AlertTopic;
  readonly dispatchRateMinutes: number;
  readonly rotationDispatch: StateMachine;
  readonly secretRotation: StateMachine;
  readonly versionRetirement: StateMachine;
  readonly recover: RekeyFunction;
  readonly configure: RekeyFunction;
  readonly sweep: RekeyFunction;
  readonly rotationContract: RekeyFunction;
  readonly undeliveredEvents: DeadLetterQueue;
  readonly undeliveredRecoveries: DeadLetterQueue;
  readonly unhandledAnswers: DeadLetterQueue;
}

interface AlarmSettings {
  /** The runbook's heading. */
  readonly heading: string;
  readonly metric: IMetric;
}

/** One alarm for each thing that a person must look at; each has its heading in the runbook. */
export class Alarms extends Construct {
  readonly #environment: string;
  readonly #action: SnsAction;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.#environment = props.environment;
    this.#action = new SnsAction(props.alerts.topic);
    const sum = { period: PERIOD, statistic: 'Sum' };

    this.#onAny({ heading: 'Rotation failed', metric: props.secretRotation.metricFailed(sum) });
    this.#onAny({ heading: 'Rotation timed out', metric: props.secretRotation.metricTimedOut(sum) });
    this.#onAny({ heading: 'Retirement failed', metric: props.versionRetirement.metricFailed(sum) });
    this.#onAny({ heading: 'Retirement timed out', metric: props.versionRetirement.metricTimedOut(sum) });
    this.#onAny({ heading: 'Dispatch failed', metric: props.rotationDispatch.metricFailed(sum) });
    this.#onAny({ heading: 'Recovery failed', metric: props.recover.function.metricErrors(sum) });
    this.#onAny({ heading: 'Configuration failed', metric: props.configure.function.metricErrors(sum) });
    this.#onAny({ heading: 'Sweep failed', metric: props.sweep.function.metricErrors(sum) });
    this.#onAny({ heading: 'Rotation function failed', metric: props.rotationContract.function.metricErrors(sum) });
    const waiting = { period: PERIOD, statistic: 'Maximum' };
    this.#onAny({
      heading: 'Events not delivered',
      metric: props.undeliveredEvents.queue.metricApproximateNumberOfMessagesVisible(waiting),
    });
    this.#onAny({
      heading: 'Recoveries not delivered',
      metric: props.undeliveredRecoveries.queue.metricApproximateNumberOfMessagesVisible(waiting),
    });
    this.#onAny({
      heading: 'Answers not handled',
      metric: props.unhandledAnswers.queue.metricApproximateNumberOfMessagesVisible(waiting),
    });
    this.#onSilence(
      {
        heading: 'Dispatch has stopped',
        metric: props.rotationDispatch.metricStarted({
          period: Duration.minutes(Math.max(PERIOD.toMinutes(), props.dispatchRateMinutes)),
          statistic: 'Sum',
        }),
      },
      MISSED_RUNS,
    );
  }

  #onAny({ heading, metric }: AlarmSettings): void {
    this.#alarm(heading, {
      metric,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }

  #onSilence({ heading, metric }: AlarmSettings, evaluationPeriods: number): void {
    this.#alarm(heading, {
      metric,
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods,
      treatMissingData: TreatMissingData.BREACHING,
    });
  }

  #alarm(heading: string, props: Omit<ConstructorParameters<typeof Alarm>[2], 'alarmName' | 'alarmDescription'>): void {
    const name = heading.toLowerCase().replaceAll(' ', '-');
    const id = heading.replace(/(?:^| )(\w)/g, (_, letter: string) => letter.toUpperCase());
    const alarm = new Alarm(this, id, {
      ...props,
      alarmName: `rekey-${this.#environment}-${name}`,
      alarmDescription: `Rekey ${this.#environment}. What to do: ${RUNBOOK}, "${heading}".`,
    });
    alarm.addAlarmAction(this.#action);
  }
}
