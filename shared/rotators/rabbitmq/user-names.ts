import { createHash } from 'node:crypto';

/** As much as AMQP allows a short string. */
const NAME_BYTES = 255;
const HASH_DIGITS = 8;
const TURN = /^(.+)_([ab])$/s;

/**
 * The user whose turn it is after `incumbent`: `app` is followed by `app_a`, `app_a` by `app_b`, and that by `app_a`
 * again. A user who was made by hand under the name `app_b` is followed by `app_a` and becomes one of the two.
 */
export function candidateAfter(incumbent: string): string {
  const [, base = incumbent, turn = 'b'] = TURN.exec(incumbent) ?? [];
  return `${fit(base, NAME_BYTES - '_a'.length)}_${turn === 'a' ? 'b' : 'a'}`;
}

/** `name` in at most `bytes`: shortened at a character, with a hash of the whole so that two names stay two. */
function fit(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > bytes - HASH_DIGITS - 1) break;
    kept += character;
  }
  return `${kept}_${hash}`;
}
