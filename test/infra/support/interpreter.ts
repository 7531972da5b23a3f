import { StateMachine } from 'aws-local-stepfunctions';
import { setImmediate } from 'node:timers/promises';
import { type Definition, tasksOf } from './resolve.ts';

type Handler = (input: never) => unknown;

export interface Run {
  /** Tasks in the order they ran, retries too, as `State`. */
  readonly tasks: readonly string[];
  /** What each task was given, by state. */
  readonly inputs: ReadonlyMap<string, readonly unknown[]>;
  readonly outcome:
    | { readonly status: 'succeeded'; readonly output: unknown }
    | { readonly status: 'failed'; readonly error: string };
}

/** What a handler throws so that Step Functions sees `name`. */
export function fault(name: string): Error {
  return Object.assign(new Error(`${name} on purpose`), { name });
}

/**
 * Runs a synthesised definition in an interpreter of Amazon States Language, tasks in process, waits and retry pauses
 * of no length. A task without a handler fails the run: nothing happens that a test did not expect. The handler of a task
 * that waits for its token stands for the function and for whoever answers to the token.
 */
export async function interpret(
  definition: Definition,
  input: object,
  handlers: Readonly<Record<string, Handler>>,
): Promise<Run> {
  const tasks: string[] = [];
  const inputs = new Map<string, unknown[]>();
  let hasMapFailed = false;
  const names = tasksOf(definition.States).map(([name]) => name);
  const taskResourceLocalHandlers = Object.fromEntries(
    names.map((name) => [
      name,
      async (given: unknown) => {
        if (!(name in definition.States)) {
          // Step Functions begins no iteration after one has failed, and stops those that run. The interpreter begins all.
          await setImmediate();
          if (hasMapFailed) throw fault('MapHasFailed');
        }
        tasks.push(name);
        inputs.set(name, [...(inputs.get(name) ?? []), given]);
        const handler = handlers[name];
        if (handler === undefined) throw fault('UnexpectedTask');
        return ((await handler(given as never)) ?? null) as never;
      },
    ]),
  );
  const waits = Object.entries(definition.States).filter(([, { Type }]) => Type === 'Wait');
  const machine = machineOf(definition);
  const run = machine.run(input as never, {
    // The interpreter makes no tokens; whoever plays the task that waits for one brings its own.
    context: { Task: { Token: 'token' } },
    overrides: {
      taskResourceLocalHandlers,
      waitTimeOverrides: Object.fromEntries(waits.map(([name]) => [name, 0])),
      retryIntervalOverrides: Object.fromEntries(names.map((name) => [name, 0])),
    },
  });
  const watching = (async () => {
    for await (const { type } of run.eventLogs) hasMapFailed ||= type === 'MapIterationFailed';
  })();
  try {
    return { tasks, inputs, outcome: { status: 'succeeded', output: await run.result } };
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return { tasks, inputs, outcome: { status: 'failed', error: cause?.name ?? (error as Error).name } };
  } finally {
    await watching;
  }
}

/** Checked once: that takes longer than a run. */
const machines = new WeakMap<Definition, StateMachine>();

function machineOf(definition: Definition): StateMachine {
  const known = machines.get(definition);
  if (known !== undefined) return known;
  // The interpreter counts a machine's timeout in a 32-bit timer; the snapshot has it.
  const { TimeoutSeconds: _, ...timed } = definition;
  // AWS takes a task's TimeoutSecondsPath from the state's input; the interpreter looks for it in its Parameters.
  const untimed = JSON.parse(
    JSON.stringify(timed, (key, value: unknown) => (key === 'TimeoutSecondsPath' ? undefined : value)),
  );
  const machine = new StateMachine(untimed as never, { validationOptions: { checkArn: false } });
  machines.set(definition, machine);
  return machine;
}
