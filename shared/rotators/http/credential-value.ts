import type { HttpDeclaration } from '../../config/declaration.ts';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { assertHeldOnce } from '../json-secret.ts';
import { isPublicId } from './names.ts';
import { jsonObject, scalarText, type Words, wordsFrom } from './words.ts';

/** A credential as the secret holds it: a JSON object of captures, or the plain value. */
export interface StoredCredential {
  readonly value: string;
  readonly id: string | undefined;
  /** Present where the secret is a JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** What templates may say of it. */
  readonly words: Words;
}

/** Reads a secret's value; `holder` is its owner in error texts. Throws `Misconfigured` that names keys, not what they hold. */
export function readStored(secret: SecretText, holder: string, { create }: HttpDeclaration): StoredCredential {
  const text = secret.reveal();
  if (text === '') throw new Misconfigured(`The ${holder}'s value is empty.`);
  const json = jsonObject(text);
  if (json === undefined) return { value: text, id: undefined, json, words: wordsFrom({ value: text }) };
  if (!Object.hasOwn(json, 'value') || typeof json['value'] !== 'string' || json['value'] === '') {
    throw new Misconfigured(`The ${holder}'s value is a JSON object and has no text under "value".`);
  }
  const fields = Object.fromEntries(
    Object.keys(create.capture).map((name) => [name, Object.hasOwn(json, name) ? scalarText(json[name]) : undefined]),
  );
  const { id } = fields;
  if (id !== undefined && !isPublicId(id, json['value'])) {
    throw new Misconfigured(`What the ${holder}'s value has under "id" is not an id.`);
  }
  return { value: json['value'], id, json, words: wordsFrom(fields) };
}

/** The secret's whole value: in the form that the incumbent's has, with every other key of it. */
export function candidateValue(
  fields: Readonly<Record<string, string | number | boolean>>,
  incumbent: StoredCredential | undefined,
  { create }: HttpDeclaration,
): SecretText {
  if (incumbent !== undefined && incumbent.json === undefined) return new SecretText(String(fields['value']));
  const others = Object.entries(incumbent?.json ?? {}).filter(([key]) => !Object.hasOwn(create.capture, key));
  return new SecretText(JSON.stringify(Object.fromEntries([...others, ...Object.entries(fields)])));
}

/** Throws `Misconfigured` where another key holds the value too. */
export function assertValueOnce({ json = {}, value }: StoredCredential, { create }: HttpDeclaration): void {
  const changed = Object.keys(create.capture);
  assertHeldOnce(json, { holder: 'incumbent', what: 'the value', texts: [value], changed });
}
