import { CandidateUnproven, IncumbentRefused, Misconfigured, RekeyError } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { TestInput, TestReport } from '../rotator.ts';
import { type AccessKey, parseAccessKey } from './access-key-json.ts';
import { type Caller, callerOf, expectedCaller, isSameUser } from './caller.ts';
import { declaredUser, isUserArn } from './declared-user.ts';
import { pauseMilliseconds } from './health-checks.ts';
import type { IamContext } from './iam-context.ts';
import { Wait } from './wait.ts';

/** A user's keys differ in nothing but the key: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html */
const COMPARED = ['user', 'policies of the user'] as const;

/**
 * Asks STS whose the candidate is until enough answers in a row name the declared user; a refusal starts the count again.
 * Apart from each other, because a new key is known to one host of AWS before the other: the five of the default span 12 s
 * of the 30 s that there are.
 * Then the incumbent must be a key of the same user, by ARN and by id: so both can do the same.
 */
export async function preheatIam(input: TestInput, context: IamContext): Promise<TestReport> {
  const user = declaredUser(input.settings);
  const candidate = parseAccessKey(input.candidate, 'candidate');
  const { healthy, caller } = await healthyCaller(candidate, input, context);
  if (!isUserArn(caller.arn, user)) {
    throw new CandidateUnproven(`The candidate is a key of ${caller.arn}, not of IAM user "${user}".`);
  }
  if (input.incumbent === undefined) return { healthy, parity: [] };
  await assertSameUser(input.incumbent, caller, context);
  return { healthy, parity: COMPARED };
}

async function healthyCaller(
  candidate: AccessKey,
  { settings: { preheatSeconds, healthyThreshold } }: TestInput,
  { aws, clock }: IamContext,
): Promise<{ readonly healthy: number; readonly caller: Caller }> {
  const wait = new Wait(clock, preheatSeconds * 1000);
  const pause = pauseMilliseconds({ preheatSeconds, healthyThreshold });
  for (let healthy = 0; ; ) {
    const checked = await check(candidate, aws);
    healthy = checked.caller === undefined ? 0 : healthy + 1;
    if (checked.caller !== undefined && healthy >= healthyThreshold) return { healthy, caller: checked.caller };
    if (await wait.pause(pause)) continue;
    const reason = checked.reason ?? `${healthy} of ${healthyThreshold} checks in a row succeeded.`;
    throw new CandidateUnproven(
      `Access key ${candidate.id}, the candidate, was not healthy within ${preheatSeconds} s: ${reason}`,
      { cause: checked.cause },
    );
  }
}

interface Checked {
  readonly caller?: Caller;
  readonly reason?: string;
  readonly cause?: unknown;
}

async function check(candidate: AccessKey, aws: IamContext['aws']): Promise<Checked> {
  try {
    const caller = await callerOf(candidate, aws);
    return caller === 'refused' ? { reason: 'AWS refuses it.' } : { caller };
  } catch (error) {
    // Not a matter of time: a policy of the endpoint. Anything else may pass.
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, cause: error };
  }
}

async function assertSameUser(value: SecretText, candidate: Caller, { aws, clock }: IamContext): Promise<void> {
  const incumbent = parseAccessKey(value, 'incumbent');
  const caller = await expectedCaller(incumbent, aws, clock);
  if (caller === 'refused') throw new IncumbentRefused(`AWS refuses the incumbent, access key ${incumbent.id}.`);
  if (isSameUser(caller, candidate)) return;
  throw new CandidateUnproven(
    `The candidate is a key of ${candidate.arn}, the incumbent one of ${caller.arn}: their policies may differ.`,
  );
}
