import { isIP } from 'node:net';

/** By the local socket, or where the resolver calls the machine so. */
const LOCAL = 'localhost';

/**
 * Whether an account for `pattern` may let in a client that the process list shows at `client` (an address or a name).
 * In doubt it does: for netmasks, and between names and addresses, which only the server's resolver brings together.
 * https://dev.mysql.com/doc/refman/8.4/en/account-names.html
 */
export function mayLetIn(pattern: string, client: string): boolean {
  if (pattern === '' || pattern === '%' || pattern.includes('/')) return true;
  if (pattern.toLowerCase() === LOCAL) return [LOCAL, '127.0.0.1', '::1'].includes(client.toLowerCase());
  const isOfAddresses = /^[\d.%_]+$/.test(pattern) || pattern.includes(':');
  if (isOfAddresses !== (isIP(client) !== 0)) return true;
  const parts = [...pattern.matchAll(/\\([\s\S])|([\s\S])/g)].map(([, escaped, plain]) => {
    if (plain === '%') return '[\\s\\S]*';
    return plain === '_' ? '[\\s\\S]' : (escaped ?? plain ?? '').replace(/[\^$.*+?()[\]{}|]/, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, 'i').test(client);
}
