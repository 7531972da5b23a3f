import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import { SecretText } from '../../shared/redact.ts';
import { httpRotator } from '../../shared/rotators/http/http-rotator.ts';
import { KeyServer } from '../providers/key-server.ts';
import type { TargetHarness } from './target-harness.ts';

/** The key server's API in a secret's words: bearer tokens, keys by account. */
export function keyServerDeclaration(baseUrl: string, account: string): HttpDeclaration {
  const headers = { authorization: 'Bearer {{admin.token}}' };
  const keys = `/v1/accounts/${encodeURIComponent(account)}/keys`;
  return {
    baseUrl,
    create: {
      method: 'POST',
      path: keys,
      headers,
      body: { name: '{{name}}' },
      expect: [201],
      capture: { value: '/data/secret', id: '/data/id', expires_at: '/data/expires_at' },
    },
    test: { method: 'GET', path: '/v1/whoami', headers: { authorization: 'Bearer {{value}}' }, expect: [200] },
    revoke: { method: 'DELETE', path: `${keys}/{{id}}`, headers, expect: [204] },
    list: { method: 'GET', path: keys, headers, expect: [200], items: '/data', id: '/id', name: '/name' },
  };
}

/** The declaration without a list, by which lost answers could be found. */
export function withoutList(declaration: HttpDeclaration): HttpDeclaration {
  const { list: _, ...rest } = declaration;
  return rest;
}

/** The key server for the shared suites: one account for each secret. */
export function openHttp(): Promise<TargetHarness> {
  return open((declaration) => declaration);
}

/** The same, at an API that lists nothing. */
export async function openHttpWithoutList(): Promise<TargetHarness> {
  return { ...(await open(withoutList)), leavesDoubt: true };
}

async function open(declare: (declaration: HttpDeclaration) => HttpDeclaration): Promise<TargetHarness> {
  const server = await KeyServer.start();
  return {
    type: 'http',
    adopt: async (name) => {
      const { id, value } = server.make(name, 'made by hand');
      return {
        name,
        declared: { http: declare(keyServerDeclaration(server.url, name)) },
        incumbent: new SecretText(JSON.stringify({ value, id, note: 'not of the API' })),
        admin: new SecretText(JSON.stringify({ token: server.admin })),
      };
    },
    rotator: (clock) => httpRotator({ clock }),
    state: async ({ name }) => JSON.stringify(server.keys(name).map((key) => [key.id, key.name])),
    unaccounted: async ({ name: account }, accounted) => {
      const values = accounted.map(({ value }) => (value === undefined ? undefined : parsed(value).value));
      return server
        .keys(account)
        .filter(({ value }) => !values.includes(value))
        .map(({ name }) => name);
    },
    use: async (secret) => {
      const headers = { authorization: `Bearer ${parsed(secret).value}` };
      const { status } = await fetch(`${server.url}/v1/whoami`, { headers });
      if (status !== 200) throw new Error(`status ${status}`);
    },
    stop: () => server.stop(),
  };
}

/** What the secrets of these tests hold. */
export function parsed(secret: SecretText): { readonly value: string; readonly id?: string } {
  return JSON.parse(secret.reveal()) as { value: string };
}
