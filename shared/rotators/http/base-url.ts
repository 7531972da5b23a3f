const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** What is wrong with a `baseUrl`; `undefined` when every request may go there: https, or http on a loopback address. */
export function baseUrlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return 'is not a URL such as https://api.example.com';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))) {
    return 'must begin with https:// (http:// only on a loopback address)';
  }
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (text.includes('?') || text.includes('#')) return 'must have neither query nor fragment';
  return undefined;
}
