import type { ErrorCode } from './protocol.ts';

/** One version of a secret as it was read, or why it was not. */
export type SecretReading =
  | { readonly versionId: string; readonly text: string; readonly stages: readonly string[] }
  | { readonly code: ErrorCode };

/** Where the provider reads secrets. Never rejects: what fails is a code. */
export interface SecretSource {
  /** AWSCURRENT of each, by the id that was asked for. */
  current(secretIds: readonly string[]): Promise<ReadonlyMap<string, SecretReading>>;
  version(secretId: string, versionId: string): Promise<SecretReading>;
}
