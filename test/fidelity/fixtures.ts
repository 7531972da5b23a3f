import { randomBytes } from 'node:crypto';

import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  LambdaClient,
  ResourceNotFoundException,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';

import { eventually } from './eventually.ts';
import { zipOf } from './zip.ts';

export const lambda = new LambdaClient();
export const stepFunctions = new SFNClient();

/** What the functions and state machines run as. A real account needs one that it trusts; the local cloud does not look. */
export const ROLE = process.env['REKEY_FIDELITY_ROLE'] ?? 'arn:aws:iam::000000000000:role/rekey-fidelity';

/** A name that no other run uses. */
export function uniqueName(label: string): string {
  return `rekey-fidelity-${label}-${randomBytes(5).toString('hex')}`;
}

/** A Lambda function of one CommonJS file; answers its ARN once it can be invoked. */
export async function makeFunction(
  code: string,
  settings: Partial<CreateFunctionCommandInput> = {},
): Promise<{ name: string; arn: string; remove(): Promise<void> }> {
  const name = settings.FunctionName ?? uniqueName('function');
  const { FunctionArn } = await lambda.send(
    new CreateFunctionCommand({
      Runtime: 'nodejs24.x',
      Role: ROLE,
      Handler: 'index.handler',
      Timeout: 10,
      Code: { ZipFile: zipOf('index.js', code) },
      ...settings,
      FunctionName: name,
    }),
  );
  await waitUntilFunctionActiveV2(
    { client: lambda, maxWaitTime: 20, minDelay: 0.05, maxDelay: 1 },
    { FunctionName: name },
  );
  return {
    name,
    arn: FunctionArn ?? name,
    remove: async () => {
      await lambda.send(new DeleteFunctionCommand({ FunctionName: name })).catch((error: unknown) => {
        if (!(error instanceof ResourceNotFoundException)) throw error;
      });
    },
  };
}

type States = Readonly<Record<string, unknown>>;

/** A Standard state machine; its first state is the first of `states`. */
export async function makeStateMachine(
  states: States,
  top: States = {},
): Promise<{ arn: string; remove(): Promise<void> }> {
  const definition = { StartAt: Object.keys(states)[0], States: states, ...top };
  const { stateMachineArn } = await stepFunctions.send(
    new CreateStateMachineCommand({
      name: uniqueName('machine'),
      roleArn: ROLE,
      definition: JSON.stringify(definition),
    }),
  );
  const arn = stateMachineArn ?? '';
  return {
    arn,
    remove: async () => void (await stepFunctions.send(new DeleteStateMachineCommand({ stateMachineArn: arn }))),
  };
}

/** Runs a state machine that exists only for this, and answers how it ended. It stays, for its history goes with it. */
export async function runStates(
  states: States,
  {
    input = {},
    top = {},
    withinMilliseconds = 15_000,
  }: { input?: unknown; top?: States; withinMilliseconds?: number } = {},
): Promise<{
  status: string | undefined;
  output: unknown;
  error: string | undefined;
  cause: string | undefined;
  arn: string;
}> {
  const machine = await makeStateMachine(states, top);
  const { executionArn } = await stepFunctions.send(
    new StartExecutionCommand({ stateMachineArn: machine.arn, input: JSON.stringify(input) }),
  );
  const end = await endOfExecution(executionArn ?? '', withinMilliseconds);
  return {
    status: end.status,
    output: end.output === undefined ? undefined : (JSON.parse(end.output) as unknown),
    error: end.error,
    cause: end.cause,
    arn: executionArn ?? '',
  };
}

export async function endOfExecution(
  executionArn: string,
  withinMilliseconds = 15_000,
): Promise<DescribeExecutionCommandOutput> {
  return await eventually(
    `the end of ${executionArn}`,
    async () => {
      const execution = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }));
      return execution.status === 'RUNNING' ? undefined : execution;
    },
    withinMilliseconds,
  );
}

/** A Task that invokes a function the way the CDK writes it. */
export function invokeTask(functionArn: string, more: States = {}): States {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, 'Payload.$': '$' },
    OutputPath: '$.Payload',
    End: true,
    ...more,
  };
}
