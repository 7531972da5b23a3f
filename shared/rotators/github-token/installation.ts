import { Misconfigured } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { App } from './app-key.ts';
import type { GitHubApi } from './github-api.ts';
import { describePermissions, leftOut, narrow, parsePermissions, type Permissions } from './permissions.ts';

/** Permissions on an organization, an enterprise or an account: https://docs.github.com/rest/apps/apps ("App Permissions"). */
const NOT_OF_REPOSITORIES =
  /^(?:organization_\w+|enterprise_\w+|members|team_discussions|custom_properties_for_organizations|email_addresses|followers|git_ssh_keys|gpg_keys|interaction_limits|profile|starring)$/;

/** What a secret's tokens are to be, as far as it is declared. */
export interface Narrowing {
  /** Names, without their owner; `undefined`: all that the installation has. */
  readonly repositories: readonly string[] | undefined;
  readonly permissions: Permissions | undefined;
  /** Whether what they have is for repositories. GitHub lists no repositories (403) to a token for which it is not. */
  readonly isForRepositories: boolean;
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * Reads the installation and what the secret's tokens may be narrowed to. Throws `Misconfigured` where the installation
 * is suspended, or does not grant what is declared.
 */
export async function readNarrowing(github: GitHubApi, app: App, settings: RotatorSettings): Promise<Narrowing> {
  const { scope, permissions: words = [], provider } = settings;
  const repositories = repositoriesOf(provider?.repositories);
  const asked = parsePermissions(words);
  const installation = await github.installation(app);
  if (installation.isSuspended) {
    throw new Misconfigured(
      `Installation ${app.installationId} of App ${app.appId} is suspended: unsuspend it in GitHub's settings.`,
    );
  }
  const permissions = asked.length === 0 ? undefined : narrow(asked, installation.permissions);
  const omitted = leftOut(asked, installation.permissions);
  return {
    repositories,
    permissions,
    isForRepositories: Object.keys(permissions ?? installation.permissions).some(
      (name) => !NOT_OF_REPOSITORIES.test(name),
    ),
    facts: {
      api: github.place,
      installation: String(app.installationId),
      permissions:
        permissions === undefined
          ? 'all that the installation has: none are declared'
          : describePermissions(permissions),
      ...(omitted.length === 0 ? {} : { permissions_left_out: `${omitted.join(', ')}: exist as write only` }),
      repositories: repositories?.join(', ') ?? `all that the installation has (${installation.repositories})`,
      ...scopeFacts(scope, repositories),
    },
  };
}

/** The names that GitHub's request takes: it knows the owner. */
export function nameOf(repository: string): string {
  return repository.slice(repository.lastIndexOf('/') + 1);
}

function repositoriesOf(declared: readonly string[] | undefined): readonly string[] | undefined {
  if (declared === undefined) return undefined;
  const names = [...new Set(declared.map(nameOf))];
  if (names.length === 0)
    throw new Misconfigured('repositories of the provider is empty: leave it out for all of them.');
  return names;
}

/** What became of `scope`, whose words GitHub does not know. */
function scopeFacts(
  scope: string | undefined,
  repositories: readonly string[] | undefined,
): Readonly<Record<string, string>> {
  if (scope === undefined) return {};
  if (!/^repo(?:s|sitor(?:y|ies))?:all$/i.test(scope.trim())) {
    return { scope: 'narrows nothing at GitHub: repositories and permissions do' };
  }
  return repositories === undefined
    ? {}
    : { scope: 'says all repositories; those of the provider are fewer, and count' };
}
