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

/** The types that the request names. Which of them this version can rotate is `shared/rotators/rotator-for.ts`'s answer. */
export const SECRET_TYPES = ['github_token', 'api_key', 'credential', 'iam', 'postgresql'] as const;
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
  /** Name or ARN of the secret with the administrator's credential; absent: the secret's own `masterarn`. */
  readonly adminSecret?: string;
  readonly connection?: ConnectionDeclaration;
  readonly mode: 'two_roles' | 'single_role';
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
  readonly dbname: string;
  /** The role whose privileges the application has; both login roles are members of it. */
  readonly ownerRole?: string;
  /** `prefer` (default): TLS, verified, when the server offers it; `require`: never without; `disable`. */
  readonly tls: 'prefer' | 'require' | 'disable';
  /** PEM text (the file names a path beside itself; the parser reads it). */
  readonly certificateAuthority?: string;
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
