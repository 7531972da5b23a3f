import { literal } from './sql-text.ts';

/** The columns of `mysql.user` that say what an account asks of its connections; both kinds of server have them. */
export interface LimitColumns {
  readonly ssl_type: string;
  readonly ssl_cipher: Buffer | string;
  readonly x509_issuer: Buffer | string;
  readonly x509_subject: Buffer | string;
  readonly max_questions: number;
  readonly max_updates: number;
  readonly max_connections: number;
  readonly max_user_connections: number;
}

export const NO_LIMITS: LimitColumns = {
  ssl_type: '',
  ssl_cipher: '',
  x509_issuer: '',
  x509_subject: '',
  max_questions: 0,
  max_updates: 0,
  max_connections: 0,
  max_user_connections: 0,
};

/** `REQUIRE … WITH …`: all of it, also what is the default, so that it takes away as well as gives. */
export function limitClauses(row: LimitColumns): string {
  return [
    `REQUIRE ${requirement(row)}`,
    `WITH MAX_QUERIES_PER_HOUR ${row.max_questions}`,
    `MAX_UPDATES_PER_HOUR ${row.max_updates}`,
    `MAX_CONNECTIONS_PER_HOUR ${row.max_connections}`,
    `MAX_USER_CONNECTIONS ${row.max_user_connections}`,
  ].join(' ');
}

/** `PASSWORD EXPIRE …`; `null`: the server's default, 0: never. */
export function expiryClause(days: number | null): string {
  if (days === null) return 'PASSWORD EXPIRE DEFAULT';
  return days === 0 ? 'PASSWORD EXPIRE NEVER' : `PASSWORD EXPIRE INTERVAL ${days} DAY`;
}

function requirement(row: LimitColumns): string {
  if (row.ssl_type === 'ANY') return 'SSL';
  if (row.ssl_type === 'X509') return 'X509';
  if (row.ssl_type === '') return 'NONE';
  const parts = [
    ['CIPHER', row.ssl_cipher],
    ['ISSUER', row.x509_issuer],
    ['SUBJECT', row.x509_subject],
  ] as const;
  return parts
    .map(([word, value]) => [word, value.toString()] as const)
    .filter(([, value]) => value !== '')
    .map(([word, value]) => `${word} ${literal(value)}`)
    .join(' AND ');
}
