import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/core';
import * as z from 'zod/mini';
import type { Clock } from '../../clock.ts';
import { AdminRefused, Misconfigured, type RekeyError, TransientFailure } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { appJwt } from './app-jwt.ts';
import type { App } from './app-key.ts';
import { type Asking, githubFault, isKeptOut, isLimited, type Refusal, refusalOf } from './github-faults.ts';
import type { Permissions } from './permissions.ts';

/** https://docs.github.com/rest/about-the-rest-api/api-versions: what the schemas below were written for. */
const headers = { 'x-github-api-version': '2022-11-28' };

const permissions = z.record(z.string(), z.string());
const installationSchema = z.object({
  permissions,
  repository_selection: z.optional(z.string()),
  suspended_at: z.optional(z.nullable(z.string())),
});
const createdSchema = z.object({
  token: z.string().check(z.minLength(1)),
  expires_at: z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)))),
  permissions: z.optional(permissions),
  repository_selection: z.optional(z.string()),
  repositories: z.optional(z.array(z.object({ name: z.string(), full_name: z.string() }))),
});
const repositoriesSchema = z.object({ total_count: z.number() });

export interface Installation {
  readonly permissions: Permissions;
  /** `all` or `selected`. */
  readonly repositories: string;
  readonly isSuspended: boolean;
}

export interface CreatedToken {
  readonly token: SecretText;
  readonly expiresAt: Date;
  /** Absent: GitHub did not say. */
  readonly permissions: Permissions | undefined;
  readonly repositories: readonly { readonly name: string; readonly full_name: string }[] | undefined;
}

/** What a token can reach. */
export interface Reach {
  /** `undefined`: it authenticates, but this list is not for it (a personal token; no permission on repositories). */
  readonly repositories: number | undefined;
}

/**
 * What Rekey asks GitHub for. Nothing is retried here, but a request that GitHub turned away because of this machine's
 * clock (by `@octokit/auth-app`): it had no effect.
 *
 * Of `auth-app` only the App's own authentication is used, with our JWT: its JWT takes the machine's clock and 30 s where
 * GitHub recommends 60, and what it does for installations hands one token to all who ask in the same hour.
 */
export class GitHubApi {
  readonly #baseUrl: string;
  readonly #place: string;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;

  constructor({
    baseUrl,
    clock,
    fetch,
  }: { readonly baseUrl: string; readonly clock: Clock; readonly fetch: typeof globalThis.fetch }) {
    this.#baseUrl = baseUrl;
    this.#place = new URL(baseUrl).host;
    this.#clock = clock;
    this.#fetch = fetch;
  }

  get place(): string {
    return this.#place;
  }

  async installation(app: App): Promise<Installation> {
    const { installationId } = app;
    const asking = this.#asking('reading the installation');
    const { data } = await this.#answered(
      asking,
      () =>
        this.#asApp(app).request('GET /app/installations/{installation_id}', {
          headers,
          installation_id: installationId,
        }),
      (refusal) => this.#refusedApp(refusal, app),
    );
    const found = readable(installationSchema, data, asking);
    return {
      permissions: found.permissions,
      repositories: found.repository_selection ?? 'all',
      isSuspended: typeof found.suspended_at === 'string',
    };
  }

  /** A new token every time. An answer that is lost leaves a token that nobody has. */
  async createToken(
    app: App,
    ask: { readonly repositories?: readonly string[]; readonly permissions?: Permissions },
  ): Promise<CreatedToken> {
    const asking = this.#asking('making a token');
    const { repositories, permissions } = ask;
    const { data } = await this.#answered(
      asking,
      () =>
        this.#asApp(app).request('POST /app/installations/{installation_id}/access_tokens', {
          headers,
          installation_id: app.installationId,
          ...(repositories === undefined ? {} : { repositories: [...repositories] }),
          ...(permissions === undefined ? {} : { permissions }),
        }),
      (refusal) => {
        if (refusal.status !== 422) return this.#refusedApp(refusal, app);
        return new Misconfigured(
          `${this.#place} makes no such token for installation ${app.installationId} (HTTP 422): a repository of provider does not exist or is not part of the installation, or a permission is not granted.`,
          { madeNothing: refusal.isOwn },
        );
      },
    );
    const made = readable(createdSchema, data, asking);
    return {
      token: new SecretText(made.token),
      expiresAt: new Date(made.expires_at),
      permissions: made.permissions,
      repositories: made.repositories,
    };
  }

  /** One request as the token's owner: `undefined` where GitHub does not take the token. */
  async reach(token: SecretText): Promise<Reach | undefined> {
    const asking = this.#asking('trying a token');
    try {
      const { data } = await this.#asToken(token).request('GET /installation/repositories', { headers, per_page: 1 });
      return { repositories: readable(repositoriesSchema, data, asking).total_count };
    } catch (error) {
      const refusal = refusalOf(error);
      if (isBadCredentials(refusal)) return undefined;
      if (refusal !== undefined && isKeptOut(refusal) && !isLimited(refusal)) return { repositories: undefined };
      throw refusal?.status === 404 ? this.#notTheApi() : githubFault(error, asking);
    }
  }

  /**
   * Ends the token, as itself: `revoked`, `refused` where GitHub does not take it, `not an installation token` where only
   * somebody else can end it.
   */
  async revoke(token: SecretText): Promise<'revoked' | 'refused' | 'not an installation token'> {
    try {
      await this.#asToken(token).request('DELETE /installation/token', { headers });
      return 'revoked';
    } catch (error) {
      const refusal = refusalOf(error);
      if (isBadCredentials(refusal)) return 'refused';
      if (refusal !== undefined && isKeptOut(refusal) && !isLimited(refusal)) return 'not an installation token';
      throw refusal?.status === 404 ? this.#notTheApi() : githubFault(error, this.#asking('revoking a token'));
    }
  }

  /**
   * Has GitHub revoke a token of a person's, as anybody may who has found one; its owner is told. Asked by nobody (a request
   * with a token is refused), the token in the body only. `accepted`: it is refused soon; else the status that says no.
   * https://docs.github.com/rest/credentials/revoke: an Enterprise Server (3.18 and later) wants a token of somebody's.
   */
  async revokePersonal(token: SecretText): Promise<'accepted' | number> {
    try {
      await new Octokit(this.#options()).request('POST /credentials/revoke', {
        headers,
        credentials: [token.reveal()],
      });
      return 'accepted';
    } catch (error) {
      const refusal = refusalOf(error);
      const isRefused = refusal !== undefined && refusal.status < 500 && refusal.status !== 408 && !isLimited(refusal);
      if (isRefused) return refusal.status;
      throw githubFault(error, this.#asking('asking for the revocation of a token'));
    }
  }

  #asApp({ appId, key }: App): Octokit {
    // With a difference, when GitHub has just said that the machine's clock is wrong: then its own time counts.
    const createJwt = async (_: unknown, differenceSeconds?: number) =>
      appJwt(
        { appId, key },
        differenceSeconds === undefined ? this.#clock.now() : new Date(Date.now() + differenceSeconds * 1000),
      );
    return new Octokit({ ...this.#options(), authStrategy: createAppAuth, auth: { appId, createJwt } });
  }

  #asToken(token: SecretText): Octokit {
    return new Octokit({ ...this.#options(), auth: token.reveal() });
  }

  #options() {
    const log = { debug: silent, info: silent, warn: silent, error: silent };
    return { baseUrl: this.#baseUrl, userAgent: 'rekey', log, request: { fetch: this.#fetch, log } };
  }

  #asking(doing: string): Asking {
    return { place: this.#place, doing, now: this.#clock.now() };
  }

  async #answered<Answer>(
    asking: Asking,
    ask: () => Promise<Answer>,
    meaning: (refusal: Refusal) => RekeyError | undefined,
  ): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      const refusal = refusalOf(error);
      const known = refusal === undefined || isLimited(refusal) ? undefined : meaning(refusal);
      throw known ?? githubFault(error, asking);
    }
  }

  #refusedApp({ status, isOwn }: Refusal, { appId, installationId }: App): RekeyError | undefined {
    const options = { madeNothing: isOwn };
    switch (status) {
      case 401:
        return new AdminRefused(
          `${this.#place} does not accept the private key for App ${appId} (or this machine's clock is wrong by more than it can tell).`,
          options,
        );
      case 403:
        if (!isOwn) return undefined;
        return new Misconfigured(
          `${this.#place} does not let App ${appId} act on installation ${installationId} (HTTP 403): is it suspended?`,
          options,
        );
      case 404:
        return new Misconfigured(
          `${this.#place} knows no App ${appId} with an installation ${installationId}.`,
          options,
        );
      default:
        return undefined;
    }
  }

  #notTheApi(): Misconfigured {
    return new Misconfigured(
      `${this.#place} is no GitHub API at this path (HTTP 404): on an Enterprise Server base_url ends with /api/v3.`,
    );
  }
}

/**
 * Only in GitHub's own words: a 401 of a proxy, or for a header that it has taken off ("Requires authentication"), says
 * nothing about the token.
 * https://docs.github.com/rest/authentication/authenticating-to-the-rest-api#failed-login-limit
 */
function isBadCredentials(refusal: Refusal | undefined): boolean {
  return refusal?.status === 401 && refusal.message === 'Bad credentials';
}

/** Whatever it holds, an answer that cannot be read is not repeated: it may hold a token. */
function readable<Schema extends z.ZodMiniType>(
  schema: Schema,
  data: unknown,
  { place, doing }: Asking,
): z.infer<Schema> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new TransientFailure(`${place} answered what cannot be read while ${doing}.`);
}

function silent(): void {
  // Octokit would write to the console.
}
