import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import type { ConnectionSettings } from '../rotator.ts';
import type { Login, Node } from './connect.ts';

const DEFAULT_PORT = 6379;
const DEFAULT_USER = 'default';
/** Redis has no limit; a name is part of identities, which are kept. */
const NAME_BYTES = 512;
/** From 7.0 on, a client that has not logged in may send no longer text. */
const PASSWORD_BYTES = 16_384;

/** What `isspace` of C and Redis's `ACLStringHasSpaces` refuse, so that no such user exists. */
const BLANK_OR_NUL = /[\0\t\n\v\f\r ]/;

const username = z.string().check(
  z.minLength(1),
  // A lone surrogate has no bytes of its own: two names would be one.
  z.refine((name) => name.isWellFormed() && !BLANK_OR_NUL.test(name) && Buffer.byteLength(name) <= NAME_BYTES),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => text.isWellFormed() && Buffer.byteLength(text) <= PASSWORD_BYTES),
);
const host = z.string().check(z.regex(/^[^/\0\s][^\0\s]*$/), z.maxLength(255));
const port = z.pipe(z.coerce.number(), z.int().check(z.minimum(1), z.maximum(65_535)));

const credentialSchema = z.looseObject({
  engine: z.optional(z.enum(['redis', 'valkey'])),
  username: z.optional(username),
  password,
  host: z.optional(host),
  port: z.optional(port),
  ssl: z.optional(z.union([z.boolean(), z.literal(['true', 'false'])])),
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
  const json = parseObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (!parsed.success) {
    const keys = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
    throw new Misconfigured(
      `The ${holder}'s secret is not a credential for Redis: ${keys.join(', ')} missing or of a form that Redis does not have.`,
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
      tls: tlsOf(connection?.tls ?? 'prefer', ssl),
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    },
  };
}

/**
 * The administrator's login at `node`: the server that its own secret names, or one of the declared. Nowhere else:
 * whoever may write the rotated secret must not be able to direct the administrator's password to a host of theirs.
 */
export function adminLogin(admin: SecretText, node: Node, connection?: ConnectionSettings): Login {
  const { host, port } = node;
  const { username, login, json } = parseCredential(admin, 'administrator', {
    ...(connection ?? { tls: 'prefer' }),
    host,
    port,
  });
  const isDeclared = connection !== undefined && sameServer(node, declaredNode(connection));
  const isItsOwn = json['host'] !== undefined && sameServer(node, login);
  if (!isDeclared && !isItsOwn) {
    throw new Misconfigured(
      `The administrator's secret does not name this server (host and port); declare the connection in secrets.yaml if it is meant for this one.`,
    );
  }
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

/** Keys that say who and where: a password that is the user's name as well is no reference to it. */
const PLACE = new Set(['engine', 'username', 'host', 'port', 'ssl']);

/** Throws `Misconfigured` where another key holds the password too (a connection URL): it would go stale in silence. */
export function assertPasswordOnce({ json, login }: Credential): void {
  const plain = login.password.reveal();
  if (plain.length < 8) return; // So short that any text may hold it.
  const forms = [plain, encodeURIComponent(plain)];
  for (const [key, held] of Object.entries(json)) {
    if (key === 'password' || PLACE.has(key)) continue;
    const text = typeof held === 'string' ? held : JSON.stringify(held);
    if (forms.some((form) => text.includes(form))) {
      const name = /^[\w.-]{1,64}$/.test(key) ? `"${key}"` : 'Another key';
      throw new Misconfigured(
        `${name} of the incumbent's secret holds the password as well; Rekey changes only "password", so it would go stale. Remove it.`,
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

/** What is declared decides; where that is the default, the secret's own `ssl` does. */
function tlsOf(declared: ConnectionSettings['tls'], ssl: boolean | 'true' | 'false' | undefined): Node['tls'] {
  if (declared !== 'prefer' || ssl === undefined) return declared;
  return ssl === true || ssl === 'true' ? 'require' : 'disable';
}

/** The rotated secret's own `ssl` must not take the administrator's password out of TLS. */
function stricter(one: Node['tls'], other: Node['tls']): Node['tls'] {
  const order = ['require', 'prefer', 'disable'] as const;
  return order.find((tls) => tls === one || tls === other) ?? 'require';
}

function sameServer(one: Pick<Node, 'host' | 'port'>, other: Pick<Node, 'host' | 'port'>): boolean {
  return one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port;
}
