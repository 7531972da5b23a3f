import { mayBeSecret } from './plaintext-detection.ts';

const QUOTED_CHARACTERS = 40;

/** `"text"` for a message: printable characters only, at most 40, and nothing of a text that may be a secret. */
export function quoteText(text: string): string {
  if (mayBeSecret(text)) return 'a text that is not shown';
  if (text.length <= QUOTED_CHARACTERS && /^[\x20-\x7e]*$/.test(text)) return `"${text}"`;
  const characters = Array.from(text.slice(0, 2 * QUOTED_CHARACTERS + 2), printable);
  const cut = characters.length > QUOTED_CHARACTERS || text.length > 2 * QUOTED_CHARACTERS;
  return `"${cut ? `${characters.slice(0, QUOTED_CHARACTERS - 1).join('')}…` : characters.join('')}"`;
}

function printable(character: string): string {
  return /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character) ? character : '?';
}
