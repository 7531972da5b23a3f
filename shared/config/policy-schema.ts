import * as z from 'zod';

import type { PolicyDeclaration } from './declaration.ts';
import { oneOf, text, wholeNumber } from './schema-text.ts';

const DEFAULT_LENGTH = 32;
const CLASSES = ['lower', 'upper', 'digit', 'symbol'] as const;
const REQUIRE = `require is a list of ${CLASSES.join(', ')}`;

/** `policy:`; whether any text can meet it is `brokenPolicyRules`' to say. */
export const policySchema = z.strictObject(
  {
    length: wholeNumber('length', { min: 8, max: 4096 }).default(DEFAULT_LENGTH),
    alphabet: text('alphabet is a text of at most 256 characters, without control characters').optional(),
    require: z
      .array(oneOf('a class of characters', CLASSES), { error: REQUIRE })
      .max(20, { error: REQUIRE })
      .default([]),
    exclude: text('exclude is a text of at most 256 characters, without control characters').optional(),
    key: text("key is a key of the secret's JSON, at most 128 characters", 128).optional(),
  },
  { error: 'policy is a mapping such as { length: 48, require: [upper, digit] }' },
);

/** The declaration that a `policy:` means. */
export function policyDeclaration(written: z.output<typeof policySchema>): PolicyDeclaration {
  const { length, alphabet, require, exclude, key } = written;
  return {
    length,
    ...(alphabet === undefined ? {} : { alphabet }),
    require: [...new Set(require)],
    ...(exclude === undefined ? {} : { exclude }),
    ...(key === undefined ? {} : { key }),
  };
}
