import { Misconfigured } from '../../../errors.ts';

/** As OpenAI's audit log and key update name them: https://developers.openai.com/api/reference (project API keys, update). */
const MODEL_REQUEST = 'api.model.request';
const READ_EVERYTHING = 'api.all.read';
const SCOPE = /^(?:api|model)(?:\.[a-z][a-z0-9_]*)+$/;

/** Words of `api_key_management` and OpenAI's own of the dashboard. */
const WORDS: Readonly<Record<string, string>> = {
  chat: MODEL_REQUEST,
  completion: MODEL_REQUEST,
  completions: MODEL_REQUEST,
  read: READ_EVERYTHING,
  'read:all': READ_EVERYTHING,
  read_only: READ_EVERYTHING,
};

export interface Scopes {
  /** `undefined`: no restriction, as far as the service account itself may go. */
  readonly scopes: readonly string[] | undefined;
  readonly facts: Readonly<Record<string, string>>;
}

/** Reads `permissions`. Throws `Misconfigured` for words that are no scope and mean none: leaving them out would widen or narrow in silence. */
export function parseScopes(permissions: readonly string[] | undefined): Scopes {
  if (permissions === undefined || permissions.length === 0) {
    return { scopes: undefined, facts: { scopes: 'all that the service account may do: no permissions are declared' } };
  }
  const mapped: string[] = [];
  const scopes = permissions.map((declared) => {
    const word = declared.trim();
    if (SCOPE.test(word)) return word;
    const scope = Object.hasOwn(WORDS, word.toLowerCase()) ? WORDS[word.toLowerCase()] : undefined;
    if (scope === undefined) {
      throw new Misconfigured(
        `permissions: "${word.replace(/[^\w:.-]/g, '?').slice(0, 64)}" is no scope of OpenAI ("api.model.request"), nor one of ${Object.keys(WORDS).join(', ')}.`,
      );
    }
    mapped.push(`${word.toLowerCase()} is ${scope}`);
    return scope;
  });
  return {
    scopes: [...new Set(scopes)],
    facts: {
      scopes: [...new Set(scopes)].join(', '),
      ...(mapped.length === 0 ? {} : { scopes_mapped: mapped.join(', ') }),
      ...(scopes.includes(MODEL_REQUEST)
        ? { scopes_not_narrowed: `${MODEL_REQUEST} covers every request to a model` }
        : {}),
    },
  };
}
