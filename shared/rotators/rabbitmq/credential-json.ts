import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { brokenKeys, parseJsonObject } from '../json-secret.ts';
import { portSchema, sslSchema, type Tls, tlsOf } from '../login-secret.ts';
import { MOST_PASSWORD_BYTES } from '../password.ts';
import type { ConnectionSettings } from '../rotator.ts';

const PLAIN_PORT = 5672;
const TLS_PORT = 5671;
const DEFAULT_VHOST = '/';
/** A short string of AMQP; what it allows a virtual host is more than enough for a user. */
const NAME_BYTES = 255;

/** SASL PLAIN puts a NUL between name and password, and half of a surrogate pair would be sent as another character. */
const isSendable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const name = z.string().check(
  z.minLength(1),
  z.refine((text) => isSendable(text) && Buffer.byteLength(text) <= NAME_BYTES),
);
const password = z.string().check(
  z.minLength(1),
  z.refine((text) => isSendable(text) && Buffer.byteLength(text) <= MOST_PASSWORD_BYTES.rabbitmq),
);

const credentialSchema = z.looseObject({
  engine: z.optional(z.literal('rabbitmq')),
  username: name,
  password,
  // A name or an address, as it may stand in the head of an HTTP request.
  host: z.optional(z.string().check(z.regex(/^[\w.:-]{1,255}$/))),
  port: z.optional(portSchema),
  vhost: z.optional(name),
  ssl: z.optional(sslSchema),
  management_port: z.optional(portSchema),
});

/** A place to log in to, whoever does. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls;
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
  const tls = tlsOf(connection?.tls, fields.ssl);
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
  const json = parseJsonObject(value, holder);
  const parsed = credentialSchema.safeParse(json);
  if (parsed.success) return { json, fields: parsed.data };
  throw new Misconfigured(
    `The ${holder}'s secret is not one for RabbitMQ (username, password, host, port, vhost, ssl): ${brokenKeys(parsed.error)} missing or of a wrong form.`,
  );
}

/** The incumbent's JSON with another username and password; every other key is carried over as it was. */
export function candidateJson(
  incumbent: Credential,
  changed: { readonly username: string; readonly password: string },
): SecretText {
  return new SecretText(JSON.stringify({ ...incumbent.json, ...changed }));
}
