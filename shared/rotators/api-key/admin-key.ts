import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { parseLossless } from '../lossless-json.ts';

const FIELDS = ['admin_key', 'api_key', 'apiKey'] as const;
const key = z.string().check(z.minLength(1), z.maxLength(8192), z.regex(/^[\x21-\x7e]+$/));
const adminSchema = z.looseObject({ admin_key: z.optional(key), api_key: z.optional(key), apiKey: z.optional(key) });

/**
 * The administrator's key: the secret's whole text, or JSON with `admin_key`, `api_key` or `apiKey`. Throws `Misconfigured`
 * that names keys, never what they hold.
 */
export function parseAdminKey(admin: SecretText | undefined, secretId: string): SecretText {
  if (admin === undefined) {
    throw new Misconfigured(`Declare admin_secret for "${secretId}": the secret with the provider's admin key.`);
  }
  const text = admin.reveal().trim();
  const found = text.startsWith('{') ? fromJson(text) : key.safeParse(text).data;
  if (found !== undefined) return new SecretText(found);
  throw new Misconfigured(
    `The administrator's secret must be an admin key as plain text, or JSON with one of ${FIELDS.join(', ')}.`,
  );
}

function fromJson(text: string): string | undefined {
  const parsed = adminSchema.safeParse(parseLossless(text)).data;
  return parsed === undefined ? undefined : FIELDS.map((field) => parsed[field]).find((held) => held !== undefined);
}
