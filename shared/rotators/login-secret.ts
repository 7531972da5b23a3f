import * as z from 'zod/mini';
import { Misconfigured } from '../errors.ts';
import type { SecretText } from '../redact.ts';
import { assertHeldOnce } from './json-secret.ts';
import { numberIn } from './lossless-json.ts';
import type { ConnectionSettings } from './rotator.ts';

/*
 * What the secrets of databases and brokers have in common: a JSON object with a login and a place, in the AWS database
 * convention (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html).
 */

export type Tls = ConnectionSettings['tls'];

export const portSchema = z.pipe(
  z.transform(numberIn),
  z.pipe(z.coerce.number(), z.int().check(z.minimum(1), z.maximum(65_535))),
);
/** A name or an address. A leading slash would mean a Unix socket elsewhere. */
export const hostSchema = z.string().check(z.regex(/^[^/\0\s][^\0\s]*$/), z.maxLength(255));
/** AWS's templates take the two words as well. */
export const sslSchema = z.union([z.boolean(), z.literal(['true', 'false'])]);

/** What is declared decides; where that is the default, the secret's own `ssl` does, as with AWS's templates. */
export function tlsOf(declared: Tls | undefined, ssl: z.output<typeof sslSchema> | undefined): Tls {
  if (declared === 'require' || declared === 'disable') return declared;
  if (ssl === undefined) return 'prefer';
  return ssl === true || ssl === 'true' ? 'require' : 'disable';
}

/** Of two ways to a server the safer: the rotated secret's own `ssl` must not take the administrator's password out of TLS. */
export function stricter(one: Tls, other: Tls): Tls {
  const order = ['require', 'prefer', 'disable'] as const;
  return order.find((tls) => tls === one || tls === other) ?? 'require';
}

interface Place {
  readonly host: string;
  readonly port: number;
}

function isSamePlace(one: Place, other: Place): boolean {
  return one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port;
}

/**
 * Throws `Misconfigured` unless the administrator's password may go to `target`: the server that its own secret names, or
 * the declared one. Whoever may write the rotated secret must not be able to direct that password to a host of theirs.
 */
export function assertAdminBelongs(
  target: Place,
  { declared, own }: { readonly declared: Place | undefined; readonly own: Place | undefined },
): void {
  if ([declared, own].some((place) => place !== undefined && isSamePlace(place, target))) return;
  throw new Misconfigured(
    `The administrator's secret does not name this server (host and port); declare the connection in secrets.yaml if it is meant for this one.`,
  );
}

/** Keys that say who and where: a password that is the name of its user or database is no reference to it. */
const PLACE_KEYS: ReadonlySet<string> = new Set(['engine', 'username', 'host', 'port', 'dbname', 'vhost', 'ssl']);

/** Throws `Misconfigured` where a key that a rotation leaves alone holds the password too. */
export function assertPasswordOnce(
  {
    json,
    login,
  }: { readonly json: Readonly<Record<string, unknown>>; readonly login: { readonly password: SecretText } },
  changed: readonly string[] = ['username', 'password'],
): void {
  const texts = [login.password.reveal()];
  assertHeldOnce(json, { holder: 'incumbent', what: 'the password', texts, changed, ignored: PLACE_KEYS });
}
