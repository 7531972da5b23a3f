import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteLogGroupCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  PutItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { CreateFunctionCommand, DeleteFunctionCommand } from '@aws-sdk/client-lambda';
import { CreateStateMachineCommand, DeleteStateMachineCommand } from '@aws-sdk/client-sfn';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipOf } from '../../fidelity/zip.ts';
import { asAdmin } from './database.ts';
import { ended, start, stepFunctions } from './executions.ts';
import { lambda } from './functions.ts';
import { assembly, output } from './system.ts';
import type { TRACES } from './traces.ts';

/** Puts `marker` where a careless program would. Answers how to take it away again. */
type Plant = (marker: string) => Promise<() => Promise<unknown>>;

interface Planting {
  readonly kind: keyof typeof TRACES;
  /** Where it must be found, and nowhere else. */
  readonly place: RegExp;
  readonly plant: Plant;
}

const NAME = 'planted';
const ROLE = 'arn:aws:iam::000000000000:role/planted';

/** One for each way in which something gets written. */
export const PLANTINGS: Readonly<Record<string, Planting>> = {
  "an execution's input": {
    kind: 'executions',
    place: /^(?:history of )?execution planted:/,
    plant: async (marker) => {
      const definition = JSON.stringify({ StartAt: 'Done', States: { Done: { Type: 'Pass', End: true } } });
      const { stateMachineArn = '' } = await stepFunctions.send(
        new CreateStateMachineCommand({ name: NAME, definition, roleArn: ROLE }),
      );
      await ended(await start(stateMachineArn, { note: marker }));
      return () => stepFunctions.send(new DeleteStateMachineCommand({ stateMachineArn }));
    },
  },
  'a log line': {
    kind: 'logs',
    place: /^log group planted$/,
    plant: async (marker) => {
      const logs = new CloudWatchLogsClient({});
      const place = { logGroupName: NAME, logStreamName: NAME };
      await logs.send(new CreateLogGroupCommand({ logGroupName: NAME }));
      await logs.send(new CreateLogStreamCommand(place));
      await logs.send(
        new PutLogEventsCommand({ ...place, logEvents: [{ timestamp: Date.now(), message: `text: ${marker}` }] }),
      );
      return () => logs.send(new DeleteLogGroupCommand({ logGroupName: NAME }));
    },
  },
  'an item of a table': {
    kind: 'tables',
    place: /^table planted$/,
    plant: async (marker) => {
      const client = new DynamoDBClient({});
      const TableName = NAME;
      await client.send(
        new CreateTableCommand({
          TableName,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        }),
      );
      await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName });
      const Item = { pk: { S: 'one' }, facts: { M: { bytes: { B: Buffer.from(`x${marker}`) } } } };
      await client.send(new PutItemCommand({ TableName, Item }));
      return () => client.send(new DeleteTableCommand({ TableName }));
    },
  },
  'an alert': {
    kind: 'queues',
    place: /^queue test-alerts$/,
    plant: async (marker) => {
      const TopicArn = await output('AlertTopicArn');
      await new SNSClient({}).send(new PublishCommand({ TopicArn, Subject: 'A test', Message: `text: ${marker}` }));
      return () => Promise.resolve();
    },
  },
  'an event': {
    kind: 'queues',
    place: /^queue test-events$/,
    plant: async (marker) => {
      const entry = { Source: NAME, DetailType: 'A test', Detail: JSON.stringify({ note: marker }) };
      await new EventBridgeClient({}).send(new PutEventsCommand({ Entries: [entry] }));
      return () => Promise.resolve();
    },
  },
  "a function's environment": {
    kind: 'functions',
    place: /^function planted$/,
    plant: async (marker) => {
      const ZipFile = zipOf('index.mjs', 'export const handler = () => undefined;');
      const settings = { Role: ROLE, Runtime: 'nodejs24.x', Handler: 'index.handler', Code: { ZipFile } } as const;
      await lambda.send(
        new CreateFunctionCommand({ ...settings, FunctionName: NAME, Environment: { Variables: { NOTE: marker } } }),
      );
      return () => lambda.send(new DeleteFunctionCommand({ FunctionName: NAME }));
    },
  },
  "a stack's output": {
    kind: 'stacks',
    place: /^stack planted$/,
    plant: async (marker) => {
      const client = new CloudFormationClient({});
      const TemplateBody = JSON.stringify({
        Resources: { Handle: { Type: 'AWS::CloudFormation::WaitConditionHandle' } },
        Outputs: { Note: { Value: marker } },
      });
      await client.send(new CreateStackCommand({ StackName: NAME, TemplateBody }));
      await waitUntilStackCreateComplete({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { StackName: NAME });
      return () => client.send(new DeleteStackCommand({ StackName: NAME }));
    },
  },
  'a file of the assembly': {
    kind: 'files',
    place: /^file cdk\.out\/planted\.json$/,
    plant: async (marker) => {
      const file = join(assembly, 'planted.json');
      await writeFile(file, JSON.stringify({ note: marker }));
      return () => rm(file);
    },
  },
  "PostgreSQL's log": {
    kind: 'files',
    place: /^file postgres-\w+\.log$/,
    plant: async (marker) => {
      await asAdmin(`SELECT '${marker}'`);
      return () => Promise.resolve();
    },
  },
};
