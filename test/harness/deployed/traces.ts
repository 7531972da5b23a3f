import {
  CloudFormationClient,
  DescribeStacksCommand,
  paginateDescribeStackEvents,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchLogsClient,
  paginateDescribeLogGroups,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient, paginateListTables, paginateScan } from '@aws-sdk/client-dynamodb';
import { paginateListFunctions } from '@aws-sdk/client-lambda';
import {
  DescribeExecutionCommand,
  ListMapRunsCommand,
  paginateListExecutions,
  paginateListStateMachines,
} from '@aws-sdk/client-sfn';
import { paginateListQueues, SQSClient } from '@aws-sdk/client-sqs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { executionsOf, historyOf, stepFunctions } from './executions.ts';
import { lambda } from './functions.ts';
import { messagesOf } from './mailbox.ts';
import { system } from './system.ts';

/** Something that was written outside Secrets Manager and the target, and where. */
export interface Trace {
  readonly place: string;
  readonly text: string;
}

/** Every kind of place, each with all that is in it. */
export const TRACES = {
  executions: executionTraces,
  logs: logTraces,
  tables: tableTraces,
  queues: queueTraces,
  functions: functionTraces,
  stacks: stackTraces,
  files: fileTraces,
} as const satisfies Record<string, () => AsyncGenerator<Trace>>;

/** Input, output and history of every execution of every state machine, with those that distributed maps start. */
async function* executionTraces(): AsyncGenerator<Trace> {
  for await (const { stateMachines } of paginateListStateMachines({ client: stepFunctions }, {})) {
    for (const { stateMachineArn = '' } of stateMachines ?? []) {
      for (const { executionArn = '' } of await executionsOf(stateMachineArn)) {
        yield* oneExecution(executionArn);
        const { mapRuns } = await stepFunctions.send(new ListMapRunsCommand({ executionArn }));
        for (const { mapRunArn = '' } of mapRuns ?? []) {
          for await (const { executions } of paginateListExecutions({ client: stepFunctions }, { mapRunArn })) {
            for (const child of executions ?? []) yield* oneExecution(child.executionArn ?? '');
          }
        }
      }
    }
  }
}

async function* oneExecution(executionArn: string): AsyncGenerator<Trace> {
  const { $metadata: _, ...described } = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }));
  const place = `execution ${executionArn.split(':').slice(6).join(':')}`;
  yield { place, text: textOf(described) };
  yield { place: `history of ${place}`, text: textOf(await historyOf(executionArn)) };
}

/** Every line of every log group. */
async function* logTraces(): AsyncGenerator<Trace> {
  const client = new CloudWatchLogsClient({});
  for await (const { logGroups } of paginateDescribeLogGroups({ client }, {})) {
    for (const { logGroupName = '' } of logGroups ?? []) {
      const lines: string[] = [];
      for await (const { events } of paginateFilterLogEvents({ client }, { logGroupName })) {
        lines.push(...(events ?? []).map(({ message }) => message ?? ''));
      }
      yield { place: `log group ${logGroupName}`, text: lines.join('\n') };
    }
  }
}

/** Every item of every table, as DynamoDB stores it. */
async function* tableTraces(): AsyncGenerator<Trace> {
  const client = new DynamoDBClient({});
  for await (const { TableNames } of paginateListTables({ client }, {})) {
    for (const TableName of TableNames ?? []) {
      let text = '';
      for await (const { Items } of paginateScan({ client }, { TableName })) text += textOf(Items);
      yield { place: `table ${TableName}`, text };
    }
  }
}

/** Every message of every queue: alerts as SNS delivers them, all events of the bus, dead letters. */
async function* queueTraces(): AsyncGenerator<Trace> {
  for await (const { QueueUrls } of paginateListQueues({ client: new SQSClient({}) }, {})) {
    for (const url of QueueUrls ?? []) {
      yield { place: `queue ${basename(url)}`, text: (await messagesOf(url)).join('\n') };
    }
  }
}

/** Configuration of every function: environment variables, description, tags. */
async function* functionTraces(): AsyncGenerator<Trace> {
  for await (const { Functions } of paginateListFunctions({ client: lambda }, {})) {
    for (const configuration of Functions ?? []) {
      yield { place: `function ${configuration.FunctionName}`, text: textOf(configuration) };
    }
  }
}

/** Parameters, outputs and events of every stack. */
async function* stackTraces(): AsyncGenerator<Trace> {
  const client = new CloudFormationClient({});
  const { Stacks } = await client.send(new DescribeStacksCommand({}));
  for (const stack of Stacks ?? []) {
    yield { place: `stack ${stack.StackName}`, text: textOf(stack) };
    for await (const { StackEvents } of paginateDescribeStackEvents({ client }, { StackName: stack.StackName ?? '' })) {
      yield { place: `events of stack ${stack.StackName}`, text: textOf(StackEvents) };
    }
  }
}

/** Templates, assets, logs of the CDK, of PostgreSQL (every statement) and of the emulator. */
async function* fileTraces(): AsyncGenerator<Trace> {
  const found = await readdir(system.directory, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  for (const file of [...files, system.cloudLogFile]) {
    yield { place: `file ${file.replace(`${system.directory}/`, '')}`, text: await readFile(file, 'latin1') };
  }
}

/** JSON of it all, binary values as base64. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Uint8Array ? Buffer.from(inner).toString('base64') : inner,
  );
}
