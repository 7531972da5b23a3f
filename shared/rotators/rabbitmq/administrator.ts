import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import { tlsOf } from '../login-secret.ts';
import { type Endpoint, parseFields } from './credential-json.ts';

const PLAIN_PORT = 15_672;
const TLS_PORT = 15_671;

/** The administrator's login at the management API. */
export interface ManagementLogin extends Endpoint {
  readonly username: string;
  readonly password: SecretText;
}

/** Where the secret's credentials log in; the port only where something says it. */
export interface Target {
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * The administrator's login at the management API of `target`: of the declared host, or of the one that the
 * administrator's own secret names. Host, port and whether TLS is needed come from these two alone: whoever may write the
 * rotated secret must not be able to direct the administrator's password to a place of theirs.
 */
export function managementLogin(
  admin: SecretText | undefined,
  { connection, secretId }: RotatorSettings,
  target: Target,
): ManagementLogin {
  if (admin === undefined) {
    throw new Misconfigured(
      `Two users need an administrator: declare admin_secret for "${secretId}", or a masterarn in its value.`,
    );
  }
  const { fields } = parseFields(admin, 'administrator');
  const { username, password, host: ownHost, port: ownPort, ssl } = fields;
  if (username.includes(':')) {
    throw new Misconfigured("The administrator's name has a colon: HTTP's basic authentication cannot send it.");
  }
  const tls = tlsOf(connection?.tls, ssl);
  const defaultPort = fields.management_port ?? (tls === 'require' ? TLS_PORT : PLAIN_PORT);
  const certificateAuthority = connection?.certificateAuthority;
  const login = {
    username,
    password: new SecretText(password),
    tls,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  };
  if (connection !== undefined && isSame(target, connection.host, connection.port)) {
    return { ...login, host: connection.host, port: connection.managementPort ?? defaultPort };
  }
  if (ownHost !== undefined && isSame(target, ownHost, ownPort)) {
    return { ...login, host: ownHost, port: defaultPort };
  }
  throw new Misconfigured(
    `The administrator's secret does not name this server (host and port); declare the connection in secrets.yaml if it is meant for this one.`,
  );
}

function isSame(target: Target, host: string, port: number | undefined): boolean {
  const isSamePort = port === undefined || target.port === undefined || port === target.port;
  return isSamePort && target.host.toLowerCase() === host.toLowerCase();
}
