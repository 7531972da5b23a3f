import type { ProviderDeclaration, SecretDeclaration, SecretType } from './declaration.ts';

/** By type, the fields of `provider:` that a rotation needs, and where the declaration has them. */
const OF_PROVIDER: Partial<Readonly<Record<SecretType, Readonly<Record<string, keyof ProviderDeclaration>>>>> = {
  iam: { user: 'user' },
  github_token: { app_id: 'appId', installation_id: 'installationId' },
  api_key: { project: 'project', service_account: 'serviceAccount' },
};

/** Providers that make a credential for an administrator of theirs only. AWS knows Rekey's own role. */
const WITH_ADMINISTRATOR: ReadonlySet<SecretType | undefined> = new Set(['github_token', 'api_key']);

/** Fields that a written `provider:` of this type must have; none for a type without `provider:`. */
export function requiredOfProvider(type: SecretType | undefined): readonly string[] {
  return Object.keys(ofProvider(type));
}

/**
 * What is not declared, and an issued credential cannot be made without: names of fields, such as `provider`,
 * `provider.user`, `admin_secret`. Empty when it can rotate, and for types whose value Rekey chooses.
 */
export function missingFor(
  declaration: Pick<SecretDeclaration, 'type' | 'provider' | 'http' | 'adminSecret'>,
): readonly string[] {
  const { type, provider, http, adminSecret } = declaration;
  const missing: string[] = [];
  const needed = Object.entries(ofProvider(type));
  if (needed.length > 0 && provider === undefined) missing.push('provider');
  else for (const [field, key] of needed) if (provider?.[key] === undefined) missing.push(`provider.${field}`);
  if (type === 'http' && http === undefined) missing.push('http');
  if (WITH_ADMINISTRATOR.has(type) && adminSecret === undefined) missing.push('admin_secret');
  return missing;
}

function ofProvider(type: SecretType | undefined): Readonly<Record<string, keyof ProviderDeclaration>> {
  return (type === undefined ? undefined : OF_PROVIDER[type]) ?? {};
}
