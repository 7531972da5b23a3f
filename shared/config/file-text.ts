/** Room for 10,000 secrets with the five fields of the format (1.2 MB), and a bound on the work that a file can cause. */
export const MAX_FILE_BYTES = 1.5 * 1024 * 1024;

/** A file beside it; RDS's global bundle of certificates has 162 KiB. */
export const MAX_BESIDE_BYTES = 512 * 1024;

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string; readonly before: string };

/** The file's text, without a byte order mark; or why it is none, and the text before the place where that shows. */
export function fileText(bytes: Uint8Array, maxBytes: number = MAX_FILE_BYTES): FileText {
  if (bytes.byteLength > maxBytes) {
    const most = maxBytes < 1024 * 1024 ? `${maxBytes / 1024} KiB` : `${maxBytes / 1024 / 1024} MiB`;
    return { ok: false, before: '', message: `the file is too large; a configuration file has at most ${most}` };
  }
  const text = new TextDecoder('utf-8').decode(bytes);
  const control = text.search(/(?![\t\n\r\u0085])\p{Cc}/u);
  const foreign = isUtf8(bytes) ? -1 : text.indexOf('\uFFFD');
  const at = [control, foreign].filter((offset) => offset !== -1).sort((a, b) => a - b)[0];
  if (at === undefined) return { ok: true, text };
  const found = at === foreign ? 'bytes that are not UTF-8' : 'a control character';
  return { ok: false, before: text.slice(0, at), message: `found ${found}; a configuration file is UTF-8 text` };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    // The only reason why a fatal decoder throws.
    return false;
  }
}
