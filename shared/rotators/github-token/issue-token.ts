import type { Clock } from '../../clock.ts';
import { CandidateUnproven, RekeyError, TransientFailure } from '../../errors.ts';
import type { Issuance, IssueInput, IssueReport, RotatorSettings } from '../rotator.ts';
import { parseApp } from './app-key.ts';
import type { CreatedToken, GitHubApi } from './github-api.ts';
import { type Narrowing, nameOf, readNarrowing } from './installation.ts';
import { LIFETIME_SECONDS } from './lifetime.ts';
import { describePermissions, differences } from './permissions.ts';
import { parseTokenSecret, withToken } from './token-secret.ts';

/** For clocks that differ, and the time between the journal and the request. */
const SLACK_SECONDS = 300;
/** Longer than a phase is tried again, so that there is a time at which no attempt's token lives any more. */
const ATTEMPTS_SECONDS = 1800;

/** When whatever was made under `issuance`, and got lost, has ended by itself. */
export function endOfLost({ since, attempts }: Issuance): Date {
  const seconds = LIFETIME_SECONDS + SLACK_SECONDS + (attempts > 1 ? ATTEMPTS_SECONDS : 0);
  return new Date(since.getTime() + seconds * 1000);
}

/**
 * Has GitHub make one token, narrowed as declared. One that is not what was asked for is revoked again. What earlier
 * attempts have left cannot be found, and ends by itself.
 */
export async function issueToken(input: IssueInput, github: GitHubApi, clock: Clock): Promise<IssueReport> {
  const { settings, admin, candidate, issuance } = input;
  if (clock.now().getTime() - issuance.since.getTime() > ATTEMPTS_SECONDS * 1000) {
    throw new TransientFailure('The first attempt at this token began too long ago: this rotation gives up.');
  }
  const app = parseApp(admin, settings);
  const incumbent = input.incumbent === undefined ? undefined : parseTokenSecret(input.incumbent, 'incumbent');
  const narrowing = await readNarrowing(github, app, settings);
  const { repositories, permissions } = narrowing;
  const made = await github.createToken(app, {
    ...(repositories === undefined ? {} : { repositories }),
    ...(permissions === undefined ? {} : { permissions }),
  });
  const fault = unlikeAsked(made, narrowing, settings);
  if (fault !== undefined) {
    throw new CandidateUnproven(
      `GitHub made a token that is not what was asked for, ${await discard(made, github)}: ${fault}.`,
    );
  }
  return {
    identity: candidate,
    value: withToken(incumbent, made.token, made.expiresAt),
    expiresAt: made.expiresAt,
    facts: {
      expires_at: made.expiresAt.toISOString(),
      permissions: made.permissions === undefined ? 'GitHub did not say' : describePermissions(made.permissions),
    },
  };
}

/** What became of a token that nobody is given; one that cannot be revoked now ends by itself, like one that got lost. */
async function discard({ token, expiresAt }: CreatedToken, github: GitHubApi): Promise<string> {
  try {
    await github.revoke(token);
    return 'so it was revoked';
  } catch (error) {
    if (!(error instanceof RekeyError)) throw error;
    return `and it ends by itself at ${expiresAt.toISOString()}, because it could not be revoked (${error.name})`;
  }
}

/** Permissions and repositories of the answer against the request. */
function unlikeAsked(made: CreatedToken, asked: Narrowing, { provider }: RotatorSettings): string | undefined {
  if (asked.permissions !== undefined && made.permissions !== undefined) {
    const differ = differences(asked.permissions, made.permissions);
    if (differ.length > 0)
      return `permissions differ (${describePermissions(Object.fromEntries(differ.map((name) => [name, made.permissions?.[name] ?? 'none'])))})`;
  }
  if (asked.repositories === undefined || made.repositories === undefined) return undefined;
  const given = made.repositories.map(({ full_name }) => full_name.toLowerCase());
  const isGiven = (declared: string) =>
    given.some((name) => (declared.includes('/') ? name : nameOf(name)) === declared.toLowerCase());
  if (given.length !== asked.repositories.length)
    return `it is for ${given.length} repositories, not ${asked.repositories.length}`;
  return (provider?.repositories ?? []).every(isGiven) ? undefined : 'it is for other repositories';
}
