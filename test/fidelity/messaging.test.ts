import {
  CreateTopicCommand,
  DeleteTopicCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually } from './eventually.ts';
import { uniqueName } from './fixtures.ts';

const sns = new SNSClient();
const sqs = new SQSClient();

async function makeQueue(Attributes: Record<string, string> = {}) {
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: uniqueName('queue'), Attributes }));
  const about = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  return { url: QueueUrl, arn: about.Attributes?.['QueueArn'] ?? '' };
}

async function receive(QueueUrl: string): Promise<Message> {
  const message = await eventually('a message', async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], WaitTimeSeconds: 1 }),
    );
    return Messages[0];
  });
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  return message;
}

/** https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html and sns-large-payload-raw-message-delivery.html */
describe('SNS and SQS', () => {
  let TopicArn = '';
  const queues = { wrapped: { url: '', arn: '' }, raw: { url: '', arn: '' }, critical: { url: '', arn: '' } };
  beforeAll(async () => {
    TopicArn = (await sns.send(new CreateTopicCommand({ Name: uniqueName('topic') }))).TopicArn ?? '';
    for (const name of ['wrapped', 'raw', 'critical'] as const) queues[name] = await makeQueue();
    const subscribe = async (Endpoint: string, Attributes: Record<string, string>) =>
      await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes }));
    await subscribe(queues.wrapped.arn, {});
    await subscribe(queues.raw.arn, { RawMessageDelivery: 'true' });
    await subscribe(queues.critical.arn, {
      FilterPolicy: JSON.stringify({ risk: ['critical', { prefix: 'hi' }], kind: [{ 'anything-but': ['digest'] }] }),
    });
  });
  afterAll(async () => {
    await sns.send(new DeleteTopicCommand({ TopicArn }));
    for (const { url } of Object.values(queues)) await sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
  });

  test('delivers the text of the protocol, wrapped or raw, with attributes', async () => {
    const MessageStructure = 'json';
    const Message = JSON.stringify({ default: 'for anybody', sqs: '{"for":"queues"}', email: 'for people' });
    const MessageAttributes = { kind: { DataType: 'String', StringValue: 'rotation' } };
    await sns.send(new PublishCommand({ TopicArn, Subject: 'Rotated', Message, MessageStructure, MessageAttributes }));
    const wrapped = JSON.parse((await receive(queues.wrapped.url)).Body ?? '') as Record<string, unknown>;
    expect(wrapped).toMatchObject({ Type: 'Notification', Subject: 'Rotated', TopicArn, Message: '{"for":"queues"}' });
    expect(wrapped['MessageAttributes']).toEqual({ kind: { Type: 'String', Value: 'rotation' } });
    const raw = await receive(queues.raw.url);
    expect(raw.Body).toBe('{"for":"queues"}');
    expect(raw.MessageAttributes?.['kind']).toMatchObject({ DataType: 'String', StringValue: 'rotation' });
  });

  test('delivers to a filtered subscription only what matches all of its policy', async () => {
    const publish = async (Message: string, attributes: Record<string, string>) =>
      await sns.send(
        new PublishCommand({
          TopicArn,
          Message,
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
          ),
        }),
      );
    await publish('too low', { risk: 'low', kind: 'alert' });
    await publish('no attributes', {});
    await publish('a digest', { risk: 'critical', kind: 'digest' });
    await publish('by prefix', { risk: 'high', kind: 'alert' });
    expect(JSON.parse((await receive(queues.critical.url)).Body ?? '')).toMatchObject({ Message: 'by prefix' });
    await publish('by value', { risk: 'critical', kind: 'alert' });
    expect(JSON.parse((await receive(queues.critical.url)).Body ?? '')).toMatchObject({ Message: 'by value' });
  });

  test('refuses a structured message without a default', async () => {
    const attempt = sns.send(new PublishCommand({ TopicArn, Message: '{"sqs":"x"}', MessageStructure: 'json' }));
    await expect(attempt).rejects.toMatchObject({ name: /InvalidParameter/ });
  });

  test('moves a message that was received too often to the dead-letter queue', async () => {
    const dead = await makeQueue();
    const source = await makeQueue({
      VisibilityTimeout: '0',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 2 }),
    });
    await sqs.send(new SendMessageCommand({ QueueUrl: source.url, MessageBody: 'poison' }));
    const receiveOnce = async () => (await sqs.send(new ReceiveMessageCommand({ QueueUrl: source.url }))).Messages?.[0];
    await eventually('the first time', receiveOnce);
    await eventually('the second time', receiveOnce);
    await eventually('an empty queue', async () => ((await receiveOnce()) === undefined ? true : undefined));
    expect((await receive(dead.url)).Body).toBe('poison');
    for (const { url } of [dead, source]) await sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
  });
});
