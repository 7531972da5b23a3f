/** A value in every form in which it could lie about, by the name of the form. Each alone gives the value away. */
export function formsOf(value: string): ReadonlyMap<string, string> {
  const bytes = Buffer.from(value, 'utf8');
  const hex = bytes.toString('hex');
  const quoted = JSON.stringify(value).slice(1, -1);
  const forms: readonly (readonly [string, string])[] = [
    ['plain', value],
    ['JSON', quoted],
    ['JSON in JSON', JSON.stringify(quoted).slice(1, -1)],
    ['URL-encoded', encodeURIComponent(value)],
    ['hex', hex],
    ['upper-case hex', hex.toUpperCase()],
    ['base64', base64At(bytes, 0)],
    ['base64 at 1', base64At(bytes, 1)],
    ['base64 at 2', base64At(bytes, 2)],
    ['base64url', urlSafe(base64At(bytes, 0))],
    ['base64url at 1', urlSafe(base64At(bytes, 1))],
    ['base64url at 2', urlSafe(base64At(bytes, 2))],
  ];
  const different = new Map<string, string>();
  const seen = new Set<string>();
  for (const [name, form] of forms) {
    if (seen.has(form)) continue;
    seen.add(form);
    different.set(name, form);
  }
  return different;
}

/** What base64 of a longer text has at the place of `bytes`, when `before` bytes (modulo three) precede them. */
function base64At(bytes: Buffer, before: 0 | 1 | 2): string {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  const first = Math.ceil((before * 8) / 6);
  const end = Math.floor(((before + bytes.length) * 8) / 6);
  return encoded.slice(first, end);
}

function urlSafe(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_');
}
