import {
  DescribeExecutionCommand,
  type ExecutionListItem,
  type HistoryEvent,
  paginateGetExecutionHistory,
  paginateListExecutions,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { eventually } from './eventually.ts';

export const stepFunctions = new SFNClient({});

export async function executionsOf(stateMachineArn: string): Promise<readonly ExecutionListItem[]> {
  const all: ExecutionListItem[] = [];
  for await (const { executions } of paginateListExecutions({ client: stepFunctions }, { stateMachineArn })) {
    all.push(...(executions ?? []));
  }
  return all;
}

export async function historyOf(executionArn: string): Promise<readonly HistoryEvent[]> {
  const all: HistoryEvent[] = [];
  for await (const { events } of paginateGetExecutionHistory({ client: stepFunctions }, { executionArn })) {
    all.push(...(events ?? []));
  }
  return all;
}

/** The states that an execution has entered, in order. */
export async function statesEntered(executionArn: string): Promise<readonly string[]> {
  return (await historyOf(executionArn)).flatMap(
    ({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name ?? [],
  );
}

/** Waits until an execution has ended, and answers how. */
export async function ended(executionArn: string): Promise<string> {
  return eventually(`the end of ${executionArn}`, async () => {
    const { status } = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }));
    return status === 'RUNNING' ? undefined : status;
  });
}

/** Starts an execution as EventBridge does: under a name of its own. */
export async function start(stateMachineArn: string, input: unknown): Promise<string> {
  const command = new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) });
  const { executionArn } = await stepFunctions.send(command);
  if (executionArn === undefined) throw new Error('Step Functions answered without an ARN.');
  return executionArn;
}
