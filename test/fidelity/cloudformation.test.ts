import {
  CloudFormationClient,
  CreateChangeSetCommand,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  UpdateStackCommand,
  waitUntilChangeSetCreateComplete,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  DeleteTableCommand,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { GetFunctionCommand, GetFunctionEventInvokeConfigCommand, InvokeCommand } from '@aws-sdk/client-lambda';
import { DescribeSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DescribeStateMachineCommand } from '@aws-sdk/client-sfn';
import { GetTopicAttributesCommand, ListSubscriptionsByTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { trialStack } from './trial-stack.ts';
import { eventually } from './eventually.ts';
import { lambda, stepFunctions, uniqueName } from './fixtures.ts';

const client = new CloudFormationClient();
const dynamo = new DynamoDBClient();
const secrets = new SecretsManagerClient();
const sns = new SNSClient();
const sqs = new SQSClient();
const waiter = { client, maxWaitTime: 50, minDelay: 0.2, maxDelay: 1 };
const Capabilities = ['CAPABILITY_IAM' as const];

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html */
describe('CloudFormation', () => {
  const StackName = uniqueName('stack');
  let outputs: Record<string, string> = {};
  async function readOutputs(): Promise<Record<string, string>> {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    return Object.fromEntries(
      (Stacks[0]?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
    );
  }
  const out = (name: string): string => outputs[name] ?? '';

  beforeAll(async () => {
    await client.send(new CreateStackCommand({ StackName, TemplateBody: trialStack(1), Capabilities }));
    await waitUntilStackCreateComplete(waiter, { StackName });
    outputs = await readOutputs();
  });
  afterAll(async () => {
    await client.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete(waiter, { StackName });
  });

  for (const table of ['Table', 'GlobalTable']) {
    test(`applies what stands in a template: ${table}`, async () => {
      const TableName = out(table);
      const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }));
      expect(Table?.SSEDescription).toMatchObject({ Status: 'ENABLED', SSEType: 'KMS' });
      expect(Table?.GlobalSecondaryIndexes).toMatchObject([{ IndexName: 'due', IndexStatus: 'ACTIVE' }]);
      const { TimeToLiveDescription } = await dynamo.send(new DescribeTimeToLiveCommand({ TableName }));
      expect(TimeToLiveDescription).toMatchObject({ TimeToLiveStatus: 'ENABLED', AttributeName: 'ttl' });
      const backups = await dynamo.send(new DescribeContinuousBackupsCommand({ TableName }));
      expect(backups.ContinuousBackupsDescription?.PointInTimeRecoveryDescription).toMatchObject({
        PointInTimeRecoveryStatus: 'ENABLED',
      });
    });
  }

  test('names a secret by its ARN, generates its value by the rules, and makes no version where no value is asked for', async () => {
    expect(out('Secret')).toMatch(/^arn:aws:secretsmanager:/);
    const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId: out('Secret') }));
    const value = JSON.parse(SecretString) as Record<string, string>;
    expect(value['username']).toBe('app');
    expect(value['password']).toMatch(/^[A-Za-z0-9]{40}$/);
    const empty = await secrets.send(new DescribeSecretCommand({ SecretId: out('EmptySecret') }));
    expect(empty.VersionIdsToStages ?? {}).toEqual({});
    expect(empty.KmsKeyId).toBeDefined();
  });

  test('applies what stands in a template: function, topic, queue, state machine', async () => {
    const { Configuration, Concurrency } = await lambda.send(new GetFunctionCommand({ FunctionName: out('Function') }));
    expect(Configuration).toMatchObject({
      DeadLetterConfig: { TargetArn: out('DeadLetterArn') },
      LoggingConfig: { LogGroup: out('LogGroup') },
    });
    expect(Concurrency?.ReservedConcurrentExecutions).toBe(5);
    expect(
      await lambda.send(
        new GetFunctionEventInvokeConfigCommand({ FunctionName: out('Function'), Qualifier: '$LATEST' }),
      ),
    ).toMatchObject({ MaximumRetryAttempts: 0 });
    const topic = await sns.send(new GetTopicAttributesCommand({ TopicArn: out('Topic') }));
    expect(topic.Attributes?.['KmsMasterKeyId']).toBeDefined();
    const queue = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: out('Queue'), AttributeNames: ['All'] }));
    expect(JSON.parse(queue.Attributes?.['RedrivePolicy'] ?? '{}')).toMatchObject({
      deadLetterTargetArn: out('DeadLetterArn'),
    });
    expect(queue.Attributes?.['Policy']).toContain('sns.amazonaws.com');
    const machine = await stepFunctions.send(new DescribeStateMachineCommand({ stateMachineArn: out('Machine') }));
    expect(machine.loggingConfiguration).toMatchObject({ level: 'ALL', includeExecutionData: false });
  });

  test('lets a function write to the log group that its template names', async () => {
    await lambda.send(
      new InvokeCommand({ FunctionName: out('Function'), Payload: '{"say":"hello from the template"}' }),
    );
    const logs = new CloudWatchLogsClient();
    await eventually('the line', async () => {
      const { events = [] } = await logs.send(
        new FilterLogEventsCommand({ logGroupName: out('LogGroup'), filterPattern: '"hello from the template"' }),
      );
      return events[0];
    });
  });

  test('calls a custom resource with its properties, and hands on what it answers', () => {
    expect(JSON.parse(out('Answer'))).toMatchObject({ type: 'Create', version: '1' });
  });

  describe('an update', () => {
    const key = { pk: { S: 'kept' }, sk: { S: 'kept' } };
    let before: Record<string, string> = {};
    let value: string | undefined;
    beforeAll(async () => {
      before = outputs;
      value = (await secrets.send(new GetSecretValueCommand({ SecretId: out('Secret') }))).SecretString;
      for (const table of ['Table', 'GlobalTable']) {
        await dynamo.send(
          new PutItemCommand({ TableName: out(table), Item: { ...key, shard: { S: '0' }, due: { S: '2030' } } }),
        );
      }
      await sqs.send(new SendMessageCommand({ QueueUrl: out('Queue'), MessageBody: 'kept' }));
      const ChangeSetName = uniqueName('changes');
      await client.send(
        new CreateChangeSetCommand({ StackName, ChangeSetName, TemplateBody: trialStack(2), Capabilities }),
      );
      await waitUntilChangeSetCreateComplete(waiter, { StackName, ChangeSetName });
      await client.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }));
      await waitUntilStackUpdateComplete(waiter, { StackName });
      outputs = await readOutputs();
    });

    test('by a change set changes things where they are', () => {
      const { Answer, ...names } = outputs;
      expect(names).toEqual(Object.fromEntries(Object.entries(before).filter(([name]) => name !== 'Answer')));
      expect(JSON.parse(Answer ?? '')).toEqual({ type: 'Update', version: '2', old: '1' });
    });

    test('keeps the items of tables, and indexes them', async () => {
      for (const table of ['Table', 'GlobalTable']) {
        const TableName = out(table);
        expect((await dynamo.send(new GetItemCommand({ TableName, Key: key }))).Item).toBeDefined();
        const index = await dynamo.send(
          new QueryCommand({
            TableName,
            IndexName: 'due',
            KeyConditionExpression: '#shard = :shard',
            ExpressionAttributeNames: { '#shard': 'shard' },
            ExpressionAttributeValues: { ':shard': { S: '0' } },
          }),
        );
        expect(index.Count).toBe(1);
      }
    });

    test('keeps subscriptions, messages and secret values', async () => {
      const { Subscriptions = [] } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: out('Topic') }));
      expect(Subscriptions.map(({ Protocol }) => Protocol)).toEqual(['sqs']);
      const message = await eventually(
        'the message',
        async () => (await sqs.send(new ReceiveMessageCommand({ QueueUrl: out('Queue') }))).Messages?.[0],
      );
      expect(message.Body).toBe('kept');
      const secret = await secrets.send(new GetSecretValueCommand({ SecretId: out('Secret') }));
      expect(secret.SecretString === value).toBe(true);
      expect((await secrets.send(new DescribeSecretCommand({ SecretId: out('Secret') }))).Description).toBe(
        'version 2',
      );
    });

    test('with nothing to change is refused by a sentence that says so', async () => {
      const same = new UpdateStackCommand({ StackName, TemplateBody: trialStack(2), Capabilities });
      await expect(client.send(same)).rejects.toThrow(/No updates are to be performed/);
    });
  });

  test('refuses a resource type that it does not know', async () => {
    const TemplateBody = JSON.stringify({ Resources: { Thing: { Type: 'AWS::Nope::Thing' } } });
    await expect(
      client.send(new CreateStackCommand({ StackName: uniqueName('unknown'), TemplateBody })),
    ).rejects.toThrow(/AWS::Nope::Thing/);
  });

  test('leaves behind what is to be retained, and fails a stack whose custom resource fails', async () => {
    const retained = uniqueName('retained');
    const name = uniqueName('stack');
    const table = {
      Type: 'AWS::DynamoDB::Table',
      DeletionPolicy: 'Retain',
      Properties: {
        TableName: retained,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      },
    };
    await client.send(
      new CreateStackCommand({ StackName: name, TemplateBody: JSON.stringify({ Resources: { Table: table } }) }),
    );
    await waitUntilStackCreateComplete(waiter, { StackName: name });
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    // By its ARN, as `cdk destroy` does.
    const StackId = Stacks[0]?.StackId ?? '';
    await client.send(new DeleteStackCommand({ StackName: StackId }));
    await waitUntilStackDeleteComplete(waiter, { StackName: StackId });
    await dynamo.send(new DescribeTableCommand({ TableName: retained }));
    await dynamo.send(new DeleteTableCommand({ TableName: retained }));

    const failing = uniqueName('stack');
    const custom = { Type: 'Custom::Configure', Properties: { ServiceToken: out('CustomArn'), version: 'fail' } };
    await client.send(
      new CreateStackCommand({ StackName: failing, TemplateBody: JSON.stringify({ Resources: { Custom: custom } }) }),
    );
    const end = await eventually('the end of the stack', async () => {
      const stack = (await client.send(new DescribeStacksCommand({ StackName: failing }))).Stacks?.[0];
      return stack?.StackStatus?.endsWith('_COMPLETE') ? stack.StackStatus : undefined;
    });
    expect(end).toBe('ROLLBACK_COMPLETE');
    await client.send(new DeleteStackCommand({ StackName: failing }));
  });
});
