import { Aws } from 'aws-cdk-lib';
import type { RetryPolicy } from '../retry-policies.ts';

/** A state in Amazon States Language, JSONPath dialect (https://states-language.net/spec.html). */
export type State = { readonly Type: string } & Readonly<Record<string, unknown>>;

/** A state machine as plain data, so that what is read here is what is deployed and what an interpreter runs. */
export interface StateMachineDefinition {
  readonly Comment: string;
  readonly StartAt: string;
  readonly TimeoutSeconds: number;
  readonly States: Readonly<Record<string, State>>;
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly ResultPath?: string | null;
  readonly Next: string;
}

/** What a task adds to its function's own timeout: invoking, and a cold start. */
const TASK_MARGIN_SECONDS = 10;
const START_EXECUTION_TIMEOUT_SECONDS = 30;

export interface FunctionTask {
  readonly functionArn: string;
  readonly functionTimeoutSeconds: number;
  readonly retry: RetryPolicy | readonly RetryPolicy[];
  /** The function's event; the state's whole input when absent. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Where the answer goes; `null` drops it, absent it replaces the state's input. */
  readonly resultPath?: string | null;
  readonly catch?: readonly Catcher[];
  readonly next?: string;
}

/** Invokes a function; its answer is the result. An error's name is the thrown error's. */
export function functionTask(task: FunctionTask): State {
  return {
    Type: 'Task',
    Resource: task.functionArn,
    TimeoutSeconds: task.functionTimeoutSeconds + TASK_MARGIN_SECONDS,
    ...(task.parameters === undefined ? {} : { Parameters: task.parameters }),
    ...(task.resultPath === undefined ? {} : { ResultPath: task.resultPath }),
    Retry: [task.retry].flat(),
    ...(task.catch === undefined ? {} : { Catch: task.catch }),
    ...nextOrEnd(task.next),
  };
}

export interface TokenTask extends Pick<FunctionTask, 'functionArn' | 'retry' | 'catch' | 'next'> {
  /** The function's event; holds `$$.Task.Token`. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** How long the task waits for its token, in seconds. */
  readonly timeoutSecondsPath: string;
}

/** Invokes a function and waits until somebody answers to its token, without asking again and again. The answer is dropped. */
export function tokenTask(task: TokenTask): State {
  return {
    Type: 'Task',
    Resource: `arn:${Aws.PARTITION}:states:::lambda:invoke.waitForTaskToken`,
    TimeoutSecondsPath: task.timeoutSecondsPath,
    Parameters: { FunctionName: task.functionArn, Payload: task.parameters },
    ResultPath: null,
    Retry: [task.retry].flat(),
    ...(task.catch === undefined ? {} : { Catch: task.catch }),
    ...nextOrEnd(task.next),
  };
}

export interface StartExecutionTask {
  readonly stateMachineArn: string;
  /** JSONPaths. */
  readonly name: string;
  readonly input: string;
  readonly retry: RetryPolicy;
  readonly catch: readonly Catcher[];
  readonly next?: string;
}

/** Starts an execution and does not wait for it. The name makes starting it twice one run. */
export function startExecutionTask(task: StartExecutionTask): State {
  return {
    Type: 'Task',
    Resource: `arn:${Aws.PARTITION}:states:::states:startExecution`,
    TimeoutSeconds: START_EXECUTION_TIMEOUT_SECONDS,
    Parameters: { StateMachineArn: task.stateMachineArn, 'Name.$': task.name, 'Input.$': task.input },
    ResultPath: null,
    Retry: [task.retry],
    Catch: task.catch,
    ...nextOrEnd(task.next),
  };
}

function nextOrEnd(next: string | undefined): Readonly<Record<string, unknown>> {
  return next === undefined ? { End: true } : { Next: next };
}
