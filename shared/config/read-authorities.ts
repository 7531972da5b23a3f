import { readCertificateAuthority } from './certificate-authority.ts';
import type { Reading } from './reading.ts';
import type { WrittenSecret } from './schema.ts';
import { offsetAt } from './yaml-tree.ts';

/** The mappings of a secret that may name the authority of whatever they lead to. */
const HOLDERS = ['connection', 'provider', 'http'] as const;

/** PEM texts, by the mapping that names their file. */
export type Authorities = Readonly<Partial<Record<(typeof HOLDERS)[number], string>>>;

/** The certificates that a secret names; undefined where a file of them is of no use, which is reported at its place. */
export function readAuthorities(secret: WrittenSecret, node: unknown, reading: Reading): Authorities | undefined {
  const authorities: { -readonly [Holder in keyof Authorities]: Authorities[Holder] } = {};
  let isWhole = true;
  for (const holder of HOLDERS) {
    const file = secret[holder]?.certificate_authority;
    if (file === undefined) continue;
    const authority = readCertificateAuthority(file, reading.readBeside);
    if (authority.ok) authorities[holder] = authority.pem;
    else {
      isWhole = false;
      reading.report({ offset: offsetAt(node, [holder, 'certificate_authority']), message: authority.message });
    }
  }
  return isWhole ? authorities : undefined;
}
