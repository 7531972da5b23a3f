import type { CatalogueEntry } from '../catalogue-entry.ts';

export const CREDENTIAL: CatalogueEntry = {
  type: 'credential',
  rotates:
    'A random text by policy, for systems that read it from Secrets Manager: signing keys, shared tokens, cookie secrets.',
  kind: 'chosen',
  value:
    'plain text, which is replaced whole; or {"password": "…", …}, of which only the key that policy.key names (password) is replaced',
  needs: [
    'Everybody who checks the value reads it from Secrets Manager and follows its versions.',
    'In a JSON object the key to replace is there and holds a text, and no other key holds the same text.',
  ],
  overlap:
    'Rekey keeps both versions in Secrets Manager until the old one is retired; whether both are taken is up to who checks them.',
  proofOfDeath:
    'None: there is no target that could refuse the old value. The audit entry says so (refused_login: false).',
  limits: [
    'A value that a database or a broker has as well is not changed there: a JSON object with the engine of another type of Rekey is refused.',
    'A secret without a value becomes plain text, or a JSON object where policy.key names a key.',
    'policy: length (32 characters), alphabet (letters, digits, - and _), require (lower, upper, digit, symbol), exclude, key.',
    'JSON is written anew without blanks; numbers keep their digits.',
  ],
  testedAt: 'Nothing: there is no target.',
  example: `- name: prod/app/cookie_signing_key
  type: credential
  rotation: 30_days
  policy:
    length: 48
    require: [lower, upper, digit]
    exclude: "0Ol1I"`,
};
