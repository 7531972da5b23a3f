import type { HttpDeclaration } from '../../config/declaration.ts';
import { valueAt } from './json-pointer.ts';
import { isPublicId } from './names.ts';
import type { Answer } from './transport.ts';
import { scalarText } from './words.ts';

/** Seconds since 1970 stay below this until the year 5138; what is above are milliseconds. */
const MOST_SECONDS = 1e11;
/** What ends sooner is due again, at two thirds of its life, as soon as it is there. Clocks differ by less. */
const LEAST_LIFE_SECONDS = 120;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** What an answer says of the credential that was made. */
export interface Captured {
  readonly value: string;
  readonly id: string | undefined;
  readonly expiresAt: Date | undefined;
  /** By the declaration's names, `value` and `id` included. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** What cannot be used of an answer to `create`; with its id, where that much could be read. */
export interface Unusable {
  readonly unusable: string;
  readonly id: string | undefined;
}

/** Reads a JSON document; whole numbers that JavaScript cannot hold stay as they were written, as texts. */
export function readJson({ body }: Answer): { readonly document: unknown } | { readonly unusable: string } {
  if ('unusable' in body) return body;
  try {
    return { document: JSON.parse(body.text, exactly) };
  } catch {
    // The parser's message quotes the text: it is not kept.
    return { unusable: 'is not JSON' };
  }
}

/** Takes out of an answer what `capture` names. Only `expires_at` may be missing; it is no time that is over soon. */
export function captured({ capture }: HttpDeclaration['create'], answer: Answer, now: Date): Captured | Unusable {
  const json = readJson(answer);
  if ('unusable' in json) return { unusable: `The answer to http.create ${json.unusable}.`, id: undefined };
  const found = new Map(Object.entries(capture).map(([name, pointer]) => [name, valueAt(json.document, pointer)]));
  const value = found.get('value');
  const idText = found.has('id') ? scalarText(found.get('id')) : undefined;
  // Without a value there is nothing that an id could give away.
  const id = idText !== undefined && isPublicId(idText, scalarText(value) ?? '\0') ? idText : undefined;
  const fault = (text: string): Unusable => ({ unusable: `In the answer to http.create, ${text}.`, id });

  const fields: Record<string, string | number | boolean> = {};
  for (const [name, field] of found) {
    if (name === 'expires_at' && (field === undefined || field === null)) continue;
    if (scalarText(field) === undefined) return fault(`there is no text at the pointer of create.capture.${name}`);
    fields[name] = field as string | number | boolean;
  }
  if (typeof value !== 'string') return fault('create.capture.value leads to something else than a text');
  if (found.has('id') && id === undefined) return fault('create.capture.id does not lead to an id');
  const expiry = fields['expires_at'];
  const expiresAt = expiry === undefined ? undefined : readTime(expiry);
  if (expiry !== undefined && expiresAt === undefined) {
    return fault('create.capture.expires_at leads neither to an RFC 3339 time nor to seconds since 1970');
  }
  if (expiresAt !== undefined && expiresAt.getTime() < now.getTime() + LEAST_LIFE_SECONDS * 1000) {
    return fault(
      `create.capture.expires_at leads to a time that has passed, or will within ${LEAST_LIFE_SECONDS} s: where it says seconds of life, leave it out and rotate more often than that`,
    );
  }
  return { value, id, expiresAt, fields };
}

function readTime(value: string | number | boolean): Date | undefined {
  const text = String(value);
  if (RFC_3339.test(text)) {
    const time = new Date(text);
    return Number.isNaN(time.getTime()) ? undefined : time;
  }
  if (!/^\d{1,12}(?:\.\d+)?$/.test(text) || Number(text) >= MOST_SECONDS) return undefined;
  return new Date(Number(text) * 1000);
}

/** https://tc39.es/proposal-json-parse-with-source/: ids of 64 bits would come out as those of others. */
function exactly(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isInexact = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '');
  return isInexact ? context?.source : value;
}
