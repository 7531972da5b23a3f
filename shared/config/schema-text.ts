import * as z from 'zod';

import { DURATION_FORMS, parseDuration } from './duration.ts';

/** What is allowed wherever an authority is named. */
export const CERTIFICATE_AUTHORITY = 'certificate_authority is the path of a PEM file beside this file';

/** A text of bounded length without control characters; `allowed` says so in a message. */
export function text(allowed: string, longest = 256) {
  return z.string({ error: allowed }).regex(new RegExp(`^[^\\p{Cc}]{1,${longest}}$`, 'u'), { error: allowed });
}

/** A text that a pattern admits; `allowed` says in words what it admits. */
export function textLike(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

/** One of the given words. */
export function oneOf<const Words extends readonly string[]>(what: string, words: Words) {
  return z.enum(words, { error: `${what} is one of ${words.join(', ')}` });
}

/** `true` or `false`. */
export function flag(what: string) {
  return z.boolean({ error: `${what} is true or false` });
}

/** A whole number within bounds. */
export function wholeNumber(what: string, bounds: { readonly min: number; readonly max: number }) {
  const error = `${what} is a whole number from ${bounds.min} to ${bounds.max}`;
  return z.number({ error }).int({ error }).min(bounds.min, { error }).max(bounds.max, { error });
}

/**
 * A mapping of any names to texts; `entry` is what is allowed for one of them. Zod's own records leave `__proto__` out in
 * silence; here it is a name like any other.
 */
export function textsByName(allowed: string, entry: string) {
  return z.unknown().transform((value, context): Readonly<Record<string, string>> => {
    if (!isMapping(value)) {
      context.addIssue({ code: 'custom', message: allowed });
      return z.NEVER;
    }
    const texts: [string, string][] = [];
    for (const [name, text] of Object.entries(value)) {
      if (typeof text === 'string') texts.push([name, text]);
      else context.addIssue({ code: 'invalid_type', expected: 'string', message: entry, path: [name], input: text });
    }
    return Object.fromEntries(texts);
  });
}

/** Whether a value is a mapping: no list, no scalar. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Percent, as a whole number or a text such as "10%". */
export function percent(what: string) {
  return z.unknown().transform((value, context): number => {
    const written = typeof value === 'string' && /^\d{1,3}%$/.test(value) ? Number(value.slice(0, -1)) : value;
    if (typeof written === 'number' && Number.isInteger(written) && written >= 0 && written <= 100) return written;
    context.addIssue({
      code: 'custom',
      message: `${what} is a whole number of percent from 0 to 100, such as 10 or "10%"`,
    });
    return z.NEVER;
  });
}

/** Seconds of a duration within bounds; a bare 0 may stand without quotes. */
export function seconds(what: string, bounds: { readonly min: number; readonly max: number; readonly bounds: string }) {
  return z.unknown().transform((value, context): number => {
    const parsed = typeof value === 'string' ? parseDuration(value) : value === 0 ? 0 : undefined;
    if (parsed !== undefined && parsed >= bounds.min && parsed <= bounds.max) return parsed;
    const allowed = parsed === undefined ? `${what} is ${DURATION_FORMS}` : `${what} is ${bounds.bounds}`;
    context.addIssue({ code: 'custom', message: allowed });
    return z.NEVER;
  });
}
