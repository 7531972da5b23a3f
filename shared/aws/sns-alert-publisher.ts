import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Alert, AlertPublisher } from '../alerts/alert.ts';
import { withAwsErrors } from './aws-errors.ts';

/**
 * Publishes to one SNS topic. E-mail gets the text, SQS and HTTPS the JSON
 * (https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html);
 * subscriptions filter on the attribute `kind`.
 */
export class SnsAlertPublisher implements AlertPublisher {
  readonly #client: SNSClient;
  readonly #topicArn: string;

  constructor(client: SNSClient, topicArn: string) {
    this.#client = client;
    this.#topicArn = topicArn;
  }

  async publish(alert: Alert): Promise<void> {
    const machine = JSON.stringify({ ...alert.facts, subject: alert.subject, body: alert.body });
    await withAwsErrors(() =>
      this.#client.send(
        new PublishCommand({
          TopicArn: this.#topicArn,
          Subject: alert.subject,
          MessageStructure: 'json',
          Message: JSON.stringify({
            default: alert.body,
            sqs: machine,
            http: machine,
            https: machine,
            lambda: machine,
          }),
          MessageAttributes: {
            kind: { DataType: 'String', StringValue: alert.kind },
            secret_id: { DataType: 'String', StringValue: alert.facts.secret_id },
          },
        }),
      ),
    );
  }
}
