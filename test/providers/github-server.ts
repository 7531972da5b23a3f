import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { type Answer, type Asked, bearerOf, ProviderServer, type TlsIdentity } from './provider-server.ts';

const DOCUMENTATION = 'https://docs.github.com/rest';
/** Of the API: any other is answered with 400. */
const VERSION = '2022-11-28';
const LIFETIME_SECONDS = 3600;
const MOST_JWT_SECONDS = 600;
const MOST_CREDENTIALS = 1000;

export type Permissions = Readonly<Record<string, string>>;

export interface Installed {
  readonly appId: number;
  readonly installationId: number;
  readonly privateKey: string;
}

interface Installation {
  readonly id: number;
  readonly appId: number;
  readonly account: string;
  permissions: Permissions;
  repositories: readonly string[];
  selection: 'all' | 'selected';
  suspendedAt: Date | undefined;
}

interface Token {
  readonly value: string;
  /** Absent: a person's. */
  readonly installationId?: number;
  readonly permissions: Permissions;
  readonly repositories: readonly string[];
  readonly worksFrom: number;
  endsAt: number;
  /** Presented to an endpoint that took it. */
  isUsed: boolean;
}

export interface GitHubServerOptions {
  readonly clock?: Clock;
  readonly tls?: TlsIdentity;
  readonly lifetimeSeconds?: number;
  /** How long a new token is not known everywhere yet, and a revoked one still is. */
  readonly newSeconds?: number;
  readonly revokedSeconds?: number;
  /** Who may hand in tokens of others: on github.com anybody, on an Enterprise Server somebody, before 3.18 nobody. */
  readonly revocation?: 'anybody' | 'somebody' | 'nobody';
  /** `stateless`: the long form that GitHub has handed out since April 2026. */
  readonly form?: 'opaque' | 'stateless';
}

/** One key pair for all Apps of a process: a pair takes a tenth of a second. */
let keys: { readonly publicKey: KeyObject; readonly privateKey: string } | undefined;

/**
 * GitHub Apps as the REST API of GitHub describes them, under `/api/v3` as on an Enterprise Server: the App's JWT with
 * its rules of time, installations, tokens that are told once, end by themselves and revoke themselves, personal tokens.
 */
export class GitHubServer extends ProviderServer {
  readonly options: GitHubServerOptions;
  /** Requests left until GitHub says that there were too many. GitHub counts by installation and hour; tests say when. */
  remaining = Number.POSITIVE_INFINITY;
  /** Failed logins left until GitHub lets nobody in for a while, as its failed-login limit does. Tests say when, and for how long. */
  failedLoginsLeft = Number.POSITIVE_INFINITY;
  readonly #apps = new Map<number, KeyObject>();
  readonly #installations = new Map<number, Installation>();
  readonly #tokens = new Map<string, Token>();
  #lastId = 1000;

  private constructor(options: GitHubServerOptions) {
    super(options.clock ?? systemClock, options.tls);
    this.options = options;
  }

  static async start(options: GitHubServerOptions = {}): Promise<GitHubServer> {
    return new GitHubServer(options).listen();
  }

  get baseUrl(): string {
    return `${this.origin}/api/v3`;
  }

  /** An App of its own, installed with these rights. */
  install(installation: Partial<Pick<Installation, 'permissions' | 'repositories' | 'selection'>> = {}): Installed {
    keys ??= newKeys();
    const appId = this.#nextId();
    const id = this.#nextId();
    this.#apps.set(appId, keys.publicKey);
    this.#installations.set(id, {
      id,
      appId,
      account: 'octo-org',
      permissions: { metadata: 'read', contents: 'write', issues: 'write', repository_hooks: 'write' },
      repositories: ['one', 'two', 'three'],
      selection: 'all',
      suspendedAt: undefined,
      ...installation,
    });
    return { appId, installationId: id, privateKey: keys.privateKey };
  }

  installation(id: number): Installation {
    const found = this.#installations.get(id);
    if (found === undefined) throw new Error('no such installation');
    return found;
  }

  /** A token that somebody made by hand, with the rights of the installation or narrower. */
  mint(installationId: number, narrowed: Partial<Pick<Token, 'permissions' | 'repositories'>> = {}): string {
    const { permissions, repositories } = this.installation(installationId);
    return this.#make({ installationId, permissions, repositories, ...narrowed }).value;
  }

  /** A personal access token. */
  mintPersonal(prefix = 'ghp_'): string {
    const value = `${prefix}${randomBytes(18).toString('hex')}`;
    const endsAt = Number.POSITIVE_INFINITY;
    this.#tokens.set(value, { value, permissions: {}, repositories: [], worksFrom: 0, endsAt, isUsed: false });
    return value;
  }

  /** Ends a token as its hour, or its owner, does. */
  end(value: string): void {
    const token = this.#tokens.get(value);
    if (token !== undefined) token.endsAt = 0;
  }

  isAlive(value: string): boolean {
    return this.#living(value) !== undefined;
  }

  /** Living tokens of an installation, and whether anybody has ever used each. */
  tokens(installationId: number): readonly { readonly value: string; readonly isUsed: boolean }[] {
    return [...this.#tokens.values()].filter(
      (token) => token.installationId === installationId && this.isAlive(token.value),
    );
  }

  protected override answer(asked: Asked): Answer {
    if (this.remaining <= 0) return this.#dressed(refusal(403, 'API rate limit exceeded for installation ID 1.'));
    this.remaining -= 1;
    return this.#dressed(this.#route(asked));
  }

  #route(asked: Asked): Answer {
    const path = asked.path.replace(/^\/api\/v3/, '');
    if (path === asked.path) return { status: 404, body: 'Not Found', headers: { 'content-type': 'text/html' } };
    const version = asked.headers['x-github-api-version'];
    if (version !== undefined && version !== VERSION) return refusal(400, 'This API version is not supported.');
    const [, id, rest] = /^\/app\/installations\/(\d+)(\/access_tokens)?$/.exec(path) ?? [];
    if (id !== undefined && rest === undefined && asked.method === 'GET')
      return this.#getInstallation(asked, Number(id));
    if (id !== undefined && rest !== undefined && asked.method === 'POST') return this.#createToken(asked, Number(id));
    const route = `${asked.method} ${path}`;
    if (route === 'GET /installation/repositories') return this.#listRepositories(asked);
    if (route === 'DELETE /installation/token') return this.#revoke(asked);
    if (route === 'POST /credentials/revoke') return this.#revokeFound(asked);
    if (route === 'GET /rate_limit') return this.#asToken(asked, () => ({ status: 200, body: { resources: {} } }));
    return refusal(404, 'Not Found');
  }

  #getInstallation(asked: Asked, id: number): Answer {
    return this.#asApp(asked, id, ({ appId, account, permissions, selection, suspendedAt }) => ({
      status: 200,
      body: {
        id,
        account: { login: account },
        app_id: appId,
        repository_selection: selection,
        permissions,
        suspended_at: suspendedAt?.toISOString() ?? null,
      },
    }));
  }

  #createToken(asked: Asked, id: number): Answer {
    return this.#asApp(asked, id, (installation) => {
      if (installation.suspendedAt !== undefined) return refusal(403, 'This installation has been suspended');
      const { repositories, permissions } = (asked.body ?? {}) as {
        repositories?: string[];
        permissions?: Permissions;
      };
      if (repositories?.some((name) => !installation.repositories.includes(name)) === true) {
        return refusal(
          422,
          'There is at least one repository that does not exist or is not accessible to the parent installation.',
        );
      }
      const asked422 = permissions === undefined ? undefined : refusePermissions(permissions, installation.permissions);
      if (asked422 !== undefined) return asked422;
      const token = this.#make({
        installationId: id,
        permissions: permissions === undefined ? installation.permissions : withMetadata(permissions),
        repositories: repositories ?? installation.repositories,
      });
      const selection = repositories === undefined ? installation.selection : 'selected';
      return {
        status: 201,
        body: {
          token: token.value,
          expires_at: new Date(token.endsAt).toISOString().replace('.000', ''),
          permissions: token.permissions,
          repository_selection: selection,
          ...(repositories === undefined
            ? {}
            : { repositories: token.repositories.map((name, index) => repository(installation.account, name, index)) }),
        },
      };
    });
  }

  #listRepositories(asked: Asked): Answer {
    return this.#asToken(asked, (token) => {
      if (token.installationId === undefined) {
        return refusal(
          403,
          'You must authenticate with an installation access token in order to list repositories for an installation.',
        );
      }
      const { account, suspendedAt } = this.installation(token.installationId);
      if (suspendedAt !== undefined) return refusal(403, 'This installation has been suspended');
      // Comes with every permission on repositories.
      if (token.permissions['metadata'] === undefined) return refusal(403, 'Resource not accessible by integration');
      const size = Number(asked.query.get('per_page') ?? 30);
      const listed = token.repositories.slice(0, size).map((name, index) => repository(account, name, index));
      return { status: 200, body: { total_count: token.repositories.length, repositories: listed } };
    });
  }

  #revoke(asked: Asked): Answer {
    return this.#asToken(asked, (token) => {
      if (token.installationId === undefined) {
        return refusal(403, 'You must authenticate with an installation access token in order to revoke it.');
      }
      token.endsAt = this.#now + (this.options.revokedSeconds ?? 0) * 1000;
      return { status: 204 };
    });
  }

  /** https://docs.github.com/rest/credentials/revoke */
  #revokeFound({ headers, body }: Asked): Answer {
    const { revocation = 'anybody' } = this.options;
    if (revocation === 'nobody') return refusal(404, 'Not Found');
    if (revocation === 'somebody') return refusal(401, 'Requires authentication');
    if (headers.authorization !== undefined) return refusal(403, 'Authenticated requests are not allowed.');
    const { credentials, ...more } = (body ?? {}) as { credentials?: unknown };
    const isTaken = (value: unknown) =>
      typeof value === 'string' && /^(?:gh[opru]_\w{36,}|github_pat_\w{36,})$/.test(value);
    const isList = Array.isArray(credentials) && credentials.length > 0 && credentials.length <= MOST_CREDENTIALS;
    if (!isList || Object.keys(more).length > 0 || !credentials.every(isTaken))
      return refusal(422, 'Validation Failed');
    for (const value of credentials as readonly string[]) {
      const token = this.#tokens.get(value);
      if (token !== undefined) token.endsAt = this.#now + (this.options.revokedSeconds ?? 0) * 1000;
    }
    return { status: 202, body: {} };
  }

  /** https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app */
  #asApp(asked: Asked, installationId: number, answer: (installation: Installation) => Answer): Answer {
    const [header = '', payload = '', signature = '', ...more] = bearerOf(asked)?.split('.') ?? [];
    const { alg } = decoded(header);
    const { iat, exp, iss } = decoded(payload);
    if (more.length > 0 || alg !== 'RS256') return refusal(401, 'A JSON web token could not be decoded');
    const publicKey = this.#apps.get(Number(iss));
    if (publicKey === undefined) return refusal(404, 'Integration not found');
    const isSigned = verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      publicKey,
      Buffer.from(signature, 'base64url'),
    );
    if (!isSigned) return refusal(401, 'A JSON web token could not be decoded');
    const now = this.#now / 1000;
    if (typeof exp !== 'number' || exp <= now) {
      return refusal(
        401,
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
      );
    }
    if (exp > now + MOST_JWT_SECONDS) return refusal(401, "'Expiration time' claim ('exp') is too far in the future");
    if (typeof iat !== 'number' || !Number.isInteger(iat) || iat > now) {
      return refusal(
        401,
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
      );
    }
    const installation = this.#installations.get(installationId);
    return installation?.appId === Number(iss) ? answer(installation) : refusal(404, 'Not Found');
  }

  #asToken(asked: Asked, answer: (token: Token) => Answer): Answer {
    const bearer = bearerOf(asked);
    if (bearer === undefined) return refusal(401, 'Requires authentication');
    // https://docs.github.com/rest/authentication/authenticating-to-the-rest-api#failed-login-limit
    if (this.failedLoginsLeft <= 0)
      return refusal(403, 'Maximum number of login attempts exceeded. Please try again later.');
    const token = this.#living(bearer);
    if (token === undefined) this.failedLoginsLeft -= 1;
    if (token === undefined) return refusal(401, 'Bad credentials');
    token.isUsed = true;
    return answer(token);
  }

  #living(value: string): Token | undefined {
    const token = this.#tokens.get(value);
    return token !== undefined && token.worksFrom <= this.#now && this.#now < token.endsAt ? token : undefined;
  }

  #make(token: Required<Pick<Token, 'installationId' | 'permissions' | 'repositories'>>): Token {
    const { form = 'opaque', lifetimeSeconds = LIFETIME_SECONDS, newSeconds = 0 } = this.options;
    const { appId } = this.installation(token.installationId);
    const value = form === 'opaque' ? `ghs_${randomBytes(18).toString('hex')}` : `ghs_${appId}_${statelessPart()}`;
    const now = Math.floor(this.#now / 1000) * 1000;
    const made = {
      ...token,
      value,
      worksFrom: newSeconds === 0 ? 0 : now + newSeconds * 1000,
      endsAt: now + lifetimeSeconds * 1000,
      isUsed: false,
    };
    this.#tokens.set(value, made);
    return made;
  }

  get #now(): number {
    return this.clock.now().getTime();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #dressed(answer: Answer): Answer {
    const reset = String(Math.floor(this.#now / 1000) + 3600);
    const limits = {
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': String(Math.min(this.remaining, 4999)),
      'x-ratelimit-reset': reset,
    };
    return { ...answer, headers: { 'x-github-request-id': 'C0DE:1:2:3:4', ...limits, ...answer.headers } };
  }
}

function refusePermissions(asked: Permissions, granted: Permissions): Answer | undefined {
  const levels = ['read', 'write', 'admin'];
  for (const [name, access] of Object.entries(asked)) {
    const most = granted[name];
    if (most === undefined) return refusal(422, 'The permissions requested are not granted to this installation.');
    if (levels.indexOf(access) > levels.indexOf(most)) {
      return refusal(422, 'The level of access for permissions requested are not granted to this installation.');
    }
  }
  return undefined;
}

/** A narrower token has it too, unless it is for an organization only. */
function withMetadata(permissions: Permissions): Permissions {
  const isForRepositories = Object.keys(permissions).some((name) => !/^(?:organization_|members$)/.test(name));
  return isForRepositories ? { metadata: 'read', ...permissions } : permissions;
}

function refusal(status: number, message: string): Answer {
  return { status, body: { message, documentation_url: DOCUMENTATION, status: String(status) } };
}

function repository(account: string, name: string, index: number): object {
  return { id: index + 1, name, full_name: `${account}/${name}`, private: true };
}

function decoded(part: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Three parts with dots between, some 520 characters. */
function statelessPart(): string {
  return [30, 210, 128].map((bytes) => randomBytes(bytes).toString('base64url')).join('.');
}

function newKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  // PKCS#1, as GitHub's download of it.
  const text = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  return { privateKey: text, publicKey: createPublicKey(privateKey) };
}
