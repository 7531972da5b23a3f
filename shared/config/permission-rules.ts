import { type KeyDefaults, narrowingOf } from './key-defaults.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';

/** `permissions` that have no effect, the secret's own or those of `openclaw.json`. */
export function doubtfulPermissionRules(entry: SecretEntry, keys: KeyDefaults): readonly RuleFinding[] {
  if (entry.type !== 'iam' || narrowingOf(entry, keys).permissions === undefined) return [];
  const where = entry.permissions === undefined ? ', by openclaw.json' : '';
  return [
    {
      at: ['permissions'],
      message: `found permissions in a secret of type iam${where}; permissions restrict nothing here, because an access key can do what the policies of its user allow`,
    },
  ];
}
