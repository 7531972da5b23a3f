/*
 * What a plaintext secret looks like. Every pattern has a left boundary or bounded repetition, so that a hostile file
 * costs time in proportion to its length. Prefixes and lengths are facts of the providers, as listed for gitleaks:
 * https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
 */

/**
 * Follows a prefix with which the name of a secret could begin, too: a capital and a digit, capitals as no word has them, or
 * a long run without capitals, - and _.
 */
const UNLIKE_WORDS = String.raw`(?=[a-z0-9_-]{0,100}[A-Z])(?:(?=[A-Za-z_-]{0,100}\d)|(?=[A-Za-z_-]{0,100}[A-Z][a-z][A-Z][a-z][A-Z]))`;
const UNLIKE_NAMES = `(?:${UNLIKE_WORDS}|(?=[a-z0-9]{16}))`;

/** Beginnings that a provider gives to nothing but its secrets, behind a character that is no letter and no digit. */
const PREFIXES: Readonly<Record<string, string>> = {
  GitHub: String.raw`gh[pousr]_(?=[A-Za-z]{0,40}\d|[A-Za-z0-9]{16})[A-Za-z0-9]{8,255}|github_pat_[A-Za-z0-9_]{8,255}`,
  GitLab: `gl(?:pat|ptt|rt|dt|ft|soat|cbt|imt|oas|ffct|agent)-${UNLIKE_NAMES}[A-Za-z0-9_-]{20,255}`,
  'OpenAI and Anthropic': String.raw`(?<![_-])sk-(?=[A-Za-z_-]{0,100}\d)[A-Za-z0-9_-]{12,255}`,
  Slack: String.raw`xox[abeoprs]-[A-Za-z0-9-]{8,255}|xapp-\d-[A-Z0-9]{1,64}-\d{1,64}-[a-z0-9]`,
  Stripe: `[sr]k_(?:live|test|prod)_${UNLIKE_NAMES}[A-Za-z0-9]{10,255}|whsec_${UNLIKE_NAMES}[A-Za-z0-9+/]{20,255}`,
  AWS: 'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])|ABSK[A-Za-z0-9+/]{80,300}',
  Google: 'AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])',
  npm: `npm_${UNLIKE_NAMES}[A-Za-z0-9]{36}(?![A-Za-z0-9])`,
  PyPI: 'pypi-AgE[A-Za-z0-9_-]{16,255}',
  RubyGems: 'rubygems_[a-f0-9]{48}',
  SendGrid: String.raw`SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}`,
  'Hugging Face': `hf_${UNLIKE_NAMES}[A-Za-z0-9]{34}(?![A-Za-z0-9])`,
  Databricks: 'dapi[a-f0-9]{32}(?![A-Za-z0-9])',
  DigitalOcean: 'do[opr]_v1_[a-f0-9]{64}',
  Grafana: `glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_${UNLIKE_NAMES}[A-Za-z0-9+/]{32,400}`,
  'HashiCorp Vault': String.raw`hv[sb]\.[A-Za-z0-9_-]{80,300}`,
  Linear: 'lin_api_[A-Za-z0-9]{40}',
  Notion: String.raw`ntn_\d{11}[A-Za-z0-9]{35}`,
  Perplexity: 'pplx-[A-Za-z0-9]{48}',
  Pulumi: 'pul-[a-f0-9]{40}(?![A-Za-z0-9])',
  Sentry: 'sntryu_[a-f0-9]{64}|sntrys_eyJ[A-Za-z0-9+/]{16}',
  Shopify: 'shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}',
  age: 'AGE-SECRET-KEY-1[A-Z0-9]{58}',
};

/** Whose keys and tokens are known by their beginning; the documentation names them. */
export const KNOWN_PROVIDERS: readonly string[] = Object.keys(PREFIXES);

const SECRET_FORMS = [
  `(?<![A-Za-z0-9])(?:${Object.values(PREFIXES).join('|')})`,
  String.raw`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY`,
  String.raw`(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,4000}\.eyJ[A-Za-z0-9_-]{4}`,
  String.raw`:\/\/[^\s:/@"']{0,100}:[^\s/@"']{1,100}@`,
  String.raw`hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9]`,
].join('|');

const ANY_SECRET_FORM = new RegExp(SECRET_FORMS);

/** A secret access key of AWS has no beginning of its own: 40 characters that stand alone. */
const FORTY_CHARACTERS = /(?<=^|[\s"'`=:,;()[\]{}<>])[A-Za-z0-9+/]{40}(?=$|[\s"'`,;()[\]{}<>])/g;
/** Of random texts 2 in 1,000 have fewer; of texts made of words, in capitals or not, with slashes and numbers, most do. */
const LEAST_PIECES = 14;

const SENSITIVE_KEY =
  /(?:^|_)(?:password|passwd|passphrase|pwd|token|api_?key|access_?key|access_?key_?id|private_?key|secret_?key|signing_?key|encryption_?key|secret|secret_?value|secret_?string|credential|bearer|authorization)s?$/;

/** Keys of `secrets.yaml` itself that end like one that asks for a secret, and hold a name. */
const HARMLESS_KEYS = new Set(['admin_secret', 'secrets']);

/**
 * Offsets in `text` where a known form of secret begins, ascending: provider prefixes, secret access keys of AWS, private
 * keys, JWTs, URLs with a password.
 */
export function findSecretForms(text: string): readonly number[] {
  const forms = Array.from(text.matchAll(new RegExp(SECRET_FORMS, 'g')), (match) => match.index);
  return [...forms, ...randomTexts(text)].sort((one, other) => one - other);
}

/** True if a known form of secret occurs in `text`. */
export function hasSecretForm(text: string): boolean {
  return ANY_SECRET_FORM.test(text) || randomTexts(text).length > 0;
}

/** Where 40 characters stand alone that mix capitals, small letters and digits as random ones do. */
function randomTexts(text: string): readonly number[] {
  const found = Array.from(text.matchAll(FORTY_CHARACTERS)).filter(
    ([run]) => /[A-Z]/.test(run) && /[a-z]/.test(run) && /\d/.test(run) && piecesOf(run) >= LEAST_PIECES,
  );
  return found.map(({ index }) => index);
}

/** Of how many words, numbers and signs a text would be made; a capital may begin a word. */
function piecesOf(text: string): number {
  return (text.match(/[A-Z]?[a-z]+|[A-Z]+|\d+|[^A-Za-z\d]+/g) ?? []).length;
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
