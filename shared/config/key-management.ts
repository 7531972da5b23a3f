import { isMap, type YAMLMap } from 'yaml';
import * as z from 'zod';

import type { SecretType } from './declaration.ts';
import type { KeyDefaults } from './key-defaults.ts';
import { quoteText } from './quote-text.ts';
import type { Reading } from './reading.ts';
import { REPORTED_KEYS, reportRepeated } from './repeated-keys.ts';
import { permissionsSchema, rotationSchema, scopeSchema } from './schema.ts';
import { nearest } from './suggestion.ts';
import { describeNode, findPair, keyText, offsetOf } from './yaml-tree.ts';

export const KEY_MANAGEMENT = 'api_key_management';

/** The kinds of keys that Rekey knows by OpenClaw's names, and the type that each has in `secrets.yaml`. */
const TYPES = { github_token: 'github_token', openai_key: 'api_key', aws_key: 'iam' } as const satisfies Readonly<
  Record<string, SecretType>
>;
const KINDS = Object.keys(TYPES) as readonly (keyof typeof TYPES)[];

const kindSchema = z.strictObject({
  rotation: rotationSchema.optional(),
  scope: scopeSchema.optional(),
  permissions: permissionsSchema.optional(),
});
const FIELDS = Object.keys(kindSchema.shape);

/** OpenClaw's name for the keys of a type; none for types that it has none for. */
export function kindOf(type: SecretType | undefined): string | undefined {
  return KINDS.find((kind) => TYPES[kind] === type);
}

/** The defaults in `api_key_management` of a whole `openclaw.json`. Kinds that Rekey does not know are OpenClaw's. */
export function readKeyManagement(root: YAMLMap, reading: Reading): KeyDefaults {
  const block = findPair(root, KEY_MANAGEMENT)?.value;
  if (block === undefined) return {};
  reportRepeated(root, reading, (key) => key === KEY_MANAGEMENT);
  if (!isMap(block)) {
    const allowed = `${KEY_MANAGEMENT} is an object with ${KINDS.join(', ')}`;
    reading.report({ offset: offsetOf(block), message: `${describeNode(block, unquoted)}; ${allowed}` });
    return {};
  }
  reportRepeated(block, reading, (key) => Object.hasOwn(TYPES, key));
  warnOfMisspelling(block, reading);
  const defaults: { -readonly [Type in keyof KeyDefaults]: KeyDefaults[Type] } = {};
  for (const kind of KINDS) {
    const written = readKind(block, kind, reading);
    if (written !== undefined) defaults[TYPES[kind]] = written;
  }
  return defaults;
}

function readKind(block: YAMLMap, kind: string, reading: Reading): KeyDefaults[SecretType] | undefined {
  const node = findPair(block, kind)?.value;
  if (node === undefined) return undefined;
  if (!isMap(node)) {
    reading.report({
      offset: offsetOf(node),
      message: `${describeNode(node, unquoted)}; ${kind} is an object with ${FIELDS.join(', ')}`,
    });
    return undefined;
  }
  reportRepeated(node, reading);
  const written = reading.check(kindSchema, node, { what: kind, keys: { '': FIELDS } });
  if (!written) return undefined;
  const { rotation, scope, permissions } = written;
  return {
    ...(rotation === undefined ? {} : { rotation }),
    ...(scope === undefined ? {} : { scope }),
    ...(permissions === undefined ? {} : { permissions }),
  };
}

function warnOfMisspelling(block: YAMLMap, reading: Reading): void {
  for (const pair of block.items.slice(0, REPORTED_KEYS)) {
    const key = keyText(pair) ?? '';
    const meant = Object.hasOwn(TYPES, key) ? undefined : nearest(key, KINDS);
    if (meant !== undefined)
      reading.warn({
        offset: offsetOf(pair.key),
        message: `found the key ${quoteText(key)}, which Rekey ignores; did you mean "${meant}"?`,
      });
  }
}

/** A text in place of a key's settings may be the key. */
function unquoted(): string {
  return 'a text';
}
