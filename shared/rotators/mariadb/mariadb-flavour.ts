import type { AuthPlugin } from 'mysql2';
import type { AccountFacts } from '../mysql/account.ts';
import type { Session } from '../mysql/connect.ts';
import type { Flavour } from '../mysql/flavour.ts';
import { expiryClause, limitClauses, NO_LIMITS } from '../mysql/limits.ts';
import { type AccountName, accountText, identifier, literal } from '../mysql/sql-text.ts';
import { isPasswordOf, type StoredPassword, storedFor, unusablePassword } from '../mysql/stored-password.ts';
import { ed25519PublicKey, ed25519Signature } from './ed25519.ts';

const NATIVE = 'mysql_native_password';
const ED25519 = 'ed25519';
const CHALLENGE_BYTES = 32;
/** What `ssl_type` counts: https://mariadb.com/kb/en/mysqlglobal_priv-table/ */
const SSL_TYPES = ['', 'ANY', 'X509', 'SPECIFIED'];

interface Privileges extends Partial<Record<'max_questions' | 'max_updates' | 'max_connections', number>> {
  readonly plugin?: string;
  readonly authentication_string?: string;
  /** Alternatives; an empty one stands for the plugin of the account itself. */
  readonly auth_or?: readonly Partial<{ readonly plugin: string; readonly authentication_string: string }>[];
  readonly is_role?: boolean;
  readonly account_locked?: boolean;
  readonly ssl_type?: number;
  readonly ssl_cipher?: string;
  readonly x509_issuer?: string;
  readonly x509_subject?: string;
  readonly max_user_connections?: number;
  readonly max_statement_time?: number;
  /** Days; -1: the server's default. */
  readonly password_lifetime?: number;
}

/** The driver brings everything but MariaDB's own: https://mariadb.com/kb/en/authentication-plugin-ed25519/ */
const clientEd25519: AuthPlugin = ({ connection }) => {
  const { password } = connection.config;
  return (challenge) => ed25519Signature(password ?? '', challenge.subarray(0, CHALLENGE_BYTES));
};

export const MARIADB_FLAVOUR: Flavour = {
  type: 'mariadb',
  nameCharacters: 128,
  authPlugins: { client_ed25519: clientEd25519 },
  hasDualPasswords: () => false,
  defaultPlugin: () => NATIVE,
  defaultLimits: () => limitsOf({}),
  makesHash: (plugin) => plugin === NATIVE || plugin === ED25519,
  storedFor: (plugin, password, context) =>
    plugin === ED25519 ? { plugin, hash: ed25519PublicKey(password) } : storedFor(plugin, password, context),
  isPasswordOf: (stored, password) =>
    stored.plugin === ED25519 ? stored.hash === ed25519PublicKey(password) : isPasswordOf(stored, password),
  identifiedBy: ({ plugin, hash }) => `IDENTIFIED VIA ${identifier(plugin)} USING ${literal(hash)}`,
  // In place of every alternative.
  unusable: (_, closing) => unusablePassword(NATIVE, closing),
  readAccounts,
  readDefaultRoles,
  roleText: identifier,
  setDefaultRoles: (account, [role = 'NONE']) => [`SET DEFAULT ROLE ${role} FOR ${accountText(account)}`],
};

async function readAccounts(session: Session, user: string): Promise<readonly AccountFacts[]> {
  const found = await session.query<{ User: string; Host: string; privileges: string }>(
    'reading the accounts',
    `SELECT User, Host, CAST(Priv AS CHAR) AS privileges FROM mysql.global_priv WHERE User = ${literal(user)}`,
  );
  return (
    found
      .map((row) => ({ ...row, privileges: JSON.parse(row.privileges) as Privileges }))
      // The server's comparison ignores blanks at the end.
      .filter(({ User, privileges }) => User === user && privileges.is_role !== true)
      .map(({ User, Host, privileges }) => accountFrom({ user: User, host: Host }, privileges))
  );
}

async function readDefaultRoles(session: Session, { user, host }: AccountName): Promise<readonly string[]> {
  const rows = await session.query<{ role: string | null }>(
    'reading the default role',
    `SELECT JSON_VALUE(Priv, '$.default_role') AS role FROM mysql.global_priv
      WHERE User = ${literal(user)} AND Host = ${literal(host)}`,
  );
  return rows.flatMap(({ role }) => (role === null || role === '' ? [] : [identifier(role)]));
}

function accountFrom(name: Pick<AccountFacts, 'user' | 'host'>, privileges: Privileges): AccountFacts {
  const { account_locked: isLocked = false } = privileges;
  return {
    ...name,
    passwords: passwordsOf(privileges),
    isLocked,
    limits: limitsOf(privileges),
    failedLogins: 0,
    attributes: {},
  };
}

function passwordsOf({
  plugin = '',
  authentication_string: hash = '',
  auth_or = [],
}: Privileges): readonly StoredPassword[] {
  const own = { plugin: plugin === '' ? NATIVE : plugin, hash };
  const others = auth_or
    .filter((other) => other.plugin !== undefined)
    .map((other) => ({ plugin: other.plugin ?? '', hash: other.authentication_string ?? '' }));
  return [own, ...others];
}

function limitsOf(privileges: Privileges): string {
  const { ssl_type: type = 0, password_lifetime: days = -1, max_statement_time: seconds = 0, ...columns } = privileges;
  return [
    limitClauses({ ...NO_LIMITS, ...columns, ssl_type: SSL_TYPES[type] ?? '' }),
    `MAX_STATEMENT_TIME ${seconds}`,
    expiryClause(days < 0 ? null : days),
  ].join(' ');
}
