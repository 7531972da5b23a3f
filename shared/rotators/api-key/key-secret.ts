import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { assertHeldOnce } from '../json-secret.ts';
import { parseLossless } from '../lossless-json.ts';
import type { MadeKey } from './key-provider.ts';

/** Where a secret's JSON has its key; a new secret has it in the first. */
const FIELDS = ['api_key', 'apiKey', 'OPENAI_API_KEY'] as const;
type Field = (typeof FIELDS)[number];

/** Longer than what any provider makes. */
const LONGEST = 8192;
/** What can stand in a header: anything else would come back in an error text of the HTTP client. */
const key = z.string().check(z.maxLength(LONGEST), z.regex(/^[\x21-\x7e]+$/));
const secretSchema = z.looseObject({
  api_key: z.optional(key),
  apiKey: z.optional(key),
  OPENAI_API_KEY: z.optional(key),
  key_id: z.optional(z.nullable(z.string().check(z.regex(/^[\w.:-]{1,256}$/)))),
});

/** Of a key's value at OpenAI; no id begins so. */
const VALUE = /^sk-/i;

/** A secret that holds a key. */
export interface KeySecret {
  readonly key: SecretText;
  /** As its JSON names it. */
  readonly keyId: string | undefined;
  /** The JSON as it was, and where in it the key is; `undefined`: the key is the whole text. */
  readonly json: { readonly held: Readonly<Record<string, unknown>>; readonly field: Field } | undefined;
}

/**
 * Reads a secret: the key as plain text, or JSON with `api_key` (or `apiKey`, `OPENAI_API_KEY`) and, if it likes,
 * `key_id`. `holder` is its owner in error texts. Throws `Misconfigured` that names keys, never what they hold.
 */
export function parseKeySecret(value: SecretText, holder: string): KeySecret {
  const text = value.reveal().trim();
  // What is JSON otherwise is not sent to the provider as a key.
  if (!/^[[{"]/.test(text)) {
    if (key.safeParse(text).success) return { key: new SecretText(text), keyId: undefined, json: undefined };
    throw new Misconfigured(
      `The ${holder}'s secret is no API key: empty, longer than ${LONGEST} characters, or not all of it printable ASCII.`,
    );
  }
  const json = parseLossless(text);
  const parsed = secretSchema.safeParse(json).data;
  const fields = FIELDS.filter((field) => parsed?.[field] !== undefined);
  const [field] = fields;
  const held = field === undefined ? undefined : parsed?.[field];
  if (field === undefined || held === undefined) {
    throw new Misconfigured(
      `The ${holder}'s secret must be an API key as plain text, or a JSON object with a text "api_key" (and "key_id", a text, if any).`,
    );
  }
  if (fields.length > 1)
    throw new Misconfigured(`The ${holder}'s secret holds several keys (${fields.join(', ')}): leave one.`);
  const keyId = parsed?.key_id ?? undefined;
  // An id is written down and told to people.
  if (keyId !== undefined && (VALUE.test(keyId) || keyId.includes(held) || held.includes(keyId))) {
    throw new Misconfigured(`"key_id" of the ${holder}'s secret is a key, or a part of one, not the id of one.`);
  }
  // The object itself, not the schema's copy of it: every key is to be carried over, `__proto__` too.
  return {
    key: new SecretText(held),
    keyId,
    json: { held: json as Record<string, unknown>, field },
  };
}

/**
 * The secret with another key: plain text where it was plain text; else JSON with the key's id, every other key carried
 * over. A new secret is JSON.
 */
export function withKey(incumbent: KeySecret | undefined, { id, value, expiresAt }: MadeKey): SecretText {
  if (incumbent !== undefined && incumbent.json === undefined) return value;
  const { held = {}, field = FIELDS[0] } = incumbent?.json ?? {};
  const ends =
    expiresAt !== undefined || Object.hasOwn(held, 'expires_at')
      ? { expires_at: expiresAt?.toISOString() ?? null }
      : {};
  return new SecretText(JSON.stringify({ ...held, [field]: value.reveal(), key_id: id, ...ends }));
}

/** Throws `Misconfigured` where another key of the JSON holds the API key too. */
export function assertKeyOnce({ key, json }: KeySecret): void {
  if (json === undefined) return;
  const changed = [json.field, 'key_id'];
  assertHeldOnce(json.held, { holder: 'incumbent', what: 'the API key', texts: [key.reveal()], changed });
}
