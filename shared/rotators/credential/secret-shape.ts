import type { PolicyDeclaration } from '../../config/declaration.ts';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { assertHeldOnce } from '../json-secret.ts';
import { isStructured, parseLossless } from '../lossless-json.ts';

const DEFAULT_KEY = 'password';

/** Types of Rekey whose target has the password as well, by the `engine` of the AWS database convention. */
const TYPE_BY_ENGINE: ReadonlyMap<string, string> = new Map([
  ['postgres', 'postgresql'],
  ['postgresql', 'postgresql'],
  ['aurora-postgresql', 'postgresql'],
  ['mysql', 'mysql'],
  ['aurora', 'mysql'],
  ['aurora-mysql', 'mysql'],
  ['mariadb', 'mariadb'],
  ['redis', 'redis'],
  ['valkey', 'redis'],
  ['rabbitmq', 'rabbitmq'],
]);

/** How a secret holds its one generated text: as the whole of it, as a JSON text, or under a key of a JSON object. */
export type SecretShape =
  | { readonly kind: 'text' | 'json_text'; readonly generated: string }
  | {
      readonly kind: 'object';
      readonly generated: string;
      readonly key: string;
      readonly json: Readonly<Record<string, unknown>>;
    };

/** Reads a secret. Throws `Misconfigured` that names keys, never what they hold. */
export function readShape(value: SecretText, holder: string, policy: PolicyDeclaration | undefined): SecretShape {
  const text = value.reveal();
  const parsed = parseLossless(text);
  if (isStructured(parsed)) {
    return readObject(parsed as Record<string, unknown>, holder, policy);
  }
  if (policy?.key !== undefined) {
    throw new Misconfigured(
      `policy names the key ${JSON.stringify(policy.key)}, but the ${holder}'s secret is no JSON object.`,
    );
  }
  // Whatever else parses (a number, null) is a plain text that happens to look so.
  return typeof parsed === 'string' ? { kind: 'json_text', generated: parsed } : { kind: 'text', generated: text };
}

/** The same secret with another generated text; every other key as it was. `undefined`: a first one, plain unless policy names a key. */
export function withGenerated(
  shape: SecretShape | undefined,
  generated: string,
  policy: PolicyDeclaration | undefined,
): SecretText {
  if (shape === undefined) {
    return new SecretText(policy?.key === undefined ? generated : JSON.stringify({ [policy.key]: generated }));
  }
  if (shape.kind === 'object') return new SecretText(JSON.stringify({ ...shape.json, [shape.key]: generated }));
  return new SecretText(shape.kind === 'json_text' ? JSON.stringify(generated) : generated);
}

/** Everything of a secret but what is generated, as one text to compare. */
export function frameOf(shape: SecretShape): string {
  return shape.kind === 'object' ? withGenerated(shape, '', undefined).reveal() : shape.kind;
}

function readObject(json: Record<string, unknown>, holder: string, policy: PolicyDeclaration | undefined): SecretShape {
  const key = policy?.key ?? DEFAULT_KEY;
  if (Array.isArray(json)) {
    throw new Misconfigured(`The ${holder}'s secret is a JSON list: a text or an object can be rotated.`);
  }
  const { engine } = json;
  const type = typeof engine === 'string' ? TYPE_BY_ENGINE.get(engine.toLowerCase()) : undefined;
  if (type !== undefined) {
    throw new Misconfigured(
      `The ${holder}'s secret has the engine of type ${type}: declare type: ${type}. As type credential only what is stored would change, and nobody could log in with it.`,
    );
  }
  if (!Object.hasOwn(json, key)) {
    throw new Misconfigured(
      `The ${holder}'s secret is a JSON object without the key ${JSON.stringify(key)}: name the one to replace as policy.key.`,
    );
  }
  const generated = json[key];
  if (typeof generated !== 'string')
    throw new Misconfigured(`${JSON.stringify(key)} of the ${holder}'s secret is not a text.`);
  const what = `what is under ${JSON.stringify(key)}`;
  assertHeldOnce(json, { holder, what, texts: [generated], changed: [key] });
  return { kind: 'object', generated, key, json };
}
