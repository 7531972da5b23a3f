import { Misconfigured } from '../../errors.ts';
import { baseUrlProblem } from '../http/base-url.ts';

/**
 * The address of a provider's API, without a slash at its end: what is declared, else `standard`. It gets credentials,
 * so it is `https`, or `http` on a loopback address; `Misconfigured` for anything else, which is not repeated.
 */
export function providerAddress(declared: string | undefined, standard: string): string {
  if (declared === undefined) return standard;
  const problem = baseUrlProblem(declared);
  if (problem !== undefined) throw new Misconfigured(`base_url of the provider ${problem}.`);
  return declared.replace(/\/+$/, '');
}
