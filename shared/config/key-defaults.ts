import type { SecretDeclaration, SecretType } from './declaration.ts';
import type { Rotation, SecretEntry } from './schema.ts';

type Narrowing = Pick<SecretDeclaration, 'scope' | 'permissions'>;

/** By type, what holds for the secrets that do not say it themselves: `api_key_management` of `openclaw.json`. */
export type KeyDefaults = Readonly<Partial<Record<SecretType, Narrowing & { readonly rotation?: Rotation }>>>;

/** A secret's own `scope` and `permissions`, and the defaults of its type where it says nothing. */
export function narrowingOf(entry: Pick<SecretEntry, 'type' | 'scope' | 'permissions'>, keys: KeyDefaults): Narrowing {
  const defaults = entry.type === undefined ? undefined : keys[entry.type];
  const scope = entry.scope ?? defaults?.scope;
  const permissions = entry.permissions ?? defaults?.permissions;
  return { ...(scope === undefined ? {} : { scope }), ...(permissions === undefined ? {} : { permissions }) };
}
