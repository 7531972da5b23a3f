/**
 * Text that cannot command a terminal or forge a line: control characters (escape sequences, newlines, C1), invisible
 * formatting (bidirectional overrides), line separators and lone surrogates become U+FFFD. Pure.
 */
export function printable(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
