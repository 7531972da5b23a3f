import { RekeyError } from '../errors.ts';
import { alphabetOf, randomPassword, tooLongFor } from '../rotators/password.ts';
import { isAlphabetSameForAll } from '../rotators/postgresql/same-for-all.ts';
import { policyDeclaration } from './policy-schema.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';

/** The least security strength that NIST SP 800-131A (revision 2, section 1) accepts. */
const ENOUGH_BITS = 112;
const UNLIKE =
  'found an alphabet with characters that clients of PostgreSQL prepare differently; ligatures, soft hyphens, unusual blanks, combining marks and other characters that RFC 4013 changes are not allowed';

/** A policy that no text can meet, or hardly any, or whose texts the target does not take. */
export function brokenPolicyRules({ policy, type }: Pick<SecretEntry, 'policy' | 'type'>): readonly RuleFinding[] {
  if (policy === undefined) return [];
  const fault = faultOf(policy);
  if (fault !== undefined) return [{ at: ['policy'], message: `found an impossible policy; ${fault}` }];
  const declared = policyDeclaration(policy);
  if (type === 'postgresql' && !isAlphabetSameForAll(declared))
    return [{ at: ['policy', 'alphabet'], message: UNLIKE }];
  const excess = tooLongFor(type, declared);
  return excess === undefined ? [] : [{ at: ['policy', 'length'], message: `found a policy for ${excess}` }];
}

/** A policy whose texts could be guessed. */
export function doubtfulPolicyRules({ policy }: Pick<SecretEntry, 'policy'>): readonly RuleFinding[] {
  if (policy === undefined) return [];
  const bits = Math.floor(policy.length * Math.log2(Math.max(1, alphabetOf(policyDeclaration(policy)).length)));
  if (bits >= ENOUGH_BITS) return [];
  return [
    {
      at: ['policy'],
      message: `found a policy of about ${bits} bits; ${ENOUGH_BITS} bits or more cannot be guessed: make length longer, or the alphabet larger`,
    },
  ];
}

/** The generator's own rules. It draws nothing here: that it asks for the first character is the answer. */
function faultOf(policy: NonNullable<SecretEntry['policy']>): string | undefined {
  const possible = new Error('possible');
  try {
    randomPassword(policyDeclaration(policy), () => {
      throw possible;
    });
  } catch (error) {
    if (error === possible) return undefined;
    if (!(error instanceof RekeyError)) throw error;
    return error.safeMessage.replace(/\.$/, '');
  }
  return undefined;
}
