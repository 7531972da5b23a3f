import type { Clock } from '../../clock.ts';
import { OrphanInDoubt, TargetUnreachable, Throttled } from '../../errors.ts';
import type { IssuedRotator } from '../rotator.ts';
import { parseAccessKey } from './access-key-json.ts';
import { AWS_CLIENTS, type AwsClients } from './aws-clients.ts';
import { callerOf } from './caller.ts';
import type { IamContext } from './iam-context.ts';
import { issueIam } from './issue.ts';
import { preflightIam } from './preflight.ts';
import { preheatIam } from './preheat.ts';
import { retireIam } from './retire.ts';

export interface IamDependencies {
  readonly clock: Clock;
  /** Default: the SDK's own, by the environment. */
  readonly aws?: AwsClients;
}

/** CreateAccessKey is answered by these only where it was refused, or not sent (`UserKeys.create`). */
const MADE_NOTHING: ReadonlySet<string> = new Set([
  OrphanInDoubt.errorName,
  TargetUnreachable.errorName,
  Throttled.errorName,
]);

/**
 * Rotates the access keys of one IAM user: a second key is made, and the first is disabled, proved dead and deleted after
 * the switch. IAM is eventually consistent, so what is refused or accepted counts when it stays so.
 */
export function iamRotator({ clock, aws = AWS_CLIENTS }: IamDependencies): IssuedRotator {
  const context: IamContext = { clock, aws };
  return {
    type: 'iam',
    kind: 'issued',
    overlap: true,
    comparesWith: 'values',
    madeNothing: MADE_NOTHING,
    preflight: (input) => preflightIam(input, context),
    issue: (input) => issueIam(input, context),
    test: (input) => preheatIam(input, context),
    probe: async (value) => {
      const caller = await callerOf(parseAccessKey(value, 'probed credential'), aws);
      return caller === 'refused' ? 'refused' : 'accepted';
    },
    // Every client ends with the call that made it.
    release: async () => undefined,
    retire: (input) => retireIam(input, context),
  };
}
