import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { appendFile, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { eventually } from './eventually.ts';
import { system } from './system.ts';

/** An alert as a machine gets it. */
export interface ReceivedAlert {
  readonly subject: string;
  readonly body: string;
  readonly kind: string;
  readonly secret_id: string;
  readonly rotation_id: string;
  readonly alert_id: string;
  readonly [fact: string]: unknown;
}

/**
 * Every message that a queue has had so far, as text. What is taken out of the queue is kept in a file, so that every
 * test sees all of them, whichever ran before.
 */
export async function messagesOf(queueUrl: string): Promise<readonly string[]> {
  const sqs = new SQSClient({});
  const file = join(system.directory, `queue-${basename(queueUrl)}.jsonl`);
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 0,
        MessageAttributeNames: ['All'],
        MessageSystemAttributeNames: ['All'],
      }),
    );
    if (Messages.length === 0) break;
    const lines = Messages.map(({ Body, Attributes, MessageAttributes }) =>
      JSON.stringify({ Body, Attributes, MessageAttributes }),
    );
    await appendFile(file, `${lines.join('\n')}\n`);
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
  }
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').filter((line) => line !== '');
}

/** The alerts about a secret that have arrived so far. */
export async function alertsAbout(secretId: string): Promise<readonly ReceivedAlert[]> {
  const alerts = (await messagesOf(system.alerts.url)).flatMap((line) => {
    const { Message } = JSON.parse((JSON.parse(line) as { Body: string }).Body) as { Message: string };
    return isJson(Message) ? [JSON.parse(Message) as ReceivedAlert] : [];
  });
  return alerts.filter((alert) => alert.secret_id === secretId);
}

/** Waits for the first alert of this kind about a rotation. */
export async function alertOf(secretId: string, rotationId: string, kind: string): Promise<ReceivedAlert> {
  return eventually(`an alert ${kind} about ${secretId}`, async () =>
    (await alertsAbout(secretId)).find((alert) => alert.kind === kind && alert.rotation_id === rotationId),
  );
}

function isJson(text: string): boolean {
  return text.startsWith('{');
}
