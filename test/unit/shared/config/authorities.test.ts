import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';

import { problems, secret } from './one-secret.ts';

const [ONE = '', OTHER = '', THIRD = ''] = rootCertificates.map((pem) => `${pem}\n`);
const FILES = { 'one.pem': ONE, 'ca/other.pem': OTHER, 'third.pem': THIRD };

const REQUESTS = [
  '  create: { path: /keys, capture: { value: /secret } }',
  '  test: { path: /me, headers: { Authorization: "Bearer {{value}}" } }',
  '  revoke: { path: /keys, body: { key: "{{value}}" } }',
];

/** By holder, the lines of a secret whose holder names this file, which is in line 6. */
const HOLDERS = {
  connection: (file: string) => [
    'mode: single_role',
    'connection:',
    `  certificate_authority: ${file}`,
    '  host: db',
    '  dbname: app',
  ],
  provider: (file: string) => [
    'type: github_token',
    'provider:',
    `  certificate_authority: ${file}`,
    '  base_url: https://ghe.example.com/api/v3',
    '  app_id: 1',
    '  installation_id: 2',
    'admin_secret: app',
  ],
  http: (file: string) => [
    'type: http',
    'http:',
    `  certificate_authority: ${file}`,
    '  base_url: https://api.example.com',
    ...REQUESTS,
  ],
} as const;
const EACH = Object.entries(HOLDERS) as readonly (readonly [keyof typeof HOLDERS, (file: string) => string[]])[];

describe.each(EACH)('certificate_authority of %s', (holder, lines) => {
  it('is the content of the file that it names', () => {
    expect(secret(lines('one.pem'), undefined, FILES)[holder]?.certificateAuthority).toBe(ONE);
    expect(secret(lines('ca/other.pem'), undefined, FILES)[holder]?.certificateAuthority).toBe(OTHER);
  });

  it('is absent where none is named', () => {
    const without = lines('').filter((line) => !line.includes('certificate_authority'));
    expect(secret(without)[holder]).not.toHaveProperty('certificateAuthority');
  });

  it.each([
    ['missing.pem', 'found no such file'],
    ['../one.pem', 'found a path that leads elsewhere'],
    ['/one.pem', 'found a path that leads elsewhere'],
    ['text.pem', 'found a file without valid certificates'],
    ['""', 'found ""'],
    ['1', 'found a number without quotes'],
  ])('is refused at its place: %s', (file, expected) => {
    const found = problems(lines(file), undefined, { ...FILES, 'text.pem': 'hello' });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^6:30: /);
    expect(found[0]).toContain(`${expected}; certificate_authority is the path of a PEM file`);
  });
});

describe('certificate_authority', () => {
  it('is each mapping’s own', () => {
    const lines = ['type: api_key', 'provider:', '  project: proj_1', '  service_account: svc_acct_1'];
    const gateway = ['  base_url: https://gateway.example.com/v1', '  certificate_authority: third.pem'];
    const { provider, connection, http } = secret([...lines, ...gateway], undefined, FILES);
    expect(provider).toEqual({
      project: 'proj_1',
      serviceAccount: 'svc_acct_1',
      baseUrl: 'https://gateway.example.com/v1',
      certificateAuthority: THIRD,
    });
    expect([connection, http]).toEqual([undefined, undefined]);
  });

  it.each([
    ['github_token', '  app_id: 1', '  installation_id: 2'],
    ['api_key', '  project: proj_1', '  service_account: svc_acct_1'],
  ])('of a provider (%s) is that of its base_url', (type, ...fields) => {
    const lines = [`type: ${type}`, 'provider:', '  certificate_authority: one.pem', ...fields];
    expect(problems(lines, undefined, FILES)).toEqual([
      '6:30: found certificate_authority without base_url; it is the authority of the address in base_url',
    ]);
  });

  it('is told of together with the other rules', () => {
    const lines = ['type: api_key', 'provider:', '  certificate_authority: no.pem', '  expires_in: 3h'];
    const found = problems([...lines, '  project: p', '  service_account: s', 'grace: 2h']);
    expect(found.map((line) => line.replace(/;.*/, ''))).toEqual([
      '6:30: found no such file',
      '6:30: found certificate_authority without base_url',
      '10:12: found a grace period of 7200 s, and expires_in of 10800 s',
    ]);
  });
});

// Configure takes a declaration whose text differs for one that has changed.
it('leaves the text of declarations as it was, and stands after everything that was there before', () => {
  const text = JSON.stringify(secret([...HOLDERS.http('one.pem'), 'admin_secret: root'], undefined, FILES).http);
  const before = secret(HOLDERS.http('').filter((line) => !line.includes('certificate_authority'))).http;
  expect(text).toBe(`${JSON.stringify(before).slice(0, -1)},"certificateAuthority":${JSON.stringify(ONE)}}`);
  const key = ['type: api_key', 'admin_secret: root'];
  const fields = 'name: openai, project: a, service_account: b, base_url: https://example.com';
  const [old, whole] = ['', ', expires_in: 90d, certificate_authority: one.pem'].map((more) =>
    JSON.stringify(secret([...key, `provider: { ${fields}${more} }`], undefined, FILES).provider),
  );
  expect(old).toBe('{"name":"openai","project":"a","serviceAccount":"b","baseUrl":"https://example.com"}');
  expect(whole).toBe(
    `${old?.slice(0, -1)},"certificateAuthority":${JSON.stringify(ONE)},"expiresInSeconds":${90 * 86_400}}`,
  );
});
