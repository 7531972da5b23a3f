import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { assertHeldOnce } from '../json-secret.ts';
import { parseLossless } from '../lossless-json.ts';

/** GitHub promises no length (40 characters once, some 520 now); what is longer fits in no header. */
const LONGEST = 8192;
/** What can stand in a header: anything else would come back in an error text of the HTTP client. */
const token = z.string().check(z.maxLength(LONGEST), z.regex(/^[\x21-\x7e]+$/));
const secretSchema = z.looseObject({ token });

/** Prefixes of GitHub's tokens, and the two forms from before there were any. */
const GITHUB_TOKEN = /^(?:gh[a-z]_|github_pat_|v\d+\.|[0-9a-f]{40}$)/;
/** Made by or for a person: classic and fine-grained personal access tokens, OAuth and user tokens. */
const PERSONAL = /^(?:gh[opru]_|github_pat_|[0-9a-f]{40}$)/;
/** Of these, what GitHub revokes for anybody who has it. */
const REVOCABLE = /^(?:gh[opru]_|github_pat_)/;
const REFRESH = /^ghr_/;

/** A secret that holds a token. */
export interface TokenSecret {
  readonly token: SecretText;
  /** The secret's JSON as it was; `undefined`: the token is the whole text. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Reads a secret: the token as plain text, or JSON with the key `token`. `holder` is its owner in error texts. Throws
 * `Misconfigured` that names keys, never what they hold.
 */
export function parseTokenSecret(value: SecretText, holder: string): TokenSecret {
  const text = value.reveal().trim();
  // What is JSON otherwise is not sent to GitHub as a token.
  if (/^[[{"]/.test(text)) {
    const json = parseLossless(text);
    const parsed = secretSchema.safeParse(json);
    // The object itself, not the schema's copy of it: every key is to be carried over, `__proto__` too.
    if (parsed.success) return { token: new SecretText(parsed.data.token), json: json as Record<string, unknown> };
    throw new Misconfigured(
      `The ${holder}'s secret must be a token as plain text, or a JSON object with a text "token".`,
    );
  }
  if (token.safeParse(text).success) return { token: new SecretText(text), json: undefined };
  throw new Misconfigured(
    `The ${holder}'s secret is no token: empty, longer than ${LONGEST} characters, or not all of it printable ASCII.`,
  );
}

/**
 * The secret with another token: plain text where it was plain text; else JSON, every other key carried over. A new secret
 * is JSON.
 */
export function withToken(incumbent: TokenSecret | undefined, made: SecretText, expiresAt: Date): SecretText {
  if (incumbent !== undefined && incumbent.json === undefined) return made;
  return new SecretText(
    JSON.stringify({ ...incumbent?.json, token: made.reveal(), expires_at: expiresAt.toISOString() }),
  );
}

/** Throws `Misconfigured` where another key holds the token too (a clone URL). */
export function assertTokenOnce({ token, json = {} }: TokenSecret): void {
  const changed = ['token', 'expires_at'];
  assertHeldOnce(json, { holder: 'incumbent', what: 'the token', texts: [token.reveal()], changed });
}

/** Whether the text has the form of something that GitHub hands out. */
export function looksLikeToken(value: SecretText): boolean {
  return GITHUB_TOKEN.test(value.reveal());
}

/** Whether it belongs to a person, so that no App can revoke it. */
export function isPersonal(value: SecretText): boolean {
  return PERSONAL.test(value.reveal());
}

/** Whether GitHub takes it where tokens that were found are handed in. */
export function isRevocable(value: SecretText): boolean {
  return REVOCABLE.test(value.reveal());
}

/** Whether it is for getting tokens, so that GitHub refuses it everywhere, alive or dead. */
export function isRefreshToken(value: SecretText): boolean {
  return REFRESH.test(value.reveal());
}
