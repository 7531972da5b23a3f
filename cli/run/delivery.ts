import type { SecretValue } from '../../client/secret-value.ts';
import { Undeliverable } from './errors.ts';
import type { Medium, SecretSpec } from './secret-spec.ts';

export type Values = Readonly<Record<string, SecretValue>>;

/** What the command is given: the texts by target, and the versions they come from. The texts are never printed. */
export interface Delivery {
  readonly texts: ReadonlyMap<string, string>;
  readonly versions: Readonly<Record<string, string>>;
}

/** Throws `Undeliverable`, which names secret and key, never what was found there. Pure. */
export function deliver(specs: readonly SecretSpec[], values: Values, medium: Medium): Delivery {
  const texts = new Map<string, string>();
  const versions: Record<string, string> = {};
  for (const spec of specs) {
    const value = values[spec.secret];
    if (value === undefined) continue;
    texts.set(spec.target, textOf(spec, value, medium));
    versions[spec.secret] = value.versionId;
  }
  return { texts, versions };
}

/** Whether both come from the same versions. */
export function isSame({ versions: one }: Delivery, { versions: other }: Delivery): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => one[name] === other[name]);
}

function textOf({ secret, key }: SecretSpec, value: SecretValue, medium: Medium): string {
  const text = key === undefined ? value.reveal() : memberOf(secret, key, value);
  if (medium === 'environment' && text.includes('\0')) {
    throw new Undeliverable(`The value of "${secret}" has a zero byte: deliver it with --files.`);
  }
  return text;
}

function memberOf(secret: string, key: string, value: SecretValue): string {
  const document = value.json<unknown>();
  const has = typeof document === 'object' && document !== null && Object.hasOwn(document, key);
  const member = has ? (document as Readonly<Record<string, unknown>>)[key] : undefined;
  if (member === undefined || member === null) {
    throw new Undeliverable(`The value of "${secret}" has no member "${key}".`);
  }
  return typeof member === 'string' ? member : JSON.stringify(member);
}
