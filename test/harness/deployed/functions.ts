import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DescribeStateMachineCommand } from '@aws-sdk/client-sfn';
import { stepFunctions } from './executions.ts';
import { output } from './system.ts';

export const lambda = new LambdaClient({});

export interface Invoked {
  /** Set when the function threw. */
  readonly functionError: string | undefined;
  readonly text: string;
}

export async function invoke(functionName: string, event: unknown): Promise<Invoked> {
  const Payload = Buffer.from(JSON.stringify(event));
  const answer = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload }));
  return { functionError: answer.FunctionError, text: Buffer.from(answer.Payload ?? []).toString('utf8') };
}

const MACHINES = ['DispatchArn', 'SecretRotationArn', 'VersionRetirementArn'] as const;
type Machine = (typeof MACHINES)[number];

interface Definition {
  readonly States: Readonly<Record<string, { readonly Type: string; readonly Resource?: string }>>;
}

/** The functions that a machine's tasks invoke, by the names of the states. */
export async function functionsOf(machine: Machine): Promise<ReadonlyMap<string, string>> {
  const stateMachineArn = await output(machine);
  const { definition = '' } = await stepFunctions.send(new DescribeStateMachineCommand({ stateMachineArn }));
  const { States } = JSON.parse(definition) as Definition;
  const tasks = Object.entries(States).flatMap(([name, { Resource = '' }]) =>
    Resource.includes(':lambda:') ? [[name, Resource] as const] : [],
  );
  return new Map(tasks);
}

/** The function of one state. */
export async function functionOf(machine: Machine, state: string): Promise<string> {
  const found = (await functionsOf(machine)).get(state);
  if (found === undefined) throw new Error(`${machine} has no function at ${state}.`);
  return found;
}
