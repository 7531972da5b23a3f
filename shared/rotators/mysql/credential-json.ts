import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import type { ConnectionSettings } from '../rotator.ts';
import type { Login } from './connect.ts';

const DEFAULT_PORT = 3306;
/** MariaDB's limit; MySQL's is 32. */
const NAME_CHARACTERS = 128;
/** What MySQL's plugins take at most (MAX_PLAINTEXT_LENGTH). */
const PASSWORD_BYTES = 256;

/** Both servers keep names in three bytes a character and cut blanks off their ends. */
const username = z.string().check(
  z.minLength(1),
  z.maxLength(NAME_CHARACTERS),
  z.refine((name) => !/[\0\u{10000}-\u{10ffff}]|^ | $/u.test(name) && name.isWellFormed()),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => Buffer.byteLength(text) <= PASSWORD_BYTES && !text.includes('\0') && text.isWellFormed()),
);
// A leading slash would mean a Unix socket elsewhere.
const host = z.string().check(z.regex(/^[^/\0\s][^\0\s]*$/));
const port = z.pipe(z.coerce.number(), z.int().check(z.minimum(1), z.maximum(65_535)));
const database = z.string().check(
  z.minLength(1),
  z.refine((name) => !name.includes('\0') && name.isWellFormed()),
);

/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html */
const credentialSchema = z.looseObject({
  engine: z.optional(z.enum(['mysql', 'mariadb', 'aurora', 'aurora-mysql'])),
  username,
  password,
  host: z.optional(host),
  port: z.optional(port),
  dbname: z.optional(database),
  // AWS's templates take the two words as well.
  ssl: z.optional(z.union([z.boolean(), z.literal(['true', 'false'])])),
});

/** A place to log in to, whoever does. */
export type Target = Omit<Login, 'username' | 'password'>;

export interface Credential {
  readonly username: string;
  readonly login: Login;
  /** The secret's JSON as it was, with every key. */
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Reads a secret in the AWS database convention; what it leaves out is taken from `connection`. `holder` is its owner
 * in error texts ("incumbent"). Throws `Misconfigured` that names keys, never what they hold.
 */
export function parseCredential(value: SecretText, holder: string, connection?: ConnectionSettings): Credential {
  const json = parseObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (!parsed.success) {
    const keys = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
    throw new Misconfigured(
      `The ${holder}'s secret is not in the AWS database convention for MySQL and MariaDB: ${keys.join(', ')} missing or of a wrong form.`,
    );
  }
  const { username, password, ssl } = parsed.data;
  const target = parsed.data.host ?? connection?.host;
  if (target === undefined) {
    throw new Misconfigured(`Neither the ${holder}'s secret nor the configuration says which host to connect to.`);
  }
  const certificateAuthority = connection?.certificateAuthority;
  return {
    username,
    json,
    login: {
      host: target,
      port: parsed.data.port ?? connection?.port ?? DEFAULT_PORT,
      dbname: parsed.data.dbname ?? connection?.dbname,
      username,
      password: new SecretText(password),
      tls: tlsOf(connection?.tls ?? 'prefer', ssl),
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    },
  };
}

/**
 * The administrator's login at `target`: the server that its own secret names, or the declared one. Nowhere else:
 * whoever may write the rotated secret must not be able to direct the administrator's password to a host of theirs.
 */
export function adminLogin(admin: SecretText, target: Target, connection?: ConnectionSettings): Login {
  const { username, login, json } = parseCredential(admin, 'administrator', {
    ...(connection ?? { tls: 'prefer' }),
    host: target.host,
    port: target.port,
  });
  const isDeclared = connection !== undefined && sameServer(target, declaredTarget(connection));
  const isItsOwn = json['host'] !== undefined && sameServer(target, login);
  if (!isDeclared && !isItsOwn) {
    throw new Misconfigured(
      `The administrator's secret does not name this server (host and port); declare the connection in secrets.yaml if it is meant for this one.`,
    );
  }
  // Accounts are the server's, of no database: the administrator needs none.
  return { ...target, dbname: undefined, username, password: login.password };
}

/**
 * The incumbent's JSON with another username and password; every other key is carried over as it was. Without an
 * incumbent, one made of the configured connection.
 */
export function candidateJson(work: {
  readonly engine: 'mysql' | 'mariadb';
  readonly incumbent: Credential | undefined;
  readonly connection: ConnectionSettings | undefined;
  readonly username: string;
  readonly password: string;
}): SecretText {
  const { engine, incumbent, username, password } = work;
  if (incumbent !== undefined) return new SecretText(JSON.stringify({ ...incumbent.json, username, password }));
  const { host, port, dbname } = declaredTarget(work.connection);
  // JSON leaves a key without a value out.
  return new SecretText(JSON.stringify({ engine, host, port, dbname, username, password }));
}

/** Where the configuration says the target is, for a secret that has no value to say it. */
export function declaredTarget(connection: ConnectionSettings | undefined): Target {
  if (connection === undefined) {
    throw new Misconfigured('The secret has no value yet: its connection (host) must be declared in secrets.yaml.');
  }
  const { host, port = DEFAULT_PORT, dbname, tls, certificateAuthority } = connection;
  return { host, port, dbname, tls, ...(certificateAuthority === undefined ? {} : { certificateAuthority }) };
}

/** Throws `Misconfigured` where another key holds the password too (a connection URL): it would go stale in silence. */
export function assertPasswordOnce({ json, login }: Credential): void {
  const plain = login.password.reveal();
  if (plain.length < 8) return; // So short that any text may hold it.
  const forms = [plain, encodeURIComponent(plain)];
  for (const [key, held] of Object.entries(json)) {
    if (key === 'password' || typeof held !== 'string') continue;
    if (forms.some((form) => held.includes(form))) {
      const name = /^[\w.-]{1,64}$/.test(key) ? `"${key}"` : 'Another key';
      throw new Misconfigured(
        `${name} of the incumbent's secret holds the password as well; Rekey changes only "username" and "password", so it would go stale. Remove it.`,
      );
    }
  }
}

function parseObject(value: SecretText, holder: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.reveal());
  } catch {
    // The parser's message quotes the text: it is not kept as the cause.
    parsed = undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Misconfigured(`The ${holder}'s secret is not a JSON object.`);
  }
  return parsed as Record<string, unknown>;
}

/** What is declared decides; where that is the default, the secret's own `ssl` does, as with AWS's templates. */
function tlsOf(declared: ConnectionSettings['tls'], ssl: boolean | 'true' | 'false' | undefined): Login['tls'] {
  if (declared !== 'prefer' || ssl === undefined) return declared;
  return ssl === true || ssl === 'true' ? 'require' : 'disable';
}

function sameServer(one: Pick<Login, 'host' | 'port'>, other: Pick<Login, 'host' | 'port'>): boolean {
  return one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port;
}
