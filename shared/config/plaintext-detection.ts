/*
 * What a plaintext secret looks like. Every pattern has a left boundary or bounded repetition, so that a hostile file
 * costs time in proportion to its length.
 */
const SECRET_FORMS = [
  String.raw`(?<![A-Za-z0-9])gh[pousr]_(?=[A-Za-z]{0,40}\d|[A-Za-z0-9]{16})[A-Za-z0-9]{8,255}`,
  String.raw`(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{8,255}`,
  String.raw`(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]{0,100}\d)[A-Za-z0-9_-]{12,255}`,
  String.raw`(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{8,255}`,
  String.raw`(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])`,
  String.raw`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY`,
  String.raw`(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,4000}\.eyJ[A-Za-z0-9_-]{4}`,
  String.raw`:\/\/[^\s:/@"']{0,100}:[^\s/@"']{1,100}@`,
  String.raw`hooks\.slack\.com\/services\/[A-Za-z0-9]`,
].join('|');

const ANY_SECRET_FORM = new RegExp(SECRET_FORMS);

const SENSITIVE_KEY =
  /(?:^|_)(?:password|passwd|passphrase|pwd|token|api_?key|access_?key|access_?key_?id|private_?key|secret_?key|signing_?key|encryption_?key|secret|secret_?value|secret_?string|credential|bearer|authorization)s?$/;

/** Keys of `secrets.yaml` itself that end like one that asks for a secret, and hold a name. */
const HARMLESS_KEYS = new Set(['admin_secret', 'secrets']);

/** Offsets in `text` where a known form of secret begins: provider prefixes, private keys, JWTs, URLs with a password. */
export function findSecretForms(text: string): readonly number[] {
  return Array.from(text.matchAll(new RegExp(SECRET_FORMS, 'g')), (match) => match.index);
}

/** True if a known form of secret occurs in `text`. */
export function hasSecretForm(text: string): boolean {
  return ANY_SECRET_FORM.test(text);
}

/** True for keys that ask for a secret's value: `password`, `token`, `apiKey`, `db-password`, … */
export function isSensitiveKey(key: string): boolean {
  if (key.length > 200 || HARMLESS_KEYS.has(key)) return false;
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_');
  return SENSITIVE_KEY.test(words);
}

/**
 * True if a text says by templates what to insert, and holds nothing itself: `{{value}}`, `Bearer {{admin.token}}`. Beside
 * its templates it may have punctuation and two words of letters, as schemes of authentication are.
 */
export function isMadeOfTemplates(text: string): boolean {
  const rest = text.replaceAll(/\{\{[^{}]*\}\}/g, ' ');
  if (rest === text) return false;
  const words = rest.match(/[^\s:;,."'=&-]+/g) ?? [];
  return words.length <= 2 && words.every((word) => /^[A-Za-z]{1,20}$/.test(word));
}

/**
 * True if `text` must not be repeated in a message: a known form, or a long run that mixes capitals, small letters and
 * digits as generated values do. Wider than `hasSecretForm`, because not quoting costs little.
 */
export function mayBeSecret(text: string): boolean {
  if (hasSecretForm(text)) return true;
  return (text.match(/[^\s,;:"'()]{12,}/g) ?? []).some(
    (run) => /[A-Z]/.test(run) && /[a-z]/.test(run) && /\d/.test(run),
  );
}
