import { X509Certificate } from 'node:crypto';

import type { ReadBeside } from './configuration-file.ts';

/** It is kept in the registry's record, which has 400 KB; AWS's bundle of every region's authorities has 165 KB. */
const MOST_BYTES = 256 * 1024;
const ALLOWED = 'certificate_authority is the path of a PEM file with certificates, beside this file';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----/g;

export type CertificateAuthority =
  | { readonly ok: true; readonly pem: string }
  | { readonly ok: false; readonly message: string };

/** Reads the certificates that a relative path names. Only certificates come back, so no other file's content can. */
export function readCertificateAuthority(
  relativePath: string,
  readBeside: ReadBeside | undefined,
): CertificateAuthority {
  const segments = relativePath.split('/');
  if (/^[A-Za-z]:|\\/.test(relativePath) || relativePath.startsWith('/') || segments.includes('..'))
    return { ok: false, message: `found a path that leads elsewhere; ${ALLOWED}` };
  const bytes = readBeside?.(relativePath);
  if (bytes === undefined || bytes === 'unreadable') return { ok: false, message: `found no such file; ${ALLOWED}` };
  if (bytes.byteLength > MOST_BYTES) return { ok: false, message: `found a file over 256 KiB; ${ALLOWED}` };
  const text = new TextDecoder().decode(bytes);
  if (text.includes('PRIVATE KEY-----'))
    return { ok: false, message: `found a private key in the file; ${ALLOWED}, and the key belongs nowhere near it` };
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate))
    return { ok: false, message: `found a file without valid certificates; ${ALLOWED}` };
  return { ok: true, pem: `${certificates.join('\n')}\n` };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // OpenSSL's message would quote internals; that it is not a certificate is all there is to say.
    return false;
  }
}
