import { isMap } from 'yaml';

import type { SecretType } from './declaration.ts';
import { kindOf, KEY_MANAGEMENT } from './key-management.ts';
import { classOf, defaultRotation, type RotationDefaults } from './rotation-defaults.ts';
import { ROTATION, type SecretEntry, type WrittenSecret } from './schema.ts';
import { typeOf } from './type-fields.ts';
import type { Finding } from './yaml-tokens.ts';
import { findPair, offsetOf } from './yaml-tree.ts';

/** Longer than any grace period and any life, so that no rule finds anything by it. */
const UNKNOWN: SecretEntry['rotation'] = {
  written: '10_years',
  schedule: { kind: 'months', months: 120 },
  isDefault: true,
};

/**
 * A secret's own `rotation`, or the default of its type. Where there is neither, and where its own (in `node`) is wrong,
 * a stand-in: the rest of it is judged, and it is no declaration.
 */
export function rotationOf(
  secret: WrittenSecret,
  { node, defaults }: { readonly node: unknown; readonly defaults: RotationDefaults },
): { readonly rotation: SecretEntry['rotation']; readonly isKnown: boolean } {
  if (secret.rotation !== undefined) return { rotation: { ...secret.rotation, isDefault: false }, isKnown: true };
  const isWrong = isMap(node) && findPair(node, 'rotation') !== undefined;
  const found = isWrong ? undefined : defaultRotation(secret.type, defaults);
  return found === undefined
    ? { rotation: UNKNOWN, isKnown: false }
    : { rotation: { ...found, isDefault: true }, isKnown: true };
}

/**
 * That a secret has no `rotation` and `openclaw.json` has none for its type, and where it may be written. Nothing is said
 * while `openclaw.json` has problems: what is missing may be one of them. Looks at the nodes, so that it has its say about
 * a secret that the schema has something to say about too.
 */
export function missingRotation(secret: unknown, defaults: RotationDefaults): readonly Finding[] {
  if (!isMap(secret) || findPair(secret, 'rotation') || !defaults.isComplete) return [];
  const type = typeOf(secret);
  const mayHaveOne = type === 'wrong' ? Object.keys(defaults.byType).length > 0 : defaultRotation(type, defaults);
  if (mayHaveOne) return [];
  const places = type === 'wrong' ? [] : placesFor(type);
  const elsewhere = places.length === 0 ? '' : `, here or in openclaw.json as ${places.join(' or ')}`;
  return [{ offset: offsetOf(secret), message: `rotation is missing; ${ROTATION}${elsewhere}` }];
}

function placesFor(type: SecretType | undefined): readonly string[] {
  const kind = kindOf(type);
  const name = classOf(type);
  return [
    ...(kind === undefined ? [] : [`${KEY_MANAGEMENT}.${kind}.rotation`]),
    ...(name === undefined ? [] : [`secretsManagement.rotationPolicy.${name}`]),
  ];
}
