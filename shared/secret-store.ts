import type { SecretText } from './redact.ts';

/** AWS Secrets Manager, as far as Rekey needs it. */
export interface SecretStore {
  /** Which version carries which staging labels; `undefined` when the secret does not exist. */
  describe(secretId: string): Promise<SecretDescription | undefined>;
  /** Makes a secret without a value; `exists` when there is one of that name. */
  create(secret: NewSecret): Promise<'created' | 'exists'>;
  /**
   * Reads by version id or by stage. `undefined` when that version does not exist (or not yet: a version just written
   * may not be readable at once, so the caller bounds its own read-back).
   */
  read(
    secretId: string,
    which: { readonly versionId: string } | { readonly stage: Stage },
  ): Promise<SecretVersion | undefined>;
  /**
   * Stores `value` as `AWSPENDING` under `versionId` (the ClientRequestToken). Idempotent for the same value; answers
   * `conflict` when that version exists with another value.
   */
  putPending(secretId: string, versionId: string, value: SecretText): Promise<'stored' | 'conflict'>;
  /**
   * Moves `AWSCURRENT` to `to`, only if it is on `from` (compare-and-swap; `undefined`: on none). Answers `lost` when
   * the label was elsewhere; the caller reads where it is.
   */
  promote(
    secretId: string,
    move: { readonly from: string | undefined; readonly to: string },
  ): Promise<'moved' | 'lost'>;
  /** Takes `AWSPENDING` off `versionId`; nothing happens when it is not there. */
  clearPending(secretId: string, versionId: string): Promise<void>;
}

export type Stage = 'AWSCURRENT' | 'AWSPENDING' | 'AWSPREVIOUS';

export interface SecretDescription {
  readonly arn: string;
  readonly name: string;
  readonly stagesByVersion: Readonly<Record<string, readonly string[]>>;
  /** Whether Secrets Manager's own scheduler rotates it. */
  readonly rotationEnabled: boolean;
}

export interface NewSecret {
  readonly name: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface SecretVersion {
  readonly versionId: string;
  readonly stages: readonly string[];
  readonly value: SecretText;
  readonly createdAt: Date;
}
