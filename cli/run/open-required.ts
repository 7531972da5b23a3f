import { SecretUnavailable } from '../../client/errors.ts';
import { RekeyError, Throttled, TransientFailure } from '../../shared/errors.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { FollowedSecrets, FollowOptions, OpenFollowed } from './followed-secrets.ts';

export interface Opened {
  readonly secrets: FollowedSecrets;
  /** Why those that were not opened were left out; one sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * Reads the first values of all secrets. Where some cannot be read: without them if `requireAll` is false and any is
 * left, else a CommandFailure (exit code 3) that names each with its reason.
 */
export async function openRequired(
  names: readonly string[],
  { requireAll, open, ...options }: FollowOptions & { readonly requireAll: boolean; readonly open: OpenFollowed },
): Promise<Opened> {
  try {
    return { secrets: await open(names, options), leftOut: [] };
  } catch (error) {
    if (!isAboutOneSecret(error) || names.length === 1) throw failure([explain(error, names, options)], error);
    const reasons = await reasonsOf(names, options, open);
    const readable = names.filter((name) => !reasons.has(name));
    if (requireAll || readable.length === 0 || reasons.size === 0) {
      throw failure(reasons.size === 0 ? [explain(error, names, options)] : [...reasons.values()], error);
    }
    return { secrets: await open(readable, options), leftOut: [...reasons.values()] };
  }
}

/** The client opens all or none and reports the first; people want to hear of each. */
async function reasonsOf(
  names: readonly string[],
  options: FollowOptions,
  open: OpenFollowed,
): Promise<ReadonlyMap<string, string>> {
  const reasons = new Map<string, string>();
  for (const name of names) {
    try {
      await (await open([name], options)).close();
    } catch (error) {
      reasons.set(name, explain(error, [name], options));
    }
  }
  return reasons;
}

function failure(sentences: readonly string[], cause: unknown): CommandFailure {
  return new CommandFailure(sentences.join(' '), EXIT_CODE.environment, { cause });
}

function isAboutOneSecret(error: unknown): boolean {
  return error instanceof SecretUnavailable || nameOf(error) === 'AccessDeniedException';
}

/** Never quotes the error's message unless Rekey wrote it: AWS's may quote what was sent. */
function explain(error: unknown, names: readonly string[], { environment }: FollowOptions): string {
  const which = names.map((name) => `"${name}"`).join(', ');
  const name = nameOf(error);
  if (error instanceof TransientFailure || error instanceof Throttled) {
    return `${error.safeMessage} The first values of ${which} could not be read; is the endpoint reachable from here?`;
  }
  if (error instanceof RekeyError) return error.safeMessage;
  if (name === 'AccessDeniedException') {
    return `This identity may not follow ${which}: it lacks rights on the table of consumers (AccessDeniedException).`;
  }
  if (name === 'ResourceNotFoundException') {
    return `There is no table of consumers for the environment "${environment}" here, so ${which} cannot be followed: deploy it, or name another with --environment.`;
  }
  if (name.includes('Credentials') || name.includes('Token')) {
    return `No valid AWS credentials were found (${name}), so ${which} cannot be read. For the local cloud: eval "$(npx rekey local env)".`;
  }
  if (error instanceof Error && error.message.includes('Region is missing')) {
    return `No AWS region is set, so ${which} cannot be read: set AWS_REGION.`;
  }
  return `The first values of ${which} could not be read (${name}).`;
}

function nameOf(error: unknown): string {
  return error instanceof Error && /^[\w.]{1,80}$/.test(error.name) ? error.name : 'unnamed error';
}
