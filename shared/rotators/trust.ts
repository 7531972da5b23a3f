import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Node's codes for a certificate that it did not accept; what the other side did not accept begins with `ERR_SSL_`. */
const UNVERIFIED = /^(?!ERR_SSL_).*(?:CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME|ALTNAME)/;
const OTHER_NAME = /HOSTNAME|ALTNAME/;
const OTHER_TIME = /EXPIRED|NOT_YET_VALID/;

const contexts = new Map<string, SecureContext>();

/** Options of a connection whose certificate is verified: by Node's own authorities, and the declared one (PEM). */
export function trust(authority: string | undefined): { rejectUnauthorized: true; secureContext?: SecureContext } {
  if (authority === undefined) return { rejectUnauthorized: true };
  let secureContext = contexts.get(authority);
  if (secureContext === undefined) {
    // Reading Node's 150 authorities takes milliseconds: once for each declared one.
    secureContext = createSecureContext({ ca: [...getCACertificates('default'), authority] });
    contexts.set(authority, secureContext);
  }
  return { rejectUnauthorized: true, secureContext };
}

/**
 * What is the matter with the certificate of `place`, and what to do, by Node's code; undefined where the code is about
 * something else. `mapping` is the one of the secret that has `base_url`.
 */
export function certificateFault(place: string, code: string, mapping: 'http' | 'provider'): string | undefined {
  if (!UNVERIFIED.test(code)) return undefined;
  if (OTHER_NAME.test(code))
    return `The certificate of ${place} is not for this name (${code}): base_url in ${mapping} must have one that it is for.`;
  if (OTHER_TIME.test(code)) return `The certificate of ${place} is not valid at this time (${code}).`;
  return `The certificate of ${place} is not trusted (${code}): declare its authority as certificate_authority in ${mapping}, beside base_url.`;
}
