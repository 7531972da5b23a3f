import { Duration } from 'aws-cdk-lib';
import { FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { ANSWER_PREFIX, USE_PREFIX } from '../../shared/rollout/consumer-items.ts';
import type { ConsumersTable } from './consumers-table.ts';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import type { EncryptionKey } from './encryption-key.ts';
import type { RekeyFunction } from './rekey-function.ts';

export interface ConsumerEventsProps {
  readonly consumers: ConsumersTable;
  readonly acknowledge: RekeyFunction;
  readonly recordUse: RekeyFunction;
  readonly key: EncryptionKey;
  /** Where records go that no retry could handle. */
  readonly deadLetters: DeadLetterQueue;
}

/** What consumers write, brought to the function that acts on it. Signs of life are filtered out before they cost a call. */
export class ConsumerEvents extends Construct {
  readonly #props: ConsumerEventsProps;

  constructor(scope: Construct, id: string, props: ConsumerEventsProps) {
    super(scope, id);
    this.#props = props;
    this.#bring(ANSWER_PREFIX, props.acknowledge, 100);
    this.#bring(USE_PREFIX, props.recordUse, 10);
  }

  #bring(prefix: string, to: RekeyFunction, batchSize: number): void {
    const { consumers, key, deadLetters } = this.#props;
    consumers.grantStream(to);
    to.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [deadLetters.queue.queueArn] }),
    );
    key.grantUseVia('sqs', to);
    to.function.addEventSourceMapping('Consumers', {
      eventSourceArn: consumers.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize,
      // https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
      filters: [
        FilterCriteria.filter({
          eventName: FilterRule.or('INSERT', 'MODIFY'),
          dynamodb: { Keys: { sk: { S: FilterRule.beginsWith(prefix) } } },
        }),
      ],
      retryAttempts: 20,
      maxRecordAge: Duration.hours(6),
      bisectBatchOnError: true,
      onFailure: { bind: () => ({ destination: deadLetters.queue.queueArn }) },
    });
  }
}
