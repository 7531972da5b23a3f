import type * as z from 'zod/mini';
import { Misconfigured } from '../errors.ts';
import type { SecretText } from '../redact.ts';
import { isStructured, parseLossless } from './lossless-json.ts';

/** Of a part of a secret: shorter ones are in any text. */
export const TELLING_CHARACTERS = 8;

/**
 * The JSON object that a secret is, every number in it as it was written (`parseLossless`): what a rotation does not change
 * is stored again. `holder` is its owner in error texts ("incumbent"). Throws `Misconfigured`.
 */
export function parseJsonObject(value: SecretText, holder: string): Readonly<Record<string, unknown>> {
  const parsed = parseLossless(value.reveal());
  if (!isStructured(parsed) || Array.isArray(parsed)) {
    throw new Misconfigured(`The ${holder}'s secret is not a JSON object.`);
  }
  return parsed as Readonly<Record<string, unknown>>;
}

/** The keys that a schema has something against, for an error text: names of the schema, never what they hold. */
export function brokenKeys({ issues }: z.core.$ZodError): string {
  return [...new Set(issues.map(({ path }) => String(path[0])))].join(', ');
}

/**
 * Throws `Misconfigured` where a key that a rotation does not change holds one of `texts` too (a connection URL), as it is
 * or percent-encoded, at any depth: it would go stale in silence.
 */
export function assertHeldOnce(
  json: Readonly<Record<string, unknown>>,
  about: {
    readonly holder: string;
    /** For the error text: "the password". */
    readonly what: string;
    readonly texts: readonly string[];
    /** The keys that a rotation changes. */
    readonly changed: readonly string[];
    /** Keys that may be equal to it by chance. */
    readonly ignored?: ReadonlySet<string>;
  },
): void {
  const { holder, what, changed, ignored } = about;
  const forms = about.texts
    .filter((text) => text.length >= TELLING_CHARACTERS)
    .flatMap((text) => [text, encodeURIComponent(text.toWellFormed())]);
  const holdsIt = (text: string) => forms.some((form) => text.includes(form));
  for (const [key, held] of Object.entries(json)) {
    if (changed.includes(key) || ignored?.has(key) === true) continue;
    if (!textsOf(held).some(holdsIt) && !holdsIt(key)) continue;
    // Nobody has declared this key: it is shown only where it looks like one, and is not the text itself.
    const shown = /^[\w.-]{1,64}$/.test(key) && !holdsIt(key) ? `"${key}"` : 'Another key';
    const those = changed.map((name) => `"${name}"`).join(' and ');
    throw new Misconfigured(
      `${shown} of the ${holder}'s secret holds ${what} as well; Rekey changes only ${those}, so it would go stale. Remove it.`,
    );
  }
}

/** Every text in a JSON value, the names of its keys included. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!isStructured(value)) return [];
  return Object.entries(value).flatMap(([key, held]) => [key, ...textsOf(held)]);
}
