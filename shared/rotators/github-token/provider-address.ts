import { Misconfigured } from '../../errors.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The address of a provider's API, without a slash at its end: what is declared, else `standard`. It gets credentials,
 * so it is `https`, or `http` on a loopback address; `Misconfigured` for anything else.
 */
export function providerAddress(declared: string | undefined, standard: string): string {
  if (declared === undefined) return standard;
  const url = URL.parse(declared);
  if (url === null) throw new Misconfigured('base_url of the provider is not a URL.');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Misconfigured('base_url of the provider is an address only: without user, query and fragment.');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))) {
    throw new Misconfigured('base_url of the provider must begin with https:// (http:// on a loopback address only).');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
