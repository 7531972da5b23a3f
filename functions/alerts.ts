import { SNSClient } from '@aws-sdk/client-sns';
import { SnsAlertPublisher } from '../shared/aws/sns-alert-publisher.ts';
import { environment, rotationPorts } from './ports.ts';
import { required } from './environment.ts';

/** The rotation ports with the topic that people are told on. */
export const alertingPorts = {
  ...rotationPorts,
  alerts: new SnsAlertPublisher(new SNSClient({}), required(environment.ALERT_TOPIC_ARN, 'ALERT_TOPIC_ARN')),
};
