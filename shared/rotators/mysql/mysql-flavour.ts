import type { AccountFacts } from './account.ts';
import type { Session } from './connect.ts';
import type { Flavour } from './flavour.ts';
import { expiryClause, type LimitColumns, limitClauses, NO_LIMITS } from './limits.ts';
import { VERSION_8, versionNumber } from './server-facts.ts';
import { type AccountName, accountText, identifier, literal } from './sql-text.ts';
import { isPasswordOf, makesHash, type StoredPassword, storedFor, unusablePassword } from './stored-password.ts';

/** Of servers before 8.0 the columns at the end are missing. */
interface UserRow extends LimitColumns {
  readonly User: string;
  readonly Host: string;
  readonly plugin: string;
  /** Bytes of `authentication_string`, in hexadecimal. */
  readonly hash: string;
  readonly version: string;
  readonly account_locked: 'Y' | 'N';
  readonly password_lifetime: number | null;
  readonly Password_reuse_history?: number | null;
  readonly Password_reuse_time?: number | null;
  readonly Password_require_current?: 'Y' | 'N' | null;
  readonly User_attributes?: Attributes | null;
}

interface Attributes {
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly additional_password?: string;
  readonly Password_locking?: { readonly failed_login_attempts?: number; readonly password_lock_time_days?: number };
}

/** `ALTER USER … ATTRIBUTE`; two passwords on one user came before it, with 8.0.14. */
const DUAL_PASSWORDS = 8_00_21;
const FAILED_LOGINS = 8_00_19;

export const MYSQL_FLAVOUR: Flavour = {
  type: 'mysql',
  nameCharacters: 32,
  authPlugins: {},
  hasDualPasswords: ({ number }) => number >= DUAL_PASSWORDS,
  defaultPlugin: ({ number }) => (number >= VERSION_8 ? 'caching_sha2_password' : 'mysql_native_password'),
  defaultLimits: () => limitClauses(NO_LIMITS),
  makesHash,
  storedFor,
  isPasswordOf,
  identifiedBy,
  unusable: ([first], closing) =>
    unusablePassword(first !== undefined && makesHash(first.plugin) ? first.plugin : 'caching_sha2_password', closing),
  readAccounts,
  readDefaultRoles: async (session, account, { number }) =>
    number >= VERSION_8 ? readDefaultRoles(session, account) : [],
  roleText: (role) => `${identifier(role)}@${identifier('%')}`,
  setDefaultRoles: (account, roles) => [
    `SET DEFAULT ROLE ${roles.length === 0 ? 'NONE' : roles.join(', ')} TO ${accountText(account)}`,
  ],
};

/** As a hexadecimal literal where the server takes one: a salt of the server's own making holds any character. */
function identifiedBy({ plugin, hash }: StoredPassword): string {
  const text = /^[\w$*./-]+$/.test(hash) ? literal(hash) : `0x${Buffer.from(hash, 'latin1').toString('hex')}`;
  return `IDENTIFIED WITH ${literal(plugin)} AS ${text}`;
}

async function readAccounts(session: Session, user: string): Promise<readonly AccountFacts[]> {
  const found = await session.query<UserRow>(
    'reading the accounts',
    `SELECT u.*, HEX(u.authentication_string) AS hash, VERSION() AS version
       FROM mysql.user u WHERE u.User = ${literal(user)}`,
  );
  // The server's comparison ignores blanks at the end.
  return found.filter(({ User }) => User === user).map(accountFrom);
}

function accountFrom(row: UserRow): AccountFacts {
  const { plugin, User_attributes: attributes } = row;
  const additional = attributes?.additional_password;
  return {
    user: row.User,
    host: row.Host,
    passwords: [{ plugin, hash: Buffer.from(row.hash, 'hex').toString('latin1') }],
    ...(additional === undefined ? {} : { retained: { plugin, hash: additional } }),
    isLocked: row.account_locked === 'Y',
    limits: limitsOf(row),
    failedLogins: attributes?.Password_locking?.failed_login_attempts ?? 0,
    attributes: attributes?.metadata ?? {},
  };
}

function limitsOf(row: UserRow): string {
  const { Password_reuse_history: history, Password_reuse_time: days, Password_require_current: current } = row;
  const locking = row.User_attributes?.Password_locking;
  return [
    limitClauses(row),
    expiryClause(row.password_lifetime),
    ...(history === undefined ? [] : [`PASSWORD HISTORY ${history ?? 'DEFAULT'}`]),
    ...(days === undefined ? [] : [`PASSWORD REUSE INTERVAL ${days === null ? 'DEFAULT' : `${days} DAY`}`]),
    ...(current === undefined
      ? []
      : [`PASSWORD REQUIRE CURRENT${current === 'Y' ? '' : current === 'N' ? ' OPTIONAL' : ' DEFAULT'}`]),
    ...(versionNumber(row.version) < FAILED_LOGINS ? [] : lockingClauses(locking)),
  ].join(' ');
}

function lockingClauses(locking: Attributes['Password_locking']): readonly string[] {
  const days = locking?.password_lock_time_days ?? 0;
  return [
    `FAILED_LOGIN_ATTEMPTS ${locking?.failed_login_attempts ?? 0}`,
    `PASSWORD_LOCK_TIME ${days < 0 ? 'UNBOUNDED' : days}`,
  ];
}

async function readDefaultRoles(session: Session, { user, host }: AccountName): Promise<readonly string[]> {
  const roles = await session.query<{ role: string; host: string }>(
    'reading the default roles',
    `SELECT DEFAULT_ROLE_USER AS role, DEFAULT_ROLE_HOST AS host FROM mysql.default_roles
      WHERE USER = ${literal(user)} AND HOST = ${literal(host)} ORDER BY 1, 2`,
  );
  return roles.map((role) => `${identifier(role.role)}@${identifier(role.host)}`);
}
