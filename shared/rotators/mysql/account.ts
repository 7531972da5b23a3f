import type { AccountName } from './sql-text.ts';
import type { StoredPassword } from './stored-password.ts';

/** What the server's tables say of one account. */
export interface AccountFacts extends AccountName {
  /** What a login is checked with: one of these. */
  readonly passwords: readonly StoredPassword[];
  /** MySQL: the password that was retained beside the first. */
  readonly retained?: StoredPassword;
  readonly isLocked: boolean;
  /** What it asks of a connection, and its limits, as clauses that make them so; defaults included. */
  readonly limits: string;
  /** MySQL: how many failed logins in a row block it; 0: any number. */
  readonly failedLogins: number;
  /** MySQL: the JSON that people and tools keep with the account. */
  readonly attributes: Readonly<Record<string, unknown>>;
}
