import { type ErrorCode, isRecord } from './protocol.ts';

/** A text of JSON with what follows it where that makes it a key, or a bracket. Only for what `JSON.parse` has taken. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(?<colon>\s*:)?|[{}[\]]/gs;

/** One field of a secret's JSON object. A key that is there twice is not guessed at: JSON's readers disagree about it. */
export function fieldOf(text: string, key: string): { readonly value: string } | { readonly code: ErrorCode } {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { code: 'NOT_JSON' };
  }
  if (!isRecord(document)) return { code: 'NOT_JSON' };
  if (!Object.hasOwn(document, key)) return { code: 'NOT_FOUND' };
  if (countKey(text, key) > 1) return { code: 'AMBIGUOUS_DUPLICATE_KEY' };
  const value = document[key];
  return typeof value === 'string' ? { value } : { code: 'NOT_A_STRING' };
}

function countKey(text: string, key: string): number {
  let depth = 0;
  let count = 0;
  for (const { 0: token, groups } of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && groups?.['colon'] !== undefined) {
      if (JSON.parse(token.slice(0, -groups['colon'].length)) === key) count += 1;
    }
  }
  return count;
}
