/** A piece of what SHOW prints: a word or sign, or a name or text in quotes, as it stands there. */
export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Names in backquotes (doubled inside), texts in single quotes (doubled, or after a backslash), words, single signs. */
const TOKEN = /`(?:[^`]|``)*`|'(?:[^'\\]|''|\\[\s\S])*'|[A-Za-z_]+|[^\s]/gy;

/**
 * Splits one line of SHOW GRANTS. Its names are all in quotes (`sql_quote_show_create`), so that a word is a keyword,
 * whatever people call their databases.
 */
export function tokensOf(line: string): readonly Token[] {
  const tokens: Token[] = [];
  const spaced = /\s*/y;
  for (let at = 0; ; ) {
    spaced.lastIndex = at;
    spaced.exec(line);
    TOKEN.lastIndex = spaced.lastIndex;
    const found = TOKEN.exec(line);
    if (found === null) return tokens;
    at = TOKEN.lastIndex;
    tokens.push({ text: found[0], start: found.index, end: at });
  }
}

/** `tokens` split at the commas that are outside of parentheses; each part as text of `line`. */
export function listOf(line: string, tokens: readonly Token[]): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let first: Token | undefined;
  let last: Token | undefined;
  for (const token of [...tokens, undefined]) {
    if (token === undefined || (token.text === ',' && depth === 0)) {
      if (first !== undefined && last !== undefined) parts.push(line.slice(first.start, last.end));
      first = undefined;
      continue;
    }
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    first ??= token;
    last = token;
  }
  return parts;
}
