import { Misconfigured } from '../errors.ts';

/** In V8 since Node 21, not in TypeScript's libraries yet: https://tc39.es/proposal-json-parse-with-source/ */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context?: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON?(value: unknown): boolean;
};

/**
 * What a JSON text holds, with numbers that `JSON.stringify` writes as they were written: a long id is not rounded. What it
 * would write so anyway is a number; `numberIn` reads the others. `undefined` for any other text; what was wrong with it is
 * not kept, because it quotes the text.
 */
export function parseLossless(text: string): unknown {
  try {
    return json.parse(text, (_, value, context) => {
      const source = context?.source;
      const isKept = typeof value !== 'number' || source === undefined || JSON.stringify(value) === source;
      return isKept ? value : json.rawJSON(source);
    });
  } catch (error) {
    // Not JSON; anything else (nested too deep) must not make an object look like a plain text.
    if (error instanceof SyntaxError) return undefined;
    throw new Misconfigured('The secret is JSON that is nested too deep to be read.');
  }
}

/** An object or a list, and not one of the numbers. */
export function isStructured(value: unknown): value is object {
  return typeof value === 'object' && value !== null && json.isRawJSON?.(value) !== true;
}

/** A number that is kept as it was written, as JavaScript has it; anything else as it is. */
export function numberIn(value: unknown): unknown {
  const written = writtenNumber(value);
  return written === undefined ? value : Number(written);
}

/** The text of a number that is kept as it was written. */
export function writtenNumber(value: unknown): string | undefined {
  return json.isRawJSON?.(value) === true ? (value as { readonly rawJSON: string }).rawJSON : undefined;
}
