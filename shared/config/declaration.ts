/** What `secrets.yaml` says, parsed and completed with defaults. Plain data: it crosses into the deployed bundle as JSON. */
export interface Configuration {
  readonly environments: readonly EnvironmentDeclaration[];
}

export interface EnvironmentDeclaration {
  /** `production` for a file that has `secrets:` at its top. */
  readonly name: string;
  readonly secrets: readonly SecretDeclaration[];
  readonly alerts: readonly AlertSubscription[];
}

/** What `type:` may say. */
export const SECRET_TYPES = [
  'github_token',
  'api_key',
  'credential',
  'iam',
  'postgresql',
  'mysql',
  'mariadb',
  'redis',
  'rabbitmq',
  'http',
] as const;
export type SecretType = (typeof SECRET_TYPES)[number];

export interface SecretDeclaration {
  /** Its name in Secrets Manager, unique in the environment. */
  readonly name: string;
  /** Absent: taken from the `engine` field of the secret's own JSON when Configure adopts it. */
  readonly type?: SecretType;
  readonly scope?: string;
  readonly accessLevel?: string;
  readonly schedule: Schedule;
  /** The text of `rotation:` as written, for people. */
  readonly rotation: string;
  /** Seconds the incumbent stays valid after the switch; 0 without `reload.backwardsCompat`. */
  readonly graceSeconds: number;
  /** `true` (default): the first rotation runs at once after adoption, as AWS does when rotation is turned on. */
  readonly rotateImmediately: boolean;
  /** Who starts rotations: Secrets Manager's own scheduler. Absent: Rekey's. */
  readonly scheduler?: 'secrets_manager';
  /** Name or ARN of the secret with the administrator's credential; absent: the secret's own `masterarn`. */
  readonly adminSecret?: string;
  readonly connection?: ConnectionDeclaration;
  readonly mode: 'two_roles' | 'single_role';
  /** Where and as whom an issued credential is made. */
  readonly provider?: ProviderDeclaration;
  /** The requests of type `http`. */
  readonly http?: HttpDeclaration;
  /** What a chosen value looks like; each type has a default. */
  readonly policy?: PolicyDeclaration;
  /** `same` (default): the candidate can do what the incumbent can. `read_only` (databases): it can only read. */
  readonly privileges?: 'same' | 'read_only';
  /**
   * What an issued credential may do at most, in the provider's words; `permissions:`, or `api_key_management`'s. An access
   * key of `iam` has the policies of its user, whatever this says.
   */
  readonly permissions?: readonly string[];
  readonly preheatSeconds: number;
  readonly healthyThreshold: number;
  readonly endSessions: boolean;
  readonly rollout: RolloutDeclaration;
  readonly reload: ReloadDeclaration;
}

/** `apply:` of a secret, completed: how a new value reaches the running consumers. */
export interface RolloutDeclaration {
  /**
   * `true`: consumers take the candidate, prove it and acknowledge it before AWSCURRENT moves. `false`: AWSCURRENT moves
   * first, and the consumers are told afterwards.
   */
  readonly zeroDowntime: boolean;
  /** `true`: batch after batch, the canary first. `false`: everybody in one go, without a canary. */
  readonly rollingUpdate: boolean;
  /** `true`: the consumers of a batch switch side by side. `false`: one after the other, as batches of one. */
  readonly parallelSwitch: boolean;
  /** Consumers in a batch, at most: 1-100. */
  readonly maxBatchSize: number;
  /** Consumers in the first batch: 0-100; 0: no canary. */
  readonly canarySize: number;
  /** Seconds until a batch has to have answered: 5-600, less than a lease. */
  readonly batchTimeoutSeconds: number;
  /** Percent of the consumers that may stay silent without stopping the rollout: 0-100. A refusal always counts. */
  readonly tolerancePercent: number;
}

/** `reload:` of a secret, completed: what running consumers and the old version may count on. */
export interface ReloadDeclaration {
  /**
   * `true`: running consumers take new versions. `false`: they take them when they start, and the old version is not
   * retired before those that run with it have gone.
   */
  readonly hotReload: boolean;
  /** `true`: the incumbent stays valid for the grace period. `false`: it is retired as soon as every consumer has left it. */
  readonly backwardsCompat: boolean;
  /**
   * `true`: a refusal stops the rollout, and everything goes back. `false`: refusals are reported, the switch goes on,
   * and who refused stays with the incumbent until it is retired.
   */
  readonly rollbackOnError: boolean;
}

export interface ConnectionDeclaration {
  readonly host: string;
  readonly port?: number;
  /** Databases; `postgresql` needs it. */
  readonly dbname?: string;
  /** `redis`: the further nodes that have users of their own, as `host:port`: every one is changed. */
  readonly nodes?: readonly string[];
  /** `redis`: who writes users down, so that a restart keeps them, where Rekey cannot have the server do it. */
  readonly usersKeptBy?: 'provider';
  /** `rabbitmq`: port of the management API; 15672, or 15671 with TLS. `port` is AMQP's. */
  readonly managementPort?: number;
  /** `rabbitmq`: the virtual host that a login is tried in; `/`. */
  readonly vhost?: string;
  /**
   * What the application is to the target. `postgresql`: the role whose privileges it has, and whose members both login
   * roles are. `mysql`, `mariadb`: a role that the first user is granted. `redis`: the user of the first value.
   */
  readonly ownerRole?: string;
  /** `prefer` (default): TLS, verified, when the server offers it; `require`: never without; `disable`. */
  readonly tls: 'prefer' | 'require' | 'disable';
  /** PEM text (the file names a path beside itself; the parser reads it). */
  readonly certificateAuthority?: string;
}

/** `provider:` of a secret. Names and ids, no values: what they authenticate with is the secret `admin_secret`. */
export interface ProviderDeclaration {
  /** `api_key`: which provider (`openai`, the default). */
  readonly name?: string;
  /** `iam`: the IAM user whose access keys rotate, behind its path where it has one (`division/app`). */
  readonly user?: string;
  /** `github_token`: the GitHub App, its installation, and the repositories that the token is for (all, when absent). */
  readonly appId?: number;
  readonly installationId?: number;
  readonly repositories?: readonly string[];
  /** `api_key` of OpenAI: project (`proj_…`) and service account (`svc_acct_…`). */
  readonly project?: string;
  readonly serviceAccount?: string;
  /** Another address of the provider's API: GitHub Enterprise, a gateway. */
  readonly baseUrl?: string;
  /** PEM text, trusted at `baseUrl` besides Node's own authorities (the file names a path; the parser reads it). */
  readonly certificateAuthority?: string;
  /** `api_key`: new keys end by themselves after so many seconds, 3600-31536000. Absent: without an end. */
  readonly expiresInSeconds?: number;
}

/** `http:` of a secret: an API that makes, tries and revokes a credential by requests. */
export interface HttpDeclaration {
  /** Origin of every request. `https:`, or `http:` on a loopback address. */
  readonly baseUrl: string;
  readonly create: HttpRequestDeclaration & {
    /** By name, JSON Pointers (RFC 6901) into the answer's body: `value` must be there; `id` is how it is revoked. */
    readonly capture: Readonly<Record<string, string>>;
  };
  /** Authenticates with the credential itself: `expect` is accepted, 401 or 403 is refused. */
  readonly test: HttpRequestDeclaration;
  readonly revoke: HttpRequestDeclaration;
  /** Finds what a lost answer left behind: JSON Pointers of the list, and within an item of its id and name. */
  readonly list?: HttpRequestDeclaration & {
    readonly items: string;
    readonly id: string;
    readonly name: string;
  };
  /** PEM text, trusted at `baseUrl` besides Node's own authorities (the file names a path; the parser reads it). */
  readonly certificateAuthority?: string;
}

export interface HttpRequestDeclaration {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with `/`; `{{name}}`, `{{id}}` and captures are inserted percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, templates inserted in its strings. */
  readonly body?: unknown;
  /** Statuses that mean success. */
  readonly expect: readonly number[];
}

/** `policy:` of a secret. */
export interface PolicyDeclaration {
  /** Characters: 8-4096. */
  readonly length: number;
  /** The characters that it is made of, without control characters; absent: letters, digits, and `-_` or more symbols. */
  readonly alphabet?: string;
  /** At least one of each. */
  readonly require: readonly ('lower' | 'upper' | 'digit' | 'symbol')[];
  /** Characters that do not occur. */
  readonly exclude?: string;
  /** `credential`: the key of the secret's JSON that is replaced; absent: `password`, or the whole text. */
  readonly key?: string;
}

export type Schedule =
  /** A fixed length: `12_hours`, `daily`, `weekly`, `90_days`, `PT6H`, `rate(5 minutes)`. */
  | { readonly kind: 'every'; readonly seconds: number }
  /** Calendar months: `monthly` 1, `quarterly` 3, `yearly` 12, `P6M`. */
  | { readonly kind: 'months'; readonly months: number }
  /** The six fields of AWS's `cron(…)`, UTC. */
  | { readonly kind: 'cron'; readonly expression: string };

export interface AlertSubscription {
  readonly protocol: 'email' | 'sqs' | 'https';
  /** An address, a queue ARN, or a URL. */
  readonly endpoint: string;
  /** Empty: every kind. */
  readonly kinds: readonly AlertKind[];
}

export const ALERT_KINDS = [
  'rotation_succeeded',
  'rotation_failed',
  'rotation_rolled_back',
  'retirement_owed',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];
