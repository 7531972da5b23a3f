import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import type { ConnectionSettings } from '../rotator.ts';

const PLAIN_PORT = 5672;
const TLS_PORT = 5671;
const DEFAULT_VHOST = '/';
/** A short string of AMQP; what it allows a virtual host is more than enough for a user. */
const NAME_BYTES = 255;
/** Before anything is negotiated, a frame has 4,096 bytes at most, and name and password go in one with other things. */
const PASSWORD_BYTES = 2_048;

/** SASL PLAIN puts a NUL between name and password, and half of a surrogate pair would be sent as another character. */
const isSendable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const name = z.string().check(
  z.minLength(1),
  z.refine((text) => isSendable(text) && Buffer.byteLength(text) <= NAME_BYTES),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => isSendable(text) && Buffer.byteLength(text) <= PASSWORD_BYTES),
);
const port = z.pipe(z.coerce.number(), z.int().check(z.minimum(1), z.maximum(65_535)));

const credentialSchema = z.looseObject({
  engine: z.optional(z.literal('rabbitmq')),
  username: name,
  password,
  // A name or an address, as it may stand in the head of an HTTP request.
  host: z.optional(z.string().check(z.regex(/^[\w.:-]{1,255}$/))),
  port: z.optional(port),
  vhost: z.optional(name),
  ssl: z.optional(z.union([z.boolean(), z.literal(['true', 'false'])])),
  management_port: z.optional(port),
});

/** A place to log in to, whoever does. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: 'prefer' | 'require' | 'disable';
  readonly certificateAuthority?: string;
}

/** A login by AMQP. */
export interface Login extends Endpoint {
  readonly vhost: string;
  readonly username: string;
  readonly password: SecretText;
}

export interface Credential {
  readonly username: string;
  readonly login: Login;
  /** The secret's JSON as it was, with every key. */
  readonly json: Readonly<Record<string, unknown>>;
}

export type CredentialFields = z.output<typeof credentialSchema>;

/**
 * Reads a secret's JSON; what it leaves out is taken from `connection`. `holder` is its owner in error texts
 * ("incumbent"). Throws `Misconfigured` that names keys, never what they hold.
 */
export function parseCredential(value: SecretText, holder: string, connection?: ConnectionSettings): Credential {
  const { json, fields } = parseFields(value, holder);
  const host = fields.host ?? connection?.host;
  if (host === undefined) {
    throw new Misconfigured(`Neither the ${holder}'s secret nor the configuration says which host to connect to.`);
  }
  const tls = tlsOf(connection?.tls ?? 'prefer', fields.ssl);
  const certificateAuthority = connection?.certificateAuthority;
  return {
    username: fields.username,
    json,
    login: {
      host,
      port: fields.port ?? connection?.port ?? (tls === 'require' ? TLS_PORT : PLAIN_PORT),
      vhost: fields.vhost ?? connection?.vhost ?? DEFAULT_VHOST,
      username: fields.username,
      password: new SecretText(fields.password),
      tls,
      ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    },
  };
}

/** The same, with nothing but what the secret itself says. */
export function parseFields(
  value: SecretText,
  holder: string,
): { readonly json: Readonly<Record<string, unknown>>; readonly fields: CredentialFields } {
  const json = parseObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (parsed.success) return { json, fields: parsed.data };
  const keys = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
  throw new Misconfigured(
    `The ${holder}'s secret is not one for RabbitMQ (username, password, host, port, vhost, ssl): ${keys.join(', ')} missing or of a wrong form.`,
  );
}

/** What is declared decides; where that is the default, the secret's own `ssl` does. */
export function tlsOf(declared: ConnectionSettings['tls'], ssl: CredentialFields['ssl']): Endpoint['tls'] {
  if (declared !== 'prefer' || ssl === undefined) return declared;
  return ssl === true || ssl === 'true' ? 'require' : 'disable';
}

/** The incumbent's JSON with another username and password; every other key is carried over as it was. */
export function candidateJson(
  incumbent: Credential,
  changed: { readonly username: string; readonly password: string },
): SecretText {
  return new SecretText(JSON.stringify({ ...incumbent.json, ...changed }));
}

/** Throws `Misconfigured` where another key holds the password too (an `amqps://` URL): it would go stale in silence. */
export function assertPasswordOnce({ json, login }: Credential): void {
  const plain = login.password.reveal();
  if (plain.length < 8) return; // So short that any text may hold it.
  const forms = [plain, encodeURIComponent(plain)];
  for (const [key, held] of Object.entries(json)) {
    if (key === 'password' || typeof held !== 'string') continue;
    if (forms.some((form) => held.includes(form))) {
      const shown = /^[\w.-]{1,64}$/.test(key) ? `"${key}"` : 'Another key';
      throw new Misconfigured(
        `${shown} of the incumbent's secret holds the password as well; Rekey changes only "username" and "password", so it would go stale. Remove it.`,
      );
    }
  }
}

function parseObject(value: SecretText, holder: string): Readonly<Record<string, unknown>> {
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
  return parsed as Readonly<Record<string, unknown>>;
}
