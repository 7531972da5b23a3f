import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { brokenKeys, parseJsonObject } from '../json-secret.ts';
import { assertAdminBelongs, hostSchema, portSchema, sslSchema, stricter, tlsOf } from '../login-secret.ts';
import type { ConnectionSettings } from '../rotator.ts';
import type { Login } from './connect.ts';
import { IDENTIFIER_BYTES } from './role-names.ts';

const DEFAULT_PORT = 5432;
/** What AWS's own rotation templates connect to when the secret names no database. */
const DEFAULT_DATABASE = 'postgres';

const identifier = z.string().check(
  z.minLength(1),
  z.refine((name) => Buffer.byteLength(name) <= IDENTIFIER_BYTES && !name.includes('\0') && name.isWellFormed()),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => !text.includes('\0') && text.isWellFormed()),
);
/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html */
const credentialSchema = z.looseObject({
  engine: z.optional(z.enum(['postgres', 'postgresql', 'aurora-postgresql'])),
  username: identifier,
  password,
  host: z.optional(hostSchema),
  port: z.optional(portSchema),
  dbname: z.optional(identifier),
  ssl: z.optional(sslSchema),
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
  const json = parseJsonObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (!parsed.success) {
    throw new Misconfigured(
      `The ${holder}'s secret is not in the AWS database convention for PostgreSQL: ${brokenKeys(parsed.error)} missing or of a wrong form.`,
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
      dbname: parsed.data.dbname ?? connection?.dbname ?? DEFAULT_DATABASE,
      username,
      password: new SecretText(password),
      tls: tlsOf(connection?.tls, ssl),
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    },
  };
}

/**
 * The administrator's login at `target`: the server that its own secret names, or the declared one, and nowhere else.
 */
export function adminLogin(admin: SecretText, target: Target, connection?: ConnectionSettings): Login {
  const { username, login, json } = parseCredential(admin, 'administrator', {
    ...(connection ?? { tls: 'prefer' }),
    host: target.host,
    port: target.port,
    dbname: target.dbname,
  });
  assertAdminBelongs(target, {
    declared: connection === undefined ? undefined : declaredTarget(connection),
    own: json['host'] === undefined ? undefined : login,
  });
  return { ...target, username, password: login.password, tls: stricter(target.tls, login.tls) };
}

/**
 * The incumbent's JSON with another username and password; every other key is carried over as it was. Without an
 * incumbent, one made of the configured connection.
 */
export function candidateJson(work: {
  readonly incumbent: Credential | undefined;
  readonly connection: ConnectionSettings | undefined;
  readonly username: string;
  readonly password: string;
}): SecretText {
  const { incumbent, username, password } = work;
  if (incumbent !== undefined) return new SecretText(JSON.stringify({ ...incumbent.json, username, password }));
  const { host, port, dbname } = declaredTarget(work.connection);
  return new SecretText(JSON.stringify({ engine: 'postgres', host, port, dbname, username, password }));
}

/** Where the configuration says the target is, for a secret that has no value to say it. */
export function declaredTarget(connection: ConnectionSettings | undefined): Target {
  if (connection === undefined) {
    throw new Misconfigured(
      'The secret has no value yet: its connection (host, dbname) must be declared in secrets.yaml.',
    );
  }
  const { host, port = DEFAULT_PORT, dbname, tls, certificateAuthority } = connection;
  if (dbname === undefined) throw new Misconfigured('The connection of the secret names no database (dbname).');
  return { host, port, dbname, tls, ...(certificateAuthority === undefined ? {} : { certificateAuthority }) };
}
