import * as z from 'zod';

import { baseUrlProblem } from '../rotators/http/base-url.ts';

const ALLOWED =
  'base_url is a URL that begins with https:// (http:// only on a loopback address), without user, password, query and fragment';

/**
 * The address of an API: `https`, or `http` on a loopback address. What is none is not quoted, because the user of a URL
 * is where tokens are written.
 */
export const baseUrlSchema = z.string({ error: ALLOWED }).superRefine((written, context) => {
  if (/^[\x21-\x7e]{1,2048}$/.test(written) && baseUrlProblem(written) === undefined) return;
  context.addIssue({ code: 'custom', message: ALLOWED, params: { found: 'found another text' } });
});
