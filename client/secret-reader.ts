import type { SecretValue } from './secret-value.ts';

/** Where values come from. */
export interface SecretReader {
  /**
   * One version of a secret, with the stages it carries; `undefined` when there is no such version, or not yet. Throws
   * `SecretUnavailable` where asking again cannot help.
   */
  read(
    name: string,
    which: { readonly versionId: string } | { readonly stage: 'AWSCURRENT' },
  ): Promise<SecretReading | undefined>;
}

export interface SecretReading {
  readonly value: SecretValue;
  readonly stages: readonly string[];
}
