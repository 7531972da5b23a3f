import { expect } from 'vitest';
import { alphabetOf, type RandomInteger } from '../../shared/rotators/password.ts';
import { type DatabaseHarness, faultOf, parsed } from './mysql-harness.ts';
import type { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

/** Meets its own rules with one digit; the servers in these tests ask for two. */
const policy = { length: 20, require: ['lower', 'upper', 'digit', 'symbol'] } as const;

/** A secret whose first value is drawn with one digit, and whose second with two. */
export function refusingFirst(database: DatabaseHarness, adopted: Adopted) {
  const drawn = ['aaaaaaaaaaaaaaaaaA-1', 'bbbbbbbbbbbbbbbbB-22'];
  const rotations: RotationByHand = database.rotations(adopted, { policy }, { integer: integerFor(drawn.join('')) });
  const refused = 'refused';
  return {
    refused: () => faultOf(rotations.bringIn(refused)),
    /** The rest of what a workflow does: the roll back, and the rotation after it. */
    takenBackAndTriedAnew: async () => {
      expect(parsed(rotations.valueOf(refused)).password).toBe(drawn[0]);
      await rotations.retire(refused);
      const { value } = await rotations.rotate();
      expect(await rotations.probe(value)).toBe('accepted');
      expect(await rotations.probe(adopted.incumbent)).toBe('refused');
      return { first: drawn[0] ?? '', second: parsed(value).password };
    },
  };
}

/** Draws the characters of `text`, one after another. */
function integerFor(text: string): RandomInteger {
  const alphabet = alphabetOf(policy);
  const left = Array.from(text);
  return () => alphabet.indexOf(left.shift() ?? '');
}
