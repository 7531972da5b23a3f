import type { PolicyDeclaration } from '../../config/declaration.ts';
import { Misconfigured } from '../../errors.ts';
import { alphabetOf, DEFAULT_POLICY } from '../password.ts';

/*
 * The server and libpq prepare a password before they use it (SASLprep, RFC 4013): they leave some characters out and
 * replace others. Not every driver does all of it. A password that preparing changes opens the database for one client
 * and not for another.
 */

/** RFC 3454, tables B.1 (left out) and C.1.2 (blanks, made one kind). Marks that join stand apart, outside a class. */
const LEFT_OUT = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/u;
const BLANKS = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/u;
/** What may become another character beside its neighbour: marks, and the parts of Hangul syllables. */
const JOINING = /[\p{M}\u1100-\u11ff]/u;

function isSameForAll(text: string): boolean {
  return text.normalize('NFKC') === text && !LEFT_OUT.test(text) && !BLANKS.test(text);
}

/** Whether clients of PostgreSQL read every password by a policy alike. */
export function isAlphabetSameForAll(policy: PolicyDeclaration): boolean {
  return alphabetOf(policy).every((character) => isSameForAll(character) && !JOINING.test(character));
}

/** Throws `Misconfigured` for an incumbent's password, or a policy for new ones, that clients of PostgreSQL do not read alike. */
export function assertSameForAll(password: string | undefined, policy: PolicyDeclaration = DEFAULT_POLICY): void {
  if (password !== undefined && !isSameForAll(password)) {
    throw new Misconfigured(
      "The incumbent's password has characters that clients of PostgreSQL prepare differently (RFC 4013): give the role another one.",
    );
  }
  if (isAlphabetSameForAll(policy)) return;
  throw new Misconfigured(
    'policy has characters in its alphabet that clients of PostgreSQL prepare differently (RFC 4013).',
  );
}
