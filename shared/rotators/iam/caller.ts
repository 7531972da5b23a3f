import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import type { Clock } from '../../clock.ts';
import { TransientFailure } from '../../errors.ts';
import type { AccessKey } from './access-key-json.ts';
import { type AwsClients, REPEATABLE } from './aws-clients.ts';
import { awsFailure, isRefusal } from './aws-failures.ts';
import { Wait } from './wait.ts';

/** Whom AWS takes the holder of a key for. */
export interface Caller {
  readonly arn: string;
  /** `AIDA…`: not the same for a user of the same name that was made anew. */
  readonly userId: string;
}

/** A user's id is its own for ever; its ARN says in which account, and changes with its name and path. */
export function isSameUser(one: Caller, other: Caller): boolean {
  return one.arn === other.arn && one.userId === other.userId;
}

/** A key that was made or used as the current one a moment ago is not refused for good before it was so long. */
const PATIENCE = { untilMilliseconds: 10_000, everyMilliseconds: 2_000 } as const;

/**
 * One login with a key. On a connection of its own, because each may come to another host, and a new or changed key is
 * known to one before the other. Needs no permission:
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
 */
export async function callerOf({ id, secret }: AccessKey, aws: AwsClients): Promise<Caller | 'refused'> {
  const client = aws.sts({ ...REPEATABLE, credentials: { accessKeyId: id, secretAccessKey: secret.reveal() } });
  try {
    const { Arn: arn, UserId: userId } = await client.send(new GetCallerIdentityCommand({}));
    if (arn === undefined || userId === undefined) throw new TransientFailure('STS did not say whose the key is.');
    return { arn, userId };
  } catch (error) {
    if (isRefusal(error)) return 'refused';
    throw awsFailure(error, 'asking STS whose a key is');
  } finally {
    client.destroy();
  }
}

/** As `callerOf`, of a key that ought to work: a refusal counts only when it stays. */
export async function expectedCaller(key: AccessKey, aws: AwsClients, clock: Clock): Promise<Caller | 'refused'> {
  const caller = await new Wait(clock, PATIENCE.untilMilliseconds).until(PATIENCE, async () => {
    const answer = await callerOf(key, aws);
    return answer === 'refused' ? undefined : answer;
  });
  return caller ?? 'refused';
}
