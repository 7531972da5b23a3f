import { type Clock, systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import { githubTokenRotator } from '../../shared/rotators/github-token/github-token-rotator.ts';
import type { IssuedRotator } from '../../shared/rotators/rotator.ts';
import { GitHubServer, type GitHubServerOptions, type Installed } from '../providers/github-server.ts';
import type { Accounted, Adopted, TargetHarness } from './target-harness.ts';

/** Long enough for whoever moves days of time between two rotations: what a token's own end does has tests of its own. */
const LONG_SECONDS = 365 * 86_400;
/** For the suites that all rotators share. */
export async function openGithubToken(): Promise<GitHubTokenHarness> {
  return GitHubTokenHarness.start({ lifetimeSeconds: LONG_SECONDS });
}

/** Every secret has an App of its own, installed at a server that keeps GitHub's published rules. */
export class GitHubTokenHarness implements TargetHarness {
  readonly type = 'github_token';
  readonly server: GitHubServer;
  readonly #installed = new Map<string, Installed>();

  private constructor(server: GitHubServer) {
    this.server = server;
  }

  static async start(options: GitHubServerOptions = {}): Promise<GitHubTokenHarness> {
    return new GitHubTokenHarness(await GitHubServer.start(options));
  }

  installed(name: string): Installed {
    const found = this.#installed.get(name);
    if (found === undefined) throw new Error('not adopted');
    return found;
  }

  async adopt(name: string, incumbent?: (installed: Installed) => string): Promise<Adopted> {
    const installed = this.server.install();
    this.#installed.set(name, installed);
    const { appId, installationId, privateKey } = installed;
    const value = incumbent?.(installed) ?? JSON.stringify({ token: this.server.mint(installationId), team: 'data' });
    return {
      name,
      declared: { provider: { appId, installationId, baseUrl: this.server.baseUrl } },
      incumbent: new SecretText(value),
      admin: new SecretText(privateKey),
    };
  }

  /** The server's time is that of the last rotator that was asked for: JWTs and tokens are judged by it. */
  rotator(clock: Clock = systemClock, answerMilliseconds?: number): IssuedRotator {
    this.server.clock = clock;
    return githubTokenRotator({ clock, ...(answerMilliseconds === undefined ? {} : { answerMilliseconds }) });
  }

  async state({ name }: Adopted): Promise<string> {
    const { installationId } = this.installed(name);
    const { permissions, repositories, suspendedAt } = this.server.installation(installationId);
    return JSON.stringify({
      permissions,
      repositories,
      suspendedAt,
      tokens: this.server.tokens(installationId).length,
    });
  }

  /** A token whose answer was lost is nobody's: it has never been used, and ends by itself. */
  async unaccounted({ name }: Adopted, accounted: readonly Accounted[]): Promise<readonly string[]> {
    const known = accounted.flatMap(({ value }) => (value === undefined ? [] : [tokenOf(value)]));
    const { installationId } = this.installed(name);
    const unknown = this.server.tokens(installationId).filter(({ value, isUsed }) => isUsed && !known.includes(value));
    return unknown.map((_, index) => `token ${index + 1} of installation ${installationId}`);
  }

  async use(value: SecretText): Promise<void> {
    const headers = { authorization: `Bearer ${tokenOf(value)}` };
    const { status } = await fetch(`${this.server.baseUrl}/rate_limit`, { headers });
    if (status !== 200) throw new Error(`HTTP ${status}`);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export function tokenOf(value: SecretText): string {
  const text = value.reveal();
  return text.startsWith('{') ? (JSON.parse(text) as { token: string }).token : text;
}
