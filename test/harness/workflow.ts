import { secretRotation } from '../../infra/constructs/secret-rotation.ts';
import { versionRetirement } from '../../infra/constructs/version-retirement.ts';
import { apply } from '../../shared/rotation/apply.ts';
import { audit } from '../../shared/rotation/audit.ts';
import { generate } from '../../shared/rotation/generate.ts';
import { notify } from '../../shared/rotation/notify.ts';
import { owed } from '../../shared/rotation/owed.ts';
import type { OwedInput, RetirementInput, RollBackInput, RotationInput } from '../../shared/rotation/payloads.ts';
import type { AlertingPorts, RolloutPorts, RotationPorts } from '../../shared/rotation/ports.ts';
import { retire } from '../../shared/rotation/retire.ts';
import { rollBack } from '../../shared/rotation/roll-back.ts';
import { test } from '../../shared/rotation/test.ts';
import { judgeBatch } from '../../shared/rollout/judge-batch.ts';
import type { BatchInput, ReleaseInput } from '../../shared/rollout/payloads.ts';
import { releaseBatch } from '../../shared/rollout/release-batch.ts';
import { interpret, type Run } from '../infra/support/interpreter.ts';
import type { Definition } from '../infra/support/resolve.ts';

export type WorkflowPorts = RotationPorts & AlertingPorts & Partial<Pick<RolloutPorts, 'taskTokens'>>;

export interface WorkflowOptions {
  /** The ports of one invocation of one function. */
  readonly invocation: () => WorkflowPorts;
  /** Before each task: throws to end the execution as an abort would, because every task then fails alike. */
  readonly beforeTask?: () => void;
  /** Told of each step before it runs, with what runs it once more. */
  readonly onStep?: (again: (ports: WorkflowPorts) => Promise<unknown>) => void;
  /** Step Functions' wait for a token: ends when the task is woken, throws `States.Timeout` when its time is over. */
  readonly waitForToken?: (token: string) => Promise<void>;
}

const functionArn = (name: string) => `arn:aws:lambda:us-east-1:000000000000:function:${name}`;
const versionRetirementArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:VersionRetirement';

/** Made once: the interpreter checks a definition when it first sees it, which takes longer than a run. */
const ROTATION = secretRotation({ functionArn, versionRetirementArn }) as unknown as Definition;
const RETIREMENT = versionRetirement({ functionArn }) as unknown as Definition;

/** The deployed definition of SecretRotation, interpreted, with the real steps in process. */
export async function runSecretRotation(
  input: RotationInput,
  {
    invocation,
    beforeTask = () => undefined,
    onStep = () => undefined,
    waitForToken = async () => undefined,
  }: WorkflowOptions,
): Promise<Run & { readonly retirements: readonly RetirementInput[] }> {
  const retirements: RetirementInput[] = [];
  const step =
    <Input, Answer>(run: (given: Input, ports: WorkflowPorts) => Promise<Answer>) =>
    async (given: Input): Promise<Answer> => {
      beforeTask();
      onStep((ports) => run(given, ports));
      return run(given, invocation());
    };
  const start = (given: { readonly Input: RetirementInput }) => {
    beforeTask();
    retirements.push(given.Input);
    return {};
  };
  const run = await interpret(ROTATION, input, {
    Generate: step<RotationInput, void>(generate),
    Test: step<RotationInput, void>(test),
    Audit: step<RotationInput, unknown>(audit),
    HandOver: async ({ Payload }: { readonly Payload: ReleaseInput }) => {
      beforeTask();
      const token = crypto.randomUUID();
      const release = (ports: WorkflowPorts) =>
        releaseBatch({ ...Payload, token }, { taskTokens: { succeed: async () => undefined }, ...ports });
      onStep(release);
      await release(invocation());
      await waitForToken(token);
    },
    JudgeBatch: step<BatchInput, void>((given, ports) => judgeBatch(given, ports)),
    Apply: step<RotationInput, unknown>(apply),
    Notify: step<RotationInput, unknown>(notify),
    RollBack: step<RollBackInput, unknown>(rollBack),
    NotifyOfRollBack: step<RotationInput, unknown>(notify),
    NotifyOfFailedRollBack: step<RotationInput, unknown>(notify),
    StartRetirement: start,
    StartOwedRetirement: start,
  });
  return { ...run, retirements };
}

export interface RetirementOptions extends Pick<WorkflowOptions, 'invocation' | 'onStep'> {
  /** Before each try; `false`: it is taken for retired, so that a test comes to its end. */
  readonly beforeRetire?: () => Promise<boolean>;
  /** In place of the wait after a try that threw this. */
  readonly onWait?: (error: Error) => void;
}

/** The deployed definition of VersionRetirement, likewise; its waits are over at once. */
export async function runVersionRetirement(
  input: RetirementInput,
  {
    invocation,
    onStep = () => undefined,
    beforeRetire = async () => true,
    onWait = () => undefined,
  }: RetirementOptions,
): Promise<Run> {
  return interpret(RETIREMENT, input, {
    Retire: async (given: RetirementInput) => {
      if (!(await beforeRetire())) return {};
      onStep((ports) => retire(given, ports));
      try {
        return await retire(given, invocation());
      } catch (error) {
        onWait(error as Error);
        throw error;
      }
    },
    Owed: async (given: OwedInput) => {
      onStep((ports) => owed(given, ports));
      return owed(given, invocation());
    },
  });
}
