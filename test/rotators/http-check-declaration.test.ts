import { describe, expect, it } from 'vitest';
import type { HttpDeclaration, HttpRequestDeclaration } from '../../shared/config/declaration.ts';
import { checkHttpDeclaration } from '../../shared/rotators/http/check-declaration.ts';
import { HTTP } from '../../shared/rotators/http/catalogue.ts';
import { keyServerDeclaration } from './http-harness.ts';

const RIGHT = keyServerDeclaration('https://api.example.com/v2', 'ours');

type Part = 'create' | 'test' | 'revoke' | 'list';
/** The right declaration with one request changed. */
const changed = (part: Part, change: Partial<HttpRequestDeclaration>): HttpDeclaration => ({
  ...RIGHT,
  [part]: { ...RIGHT[part], ...change },
});
const capturing = (capture: Record<string, string>): HttpDeclaration => ({
  ...RIGHT,
  create: { ...RIGHT.create, capture: { ...RIGHT.create.capture, ...capture } },
});
const { list: _, ...WITHOUT_LIST } = RIGHT;

describe('a declaration of an API', () => {
  it.each([
    ['with every request', RIGHT],
    ['without a list', WITHOUT_LIST],
    ['on a loopback address without TLS', { ...RIGHT, baseUrl: 'http://localhost:8080' }],
    ['on another one', { ...RIGHT, baseUrl: 'http://127.1.2.3' }],
    ['on the one of IPv6', { ...RIGHT, baseUrl: 'http://[::1]:8080/' }],
    [
      'whose credential is refused once it has ended itself',
      changed('revoke', { path: '/revoke', body: { token: '{{value}}' }, expect: [200, 401] }),
    ],
    ['that revokes by the value', changed('revoke', { path: '/revoke', body: { token: '{{value}}' } })],
    [
      'that revokes by another capture',
      { ...capturing({ handle: '/data/handle' }), revoke: { ...RIGHT.revoke, path: '/{{handle}}' } },
    ],
    ['that stores the name', { ...capturing({ name: '/data/name' }), revoke: { ...RIGHT.revoke, path: '/{{name}}' } }],
    [
      'whose credentials have names for ids',
      {
        ...RIGHT,
        create: { ...RIGHT.create, capture: { value: '/secret' } },
        revoke: { ...RIGHT.revoke, path: '/keys/{{ name }}' },
      },
    ],
    ['with lone braces in the body', changed('create', { body: { name: '{{name}}', filter: '{"a":{"b":1}}' } })],
  ])('is right %s', (_, declaration) => {
    expect(checkHttpDeclaration(declaration)).toEqual([]);
  });

  it.each([
    ['no URL', { ...RIGHT, baseUrl: 'api.example.com' }, /^base_url is not a URL/],
    ['no TLS', { ...RIGHT, baseUrl: 'http://api.example.com' }, /^base_url must begin with https/],
    [
      'no TLS at a name that only begins like a loopback',
      { ...RIGHT, baseUrl: 'http://127.0.0.1.example.com' },
      /^base_url must begin/,
    ],
    ['another scheme', { ...RIGHT, baseUrl: 'ftp://api.example.com' }, /^base_url must begin/],
    ['a password in the URL', { ...RIGHT, baseUrl: 'https://me:hunter2@api.example.com' }, /^base_url must not hold/],
    ['a query in the URL', { ...RIGHT, baseUrl: 'https://api.example.com/?a=1' }, /^base_url must have neither/],
    ['a path without a slash', changed('create', { path: 'keys' }), /^create\.path must begin/],
    ['a path with a blank', changed('revoke', { path: '/a key/{{id}}' }), /^revoke\.path must begin/],
    ['a path with a fragment', changed('test', { path: '/me#x' }), /^test\.path must begin/],
    ['a path that climbs', changed('test', { path: '/a/%2E./me' }), /^test\.path must not have a segment/],
    ['a method of its own', changed('test', { method: 'TRACE' as 'GET' }), /^test\.method/],
    ['no status', changed('test', { expect: [] }), /^test\.expect/],
    ['a status that is none', changed('revoke', { expect: [204.5] }), /^revoke\.expect/],
    ['being slowed down as success', changed('test', { expect: [429] }), /^test\.expect/],
    ['a failure as success', changed('test', { expect: [500] }), /^test\.expect/],
    ['a 401 as accepted', changed('test', { expect: [200, 401] }), /^test\.expect must not list 401 or 403, which/],
    [
      'a refused administrator as revoked',
      changed('revoke', { expect: [204, 403] }),
      /^revoke\.expect must not list 401/,
    ],
    ['a 403 as accepted', changed('test', { expect: [403] }), /^test\.expect must not list 401 or 403, which/],
    [
      'a refusal as a creation',
      changed('create', { expect: [201, 409] }),
      /^create\.expect must list statuses from 200 to 299/,
    ],
    [
      'a header of the connection',
      changed('test', { headers: { Host: 'elsewhere', a: '{{value}}' } }),
      /^test\.headers\.Host is not/,
    ],
    [
      'a header with a line break',
      changed('create', { headers: { a: 'x\r\nb: y' } }),
      /^create\.headers\.a has a line break/,
    ],
    [
      'a header that is none',
      changed('create', { headers: { 'a b': 'x' } }),
      /^create\.headers has a name that is none/,
    ],
    [
      'one header twice',
      changed('create', { headers: { Accept: 'x', accept: 'y' } }),
      /^create\.headers names one header twice/,
    ],
    [
      'an unknown template',
      changed('create', { body: { name: '{{name}} {{nme}}' } }),
      /^create has {{nme}}; it can have/,
    ],
    ['the value before there is one', changed('create', { headers: { a: '{{value}}' } }), /^create has {{value}}/],
    ['an id in the list', changed('list', { path: '/keys/{{id}}' }), /^list has {{id}}/],
    ['a key of nothing', changed('create', { headers: { a: '{{admin.}}' } }), /^create has {{admin\.}}/],
    ['an empty template', changed('create', { path: '/{{}}' }), /^create has {{…}}/],
    ['an unclosed template', changed('create', { body: ['{{name'] }), /^create\.body has a {{ that no/],
    [
      'the administrator in the test',
      changed('test', { headers: { a: '{{value}}', b: '{{admin.token}}' } }),
      /^test has {{admin\.token}}: it auth/,
    ],
    ['a test without the value', changed('test', { headers: {} }), /^test must authenticate/],
    ['a revoke of nothing', changed('revoke', { path: '/keys' }), /^revoke must say which/],
    [
      'a name that is not stored',
      changed('revoke', { path: '/{{name}}' }),
      /^revoke has {{name}}, which is not stored/,
    ],
    [
      'a capture that is none',
      changed('revoke', { path: '/{{handle}}' }),
      /^revoke has {{handle}}, which create\.capture/,
    ],
    [
      'a list of credentials without names',
      changed('create', { body: {} }),
      /^create must give the credential the name/,
    ],
    ['a pointer that is none', capturing({ id: 'data.id' }), /^create\.capture\.id is not a JSON Pointer/],
    ['a pointer with a wrong escape', capturing({ id: '/~2' }), /^create\.capture\.id is not a JSON Pointer/],
    ['an id that is the value', capturing({ id: '/data/secret' }), /^create\.capture\.id is the value itself/],
    ['a capture called admin', capturing({ admin: '/x' }), /^create\.capture\.admin is/],
    ['a capture that is no word', capturing({ 'a.b': '/x' }), /^create\.capture\.a\.b is not a name/],
    [
      'no value',
      { ...RIGHT, create: { ...RIGHT.create, capture: { id: '/id' } } },
      /^create\.capture\.value is missing/,
    ],
    [
      'a list pointer that is none',
      { ...RIGHT, list: { ...RIGHT.list, items: 'data' } as HttpDeclaration['list'] },
      /^list\.items is not/,
    ],
  ] as readonly (readonly [string, HttpDeclaration, RegExp])[])('is wrong with %s', (_, declaration, problem) => {
    const problems = checkHttpDeclaration(declaration);
    expect(problems.filter((text) => problem.test(text))).toHaveLength(1);
  });

  it('does not repeat what somebody wrote into it', () => {
    const leaked = 'sk-live-4711';
    const headers = { authorization: `Bearer ${leaked}\n`, [`${leaked} x`]: '' };
    const declaration = changed('create', { headers, body: { name: `{{${leaked}!}}` }, path: `/${leaked}#` });
    const problems = checkHttpDeclaration({ ...declaration, baseUrl: `https://x:${leaked}@y` });
    expect(problems.length).toBeGreaterThan(4);
    expect(problems.join('\n')).not.toContain(leaked);
  });

  it('is in the catalogue with every request', () => {
    for (const part of ['base_url', 'create', 'test', 'revoke', 'list', 'capture']) {
      expect(HTTP.example).toMatch(new RegExp(`^ +${part}:`, 'm'));
    }
  });
});
