import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { brokenKeys, parseJsonObject } from '../json-secret.ts';
import { assertAdminBelongs, hostSchema, portSchema, sslSchema, stricter, tlsOf } from '../login-secret.ts';
import { MOST_PASSWORD_BYTES } from '../password.ts';
import type { ConnectionSettings } from '../rotator.ts';
import type { Login, Node } from './connect.ts';

const DEFAULT_PORT = 6379;
const DEFAULT_USER = 'default';
/** Redis has no limit; a name is part of identities, which are kept. */
const NAME_BYTES = 512;
/** What `isspace` of C and Redis's `ACLStringHasSpaces` refuse, so that no such user exists. */
const BLANK_OR_NUL = /[\0\t\n\v\f\r ]/;

const username = z.string().check(
  z.minLength(1),
  // A lone surrogate has no bytes of its own: two names would be one.
  z.refine((name) => name.isWellFormed() && !BLANK_OR_NUL.test(name) && Buffer.byteLength(name) <= NAME_BYTES),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => text.isWellFormed() && Buffer.byteLength(text) <= MOST_PASSWORD_BYTES.redis),
);
const credentialSchema = z.looseObject({
  engine: z.optional(z.enum(['redis', 'valkey'])),
  username: z.optional(username),
  password,
  host: z.optional(hostSchema),
  port: z.optional(portSchema),
  ssl: z.optional(sslSchema),
});

export interface Credential {
  readonly username: string;
  readonly login: Login;
  /** The secret's JSON as it was, with every key. */
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Reads a secret of the form `{ host, port, username, password, ssl }`; what it leaves out is taken from `connection`,
 * and the user is `default`. `holder` is its owner in error texts ("incumbent"). Throws `Misconfigured` that names keys,
 * never what they hold.
 */
export function parseCredential(value: SecretText, holder: string, connection?: ConnectionSettings): Credential {
  const json = parseJsonObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (!parsed.success) {
    throw new Misconfigured(
      `The ${holder}'s secret is not a credential for Redis: ${brokenKeys(parsed.error)} missing or of a form that Redis does not have.`,
    );
  }
  const { password, ssl, username = DEFAULT_USER } = parsed.data;
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
      username,
      password: new SecretText(password),
      tls: tlsOf(connection?.tls, ssl),
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    },
  };
}

/**
 * The administrator's login at `node`: the server that its own secret names, or one of the declared, and nowhere else.
 */
export function adminLogin(admin: SecretText, node: Node, connection?: ConnectionSettings): Login {
  const { host, port } = node;
  const { username, login, json } = parseCredential(admin, 'administrator', {
    ...(connection ?? { tls: 'prefer' }),
    host,
    port,
  });
  assertAdminBelongs(node, {
    declared: connection === undefined ? undefined : declaredNode(connection),
    own: json['host'] === undefined ? undefined : login,
  });
  return { ...node, username, password: login.password, tls: stricter(node.tls, login.tls) };
}

/**
 * The incumbent's JSON with another password; every other key is carried over as it was. Without an incumbent, one made
 * of the configured connection and the user that it names.
 */
export function candidateJson(work: {
  readonly incumbent: Credential | undefined;
  readonly connection: ConnectionSettings | undefined;
  readonly password: string;
}): SecretText {
  const { incumbent, connection, password } = work;
  if (incumbent !== undefined) return new SecretText(JSON.stringify({ ...incumbent.json, password }));
  const username = declaredUser(connection);
  const { host, port, tls } = declaredNode(connection);
  const ssl = tls === 'prefer' ? {} : { ssl: tls === 'require' };
  return new SecretText(JSON.stringify({ engine: 'redis', host, port, username, password, ...ssl }));
}

/** Where the configuration says the server is, for a secret that has no value to say it. */
export function declaredNode(connection: ConnectionSettings | undefined): Node {
  if (connection === undefined) {
    throw new Misconfigured('The secret has no value yet: its connection (host) must be declared in secrets.yaml.');
  }
  const { host, port = DEFAULT_PORT, tls, certificateAuthority } = connection;
  return { host, port, tls, ...(certificateAuthority === undefined ? {} : { certificateAuthority }) };
}

/** The user that a secret without a value is for. It must exist: Rekey gives it a password, not its rights. */
export function declaredUser(connection: ConnectionSettings | undefined): string {
  const parsed = username.safeParse(connection?.ownerRole);
  if (parsed.success) return parsed.data;
  throw new Misconfigured(
    'The secret has no value yet: put one that works into it, or name the user as owner_role of its connection.',
  );
}
