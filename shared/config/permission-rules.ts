import { SCOPE_WORDS, scopeOf } from '../rotators/api-key/openai/openai-scopes.ts';
import { parsePermission } from '../rotators/github-token/permissions.ts';
import type { SecretType } from './declaration.ts';
import { sentence } from './describe-issue.ts';
import { type KeyDefaults, narrowingOf } from './key-defaults.ts';
import { quoteText } from './quote-text.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';
import { nearest } from './suggestion.ts';

interface Words {
  readonly isOne: (word: string) => boolean;
  readonly allowed: string;
  /** Among which somebody may have meant one. */
  readonly known: readonly string[];
}

/** By type, what a rotator reads in `permissions`. */
const WORDS: Readonly<Partial<Record<SecretType, Words>>> = {
  github_token: {
    isOne: (word) => parsePermission(word) !== undefined,
    allowed:
      'permissions of a github_token are those of its App, each with read, write or admin, as in "contents:read" or "read:all"',
    known: [],
  },
  api_key: {
    isOne: (word) => scopeOf(word) !== undefined,
    allowed: `permissions of an api_key are scopes of OpenAI such as api.model.request, or ${SCOPE_WORDS.join(', ')}`,
    known: SCOPE_WORDS,
  },
};

/** Words of `permissions` that the rotator would refuse: the secret's own, each at its place, or the first by `openclaw.json`. */
export function brokenPermissionRules(entry: SecretEntry, keys: KeyDefaults): readonly RuleFinding[] {
  const words = entry.type === undefined ? undefined : WORDS[entry.type];
  if (words === undefined) return [];
  const { isOne, allowed, known } = words;
  if (entry.permissions === undefined) {
    const word = narrowingOf(entry, keys).permissions?.find((declared) => !isOne(declared));
    if (word === undefined) return [];
    return [{ at: [], message: sentence(`found ${quoteText(word)} in permissions, by openclaw.json`, allowed) }];
  }
  return entry.permissions.flatMap((word, index) =>
    isOne(word)
      ? []
      : [
          {
            at: ['permissions', String(index)],
            message: sentence(`found ${quoteText(word)}`, allowed, nearest(word, known)),
          },
        ],
  );
}

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
