import { Misconfigured } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';

/** A user's name, behind its path where it has one: as in its ARN, after `user/`. No wildcard of policies. */
const USER = /^(?:[\w+=,.@-]+\/)*([\w+=,.@-]{1,64})$/;

/** The name of the IAM user whose keys rotate. The path that may stand before it is for the permissions only. */
export function declaredUser({ secretId, provider }: RotatorSettings): string {
  const declared = provider?.user;
  if (declared === undefined) {
    throw new Misconfigured(
      `The secret "${secretId}" must name its IAM user (provider: { user: … }): Rekey's permissions are granted for it.`,
    );
  }
  const name = USER.exec(declared)?.[1];
  if (name === undefined) throw new Misconfigured(`provider.user of "${secretId}" is not the name of an IAM user.`);
  return name;
}

/** Whether `arn` is that of the user of this name, whatever its path: names are unique in an account without it. */
export function isUserArn(arn: string, name: string): boolean {
  return /^arn:[\w-]+:iam::\d{12}:user\//.test(arn) && arn.slice(arn.lastIndexOf('/') + 1) === name;
}
