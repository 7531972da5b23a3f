import { isIP, type Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { authPlugins, type AuthPlugin, type SslOptions } from 'mysql2';
import { PlainPasswordAsked } from './mysql-errors.ts';

const trusted = new Map<string | undefined, SslOptions>();

/** TLS that verifies the server's certificate and name; `certificateAuthority` is trusted beside the system's. */
export function tlsOptions(certificateAuthority: string | undefined): SslOptions {
  let options = trusted.get(certificateAuthority);
  if (options === undefined) {
    options = {
      rejectUnauthorized: true,
      verifyIdentity: true,
      ...(certificateAuthority === undefined ? {} : { ca: [...getCACertificates('default'), certificateAuthority] }),
    };
    // One object for each: the driver reads the 150 authorities once for each object.
    trusted.set(certificateAuthority, options);
  }
  return options;
}

/**
 * The driver names no server in TLS when it connects to an address, and Node then compares the certificate with
 * "localhost". Node takes the name of the socket's peer instead where the socket has one, as it has for a DNS name.
 */
export function nameForTls(socket: Socket, host: string): void {
  if (isIP(host) !== 0) Object.assign(socket, { _host: host });
}

/** Whether the password may be given to whoever answers, encrypted with a key that nobody vouches for. */
export function mayAnswerUnverified({ host, tls }: { readonly host: string; readonly tls: string }): boolean {
  return tls === 'disable' || host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Without TLS, MySQL's newer plugins have the client encrypt the password with a key that the server sends: not here. */
export const REFUSING_PLUGINS: Readonly<Record<string, AuthPlugin>> = {
  caching_sha2_password: authPlugins.caching_sha2_password({ onServerPublicKey: refuse }),
  sha256_password: authPlugins.sha256_password({ onServerPublicKey: refuse }),
};

function refuse(): never {
  throw new PlainPasswordAsked();
}
