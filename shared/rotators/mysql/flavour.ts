import type { AuthPlugin } from 'mysql2';
import type { AccountFacts } from './account.ts';
import type { Session } from './connect.ts';
import type { ServerFacts } from './server-facts.ts';
import type { AccountName } from './sql-text.ts';
import type { Closing, StoredPassword } from './stored-password.ts';

/** Where MySQL and MariaDB differ. */
export interface Flavour {
  readonly type: 'mysql' | 'mariadb';
  /** Characters of a user's name, at most. */
  readonly nameCharacters: number;
  /** Authentication that the driver does not bring. */
  readonly authPlugins: Readonly<Record<string, AuthPlugin>>;
  /** One user can have two passwords, and a mark that says which is which. */
  hasDualPasswords(server: ServerFacts): boolean;
  /** For an account that is made without a model. */
  defaultPlugin(server: ServerFacts): string;
  defaultLimits(server: ServerFacts): string;
  /** Whether Rekey computes what `plugin` stores. */
  makesHash(plugin: string): boolean;
  storedFor(plugin: string, password: string, context: string): StoredPassword;
  isPasswordOf(stored: StoredPassword, password: string): boolean;
  /** The clause of CREATE and ALTER USER that stores exactly this; never a password. */
  identifiedBy(stored: StoredPassword): string;
  /** A password that nobody knows, for an account that has `stored` ones (`unusablePassword`). */
  unusable(stored: readonly StoredPassword[], closing: Closing): StoredPassword;
  /** Every account of this user, whatever host it may come from. Needs SELECT on the tables of `mysql`. */
  readAccounts(session: Session, user: string): Promise<readonly AccountFacts[]>;
  /** The roles that are active after a login, quoted. */
  readDefaultRoles(session: Session, account: AccountName, server: ServerFacts): Promise<readonly string[]>;
  /** A role's name as SHOW GRANTS prints it. */
  roleText(role: string): string;
  setDefaultRoles(account: AccountName, roles: readonly string[]): readonly string[];
}
