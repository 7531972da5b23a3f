import type { SecretText } from '../../redact.ts';

/** A provider of API keys, as one secret needs it. Another provider is another implementation, and a line in `providers.ts`. */
export interface KeyProvider {
  /** Its host, for error texts. */
  readonly place: string;
  /** One request that costs nothing, as the key's owner: `undefined` where the provider refuses the key. */
  tryKey(value: SecretText): Promise<TriedKey | undefined>;
  /**
   * Of some requests that change nothing and cost nothing (or `only` those named), whether the key may make each.
   * `undefined` where the key is refused.
   */
  abilities(value: SecretText, only?: readonly string[]): Promise<Abilities | undefined>;
  /** By declared permission, which of those requests it allows. Absent: none of them shows it. */
  promised(): Readonly<Record<string, readonly string[]>>;
  /** Work that the administrator's credential does. Throws `Misconfigured` before any request. */
  administration(admin: SecretText | undefined): KeyAdministration;
}

export interface TriedKey {
  /** Where its use is counted, in the provider's words (`project proj_…`). Absent: the provider does not say. */
  readonly belongsTo?: string;
}

/** By request: `true` allowed, `false` not allowed, a status where it says neither. */
export type Abilities = Readonly<Record<string, boolean | number>>;

/** The keys of one owner: nobody else's are seen or touched. */
export interface KeyAdministration {
  /** For people: "service account … of project …". */
  readonly owner: string;
  /** What new keys may do, and what could not be narrowed. */
  readonly facts: Readonly<Record<string, string>>;
  /** Throws `Misconfigured` where the owner does not exist. */
  assertOwner(): Promise<void>;
  /** All of them. */
  keys(): Promise<readonly ListedKey[]>;
  create(name: string): Promise<MadeKey>;
  /** Of this owner, by its id. `gone`: there is none. */
  remove(id: string): Promise<'removed' | 'gone'>;
}

export interface ListedKey {
  readonly id: string;
  readonly name: string;
  /** Some characters of the value, the rest masked. */
  readonly redacted: string;
}

export interface MadeKey {
  readonly id: string;
  readonly value: SecretText;
  readonly expiresAt?: Date;
}
