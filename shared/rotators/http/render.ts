import type { HttpRequestDeclaration } from '../../config/declaration.ts';
import { Misconfigured } from '../../errors.ts';
import { hasDotStep } from './check-declaration.ts';
import { fillTemplate } from './template.ts';
import type { RequestName } from './vocabulary.ts';
import type { Words } from './words.ts';

/** A request as it is sent. */
export interface RenderedRequest {
  readonly name: RequestName;
  readonly method: string;
  /** With its query, percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string | undefined;
  readonly expect: readonly number[];
}

/**
 * Inserts `words` into a request, each where it stands and nowhere else: percent-encoded in the path, a single line of
 * ASCII in a header, text within a string in the body. Throws `Misconfigured` that names the template, never its text.
 */
export function render(name: RequestName, request: HttpRequestDeclaration, words: Words): RenderedRequest {
  const { method, path, headers = {}, body, expect } = request;
  const lookUp = (word: string): string => {
    const text = words(word);
    if (text !== undefined) return text;
    throw new Misconfigured(`http.${name} needs {{${word}}}, and nothing is known for it: ${hint(word)}`);
  };
  return {
    name,
    method,
    path: renderPath(name, path, lookUp),
    headers: Object.fromEntries(
      Object.entries(headers).map(([header, text]) => [
        header,
        fillTemplate(text, (word) => inHeader(lookUp(word), { name, header, word })),
      ]),
    ),
    body: body === undefined ? undefined : JSON.stringify(renderBody(body, lookUp)),
    expect,
  };
}

function renderPath(name: RequestName, path: string, lookUp: (word: string) => string): string {
  return fillTemplate(path, (word) => {
    const text = lookUp(word);
    // An id must not lead to another place than the one that is written. Servers that decode a path before they walk it
    // would walk steps within one.
    if (text === '' || !text.isWellFormed() || hasDotStep(text)) {
      throw new Misconfigured(`What {{${word}}} stands for cannot be part of http.${name}.path.`);
    }
    return encodeURIComponent(text);
  });
}

function inHeader(
  text: string,
  { name, header, word }: { readonly name: RequestName; readonly header: string; readonly word: string },
): string {
  // What HTTP would cut off at the ends would be accepted here and refused where the value is used whole.
  if (/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text)) return text;
  throw new Misconfigured(
    `What {{${word}}} stands for cannot be sent in the header "${header}" of http.${name}: it is empty, or has a blank at an end, a line break or another character that no header may have.`,
  );
}

/** Strings with their templates filled, everything else as it is: no text can change the structure. */
function renderBody(body: unknown, lookUp: (word: string) => string): unknown {
  if (typeof body === 'string') return fillTemplate(body, lookUp);
  if (Array.isArray(body)) return body.map((item) => renderBody(item, lookUp));
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, renderBody(value, lookUp)]));
}

function hint(word: string): string {
  return `add "${word}" to the JSON of the secret's value.`;
}
