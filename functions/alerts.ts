import { SNSClient } from '@aws-sdk/client-sns';
import { SnsAlertPublisher } from '../shared/aws/sns-alert-publisher.ts';
import type { AlertingPorts } from '../shared/rotation/ports.ts';
import { books, environment } from './books.ts';
import { required } from './environment.ts';

/** The books with the topic that people are told on. */
export const alertingPorts: AlertingPorts = {
  ...books,
  alerts: new SnsAlertPublisher(new SNSClient({}), required(environment.ALERT_TOPIC_ARN, 'ALERT_TOPIC_ARN')),
};
