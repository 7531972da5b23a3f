import { CommandFailure, EXIT_CODE } from './exit-code.ts';

/** What `--timeout` says, in milliseconds. Throws a CommandFailure where it is not a number of seconds above 0. */
export function timeoutMilliseconds({ timeout }: { readonly timeout: string }): number {
  const seconds = Number(timeout);
  if (!(seconds > 0)) throw new CommandFailure('--timeout takes a number of seconds.', EXIT_CODE.usage);
  return seconds * 1000;
}
