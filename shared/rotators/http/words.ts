import { Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { isStructured, parseLossless, writtenNumber } from '../lossless-json.ts';
import { isAdminWord } from './vocabulary.ts';

/** What a template stands for. Throws `Misconfigured` for a word that has no text here; `undefined` is passed on. */
export type Words = (word: string) => string | undefined;

/** The JSON object that a text is, if it is one; `parseLossless` says how its numbers are. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed = parseLossless(text);
    return isStructured(parsed) && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    // Nested too deep to be read: a text like any other.
    return undefined;
  }
}

/** The text that a field of a JSON object is inserted as; `undefined` for what is no single value. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value);
  return writtenNumber(value);
}

/** The words of the administrator's secret: `admin` of a plain text, `admin.KEY` of a JSON object. */
export function adminWords(admin: SecretText | undefined, secretId: string): Words {
  return (word) => {
    if (!isAdminWord(word)) return undefined;
    if (admin === undefined) {
      throw new Misconfigured(`{{${word}}} needs an administrator: declare admin_secret for "${secretId}".`);
    }
    const text = admin.reveal();
    const json = jsonObject(text);
    if (word === 'admin') {
      if (json === undefined && text !== '') return text;
      throw new Misconfigured(
        json === undefined
          ? "The administrator's secret is empty."
          : "The administrator's secret is a JSON object: say which key is meant, as {{admin.KEY}}.",
      );
    }
    if (json === undefined) {
      throw new Misconfigured(
        `{{${word}}} needs a JSON object, and the administrator's secret is none: say {{admin}}.`,
      );
    }
    const key = word.slice('admin.'.length);
    const value = Object.hasOwn(json, key) ? scalarText(json[key]) : undefined;
    if (value === undefined) throw new Misconfigured(`The administrator's secret has no text for {{${word}}}.`);
    return value;
  };
}

/** What one has not, the next may have. */
export function eitherOf(...all: readonly Words[]): Words {
  return (word) => {
    for (const words of all) {
      const text = words(word);
      if (text !== undefined) return text;
    }
    return undefined;
  };
}

/** Words out of a record; only its own keys count. */
export function wordsFrom(fields: Readonly<Record<string, string | undefined>>): Words {
  return (word) => (Object.hasOwn(fields, word) ? fields[word] : undefined);
}
