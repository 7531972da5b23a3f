import { Misconfigured } from '../../../errors.ts';

/**
 * As OpenAI's reference names them (https://developers.openai.com/api/reference): `api.responses.write` where keys of service
 * accounts are made, `api.all.read` where keys are updated, `api.model.request` in the audit log. Errors of the live API
 * call the last one `model.request`.
 */
const MODEL_REQUEST = 'api.model.request';
const RESPONSES = 'api.responses.write';
const READ_EVERYTHING = 'api.all.read';
/** Scopes that a request shows. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  [MODEL_REQUEST]: ['calling models'],
  'model.request': ['calling models'],
  [RESPONSES]: ['making responses'],
  [READ_EVERYTHING]: ['reading models', 'reading files'],
  'api.model.read': ['reading models'],
  'api.files.read': ['reading files'],
};
const SCOPE = /^(?:api|model)(?:\.[a-z][a-z0-9_]*)+$/;

/** Words of `api_key_management` and OpenAI's own of the dashboard. */
const WORDS: Readonly<Record<string, string>> = {
  chat: MODEL_REQUEST,
  completion: MODEL_REQUEST,
  completions: MODEL_REQUEST,
  responses: RESPONSES,
  read: READ_EVERYTHING,
  'read:all': READ_EVERYTHING,
  read_only: READ_EVERYTHING,
};

/** What `permissions` may say instead of a scope. */
export const SCOPE_WORDS: readonly string[] = Object.keys(WORDS);

/** The scope that a text of `permissions` is or means; undefined where it is none and means none. */
export function scopeOf(declared: string): string | undefined {
  const word = declared.trim();
  if (SCOPE.test(word)) return word;
  return Object.hasOwn(WORDS, word.toLowerCase()) ? WORDS[word.toLowerCase()] : undefined;
}

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
    const scope = scopeOf(word);
    if (scope === undefined) {
      throw new Misconfigured(
        `permissions: "${word.replace(/[^\w:.-]/g, '?').slice(0, 64)}" is no scope of OpenAI ("api.model.request"), nor one of ${SCOPE_WORDS.join(', ')}.`,
      );
    }
    if (scope !== word) mapped.push(`${word.toLowerCase()} is ${scope}`);
    return scope;
  });
  const unshown = [...new Set(scopes)].filter((scope) => !Object.hasOwn(SHOWN, scope));
  return {
    scopes: [...new Set(scopes)],
    facts: {
      scopes: [...new Set(scopes)].join(', '),
      ...(unshown.length === 0
        ? {}
        : { scopes_not_tried: `${unshown.join(', ')}: no request without effect shows them` }),
      ...(mapped.length === 0 ? {} : { scopes_mapped: mapped.join(', ') }),
      ...(scopes.includes(MODEL_REQUEST)
        ? { scopes_not_narrowed: `${MODEL_REQUEST} covers every request to a model` }
        : {}),
    },
  };
}

/** Of the declared permissions those that a request shows, and which. */
export function promisedBy(permissions: readonly string[] | undefined): Readonly<Record<string, readonly string[]>> {
  const { scopes = [] } = parseScopes(permissions);
  return Object.fromEntries(
    scopes.flatMap((scope) => {
      const shown = Object.hasOwn(SHOWN, scope) ? SHOWN[scope] : undefined;
      return shown === undefined ? [] : [[scope, shown] as const];
    }),
  );
}
