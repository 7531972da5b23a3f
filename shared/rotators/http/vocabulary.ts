import type { HttpDeclaration, HttpRequestDeclaration } from '../../config/declaration.ts';
import { templateNames } from './template.ts';

/** The four requests of a declaration, by the name that they have there. */
export type RequestName = 'create' | 'test' | 'revoke' | 'list';

/** What the administrator's secret is called in templates: whole, or one key of its JSON. */
export function isAdminWord(word: string): boolean {
  return word === 'admin' || word.startsWith('admin.');
}

/**
 * Whether a template may be used in a request. `create` and `list` come before the credential: they know the name that
 * Rekey gives and the administrator. `test` knows what is stored of the credential, and nobody else. `revoke` knows
 * both; a name only where it is stored, or is the credential's identity for want of an id.
 */
export function isKnownWord({ create: { capture } }: HttpDeclaration, request: RequestName, word: string): boolean {
  if (isAdminWord(word)) return request !== 'test' && word !== 'admin.';
  if (request === 'create' || request === 'list') return word === 'name';
  if (Object.hasOwn(capture, word)) return true;
  return word === 'name' && request === 'revoke' && !Object.hasOwn(capture, 'id');
}

/** Every template of a request, each once. */
export function wordsOf(request: HttpRequestDeclaration): readonly string[] {
  return [...new Set(templateTexts(request).flatMap(({ text }) => templateNames(text)))];
}

/** The texts of a request in which templates count, and where they are. The keys of headers and body are none. */
export function templateTexts({
  path,
  headers = {},
  body,
}: HttpRequestDeclaration): readonly { readonly place: string; readonly text: string }[] {
  return [
    { place: 'path', text: path },
    ...Object.entries(headers).map(([name, text]) => ({ place: `headers.${name}`, text })),
    ...stringsIn(body).map((text) => ({ place: 'body', text })),
  ];
}

function stringsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(stringsIn);
}
