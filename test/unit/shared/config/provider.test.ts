import { describe, expect, it } from 'vitest';

import { problems, secret, warnings } from './one-secret.ts';

function provider(type: string, fields: string) {
  return secret([`type: ${type}`, 'admin_secret: root', `provider: { ${fields} }`]).provider;
}

/** With everything that the type needs, on the lines before. */
const COMPLETE: Readonly<Record<string, readonly string[]>> = {
  iam: [],
  github_token: ['  app_id: 1', '  installation_id: 2'],
  api_key: ['  project: proj_1', '  service_account: svc_acct_1'],
};

function refused(type: string, field: string): readonly string[] {
  return problems([`type: ${type}`, 'admin_secret: root', 'provider:', `  ${field}`, ...(COMPLETE[type] ?? [])]);
}

describe('provider', () => {
  it('is declared with every field of its type', () => {
    expect(provider('iam', 'user: uploader')).toEqual({ user: 'uploader' });
    expect(provider('iam', 'user: "division/team/up_load+er=,.@-"')).toEqual({ user: 'division/team/up_load+er=,.@-' });
    expect(provider('github_token', 'app_id: 1, installation_id: 999999999999')).toEqual({
      appId: 1,
      installationId: 999_999_999_999,
    });
    expect(
      provider(
        'github_token',
        'app_id: 1, installation_id: 2, repositories: [rekey, acme/re.k-e_y], base_url: https://ghe.example.com/api/v3',
      ),
    ).toEqual({
      appId: 1,
      installationId: 2,
      repositories: ['rekey', 'acme/re.k-e_y'],
      baseUrl: 'https://ghe.example.com/api/v3',
    });
    expect(provider('api_key', 'name: openai, project: proj_1, service_account: svc_acct_1')).toEqual({
      name: 'openai',
      project: 'proj_1',
      serviceAccount: 'svc_acct_1',
    });
  });

  it('of an IAM user asks for more health checks in a row than others, unless the secret says how many', () => {
    const iam = ['type: iam', 'provider: { user: uploader }'];
    expect(secret(iam).healthyThreshold).toBe(5);
    expect(secret([...iam, 'preheat: { health_checks: 3 }']).healthyThreshold).toBe(3);
    expect(secret(['type: redis']).healthyThreshold).toBe(2);
  });

  it.each(['https://api.example.com:8443/v1', 'http://127.0.0.1:9000', 'http://localhost', 'http://[::1]:1/v1'])(
    'takes the address %s',
    (url) => {
      expect(provider('api_key', `project: a, service_account: b, base_url: "${url}"`)?.baseUrl).toBe(url);
    },
  );

  const USER =
    'user is the name of an IAM user, at most 64 letters, digits and _+=,.@-, behind its path where it has one';
  const ID = 'is a whole number from 1 to 999999999999';
  const REPOSITORY = 'a repository is a name such as rekey or acme/rekey';
  const REPOSITORIES = 'repositories is a list of 1 to 500 names; without repositories: all that the installation has';
  const BASE_URL =
    'base_url is a URL that begins with https:// (http:// only on a loopback address), without user, password, query and fragment';
  it.each([
    ['iam', 'user: "*"', `7:13: found "*"; ${USER}`],
    ['iam', 'user: a:b', `7:13: found "a:b"; ${USER}`],
    ['iam', 'user: /a', `7:13: found "/a"; ${USER}`],
    ['iam', 'user: a/', `7:13: found "a/"; ${USER}`],
    ['iam', 'user: ""', `7:13: found ""; ${USER}`],
    ['iam', 'user: 1', `7:13: found a number without quotes; ${USER}`],
    ['iam', `user: ${'a'.repeat(65)}`, `7:13: found "${'a'.repeat(39)}…"; ${USER}`],
    ['iam', `user: ${'a/'.repeat(300)}b`, `7:13: found "${'a/'.repeat(19)}a…"; ${USER}`],
    ['github_token', 'repositories: ["a b"]', `7:22: found "a b"; ${REPOSITORY}`],
    ['github_token', 'repositories: [a, b/c/d]', `7:25: found "b/c/d"; ${REPOSITORY}`],
    ['github_token', 'repositories: [1]', `7:22: found a number without quotes; ${REPOSITORY}`],
    ['github_token', 'repositories: rekey', `7:21: found "rekey"; ${REPOSITORIES}`],
    ['github_token', 'repositories: []', `7:21: found a list; ${REPOSITORIES}`],
    ['github_token', `repositories: [${'a,'.repeat(501)}]`, `7:21: found a list; ${REPOSITORIES}`],
    ['api_key', 'name: open_ai', '7:13: found "open_ai"; name is one of openai; did you mean "openai"?'],
    ['api_key', 'base_url: http://api.example.com', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: http://127.0.0.1.example.com', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: https://hunter2@example.com', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: https://example.com?a=1', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: https://example.com#a', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: "https://example.com/a b"', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: "https://exa\\nmple.com"', `7:17: found another text; ${BASE_URL}`],
    ['api_key', `base_url: https://example.com/${'a'.repeat(2048)}`, `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: hunter2', `7:17: found another text; ${BASE_URL}`],
    ['api_key', 'base_url: 1', `7:17: found a number without quotes; ${BASE_URL}`],
    [
      'iam',
      'usr: a',
      '7:7: found the unknown key "usr"; provider has user, app_id, installation_id, repositories, name, project, service_account, base_url, certificate_authority, expires_in; did you mean "user"?',
    ],
  ])('of %s refuses %.40s', (type, field, expected) => {
    expect(refused(type, field)).toContain(expected);
    expect(refused(type, field).filter((line) => !line.includes('is missing'))).toHaveLength(1);
  });

  it.each([
    ['github_token', 'app_id', '0', `found a number; app_id ${ID}`],
    ['github_token', 'app_id', '1000000000000', `found a number; app_id ${ID}`],
    ['github_token', 'app_id', '"1"', `found "1"; app_id ${ID}`],
    ['github_token', 'installation_id', '1.5', `found a number; installation_id ${ID}`],
    ['api_key', 'project', 'a b', 'found "a b"; project is an id such as proj_abc123'],
    ['api_key', 'project', '""', 'found ""; project is an id such as proj_abc123'],
    [
      'api_key',
      'service_account',
      '1',
      'found a number without quotes; service_account is an id such as svc_acct_abc123',
    ],
    [
      'api_key',
      'service_account',
      'a'.repeat(129),
      `found "${'a'.repeat(39)}…"; service_account is an id such as svc_acct_abc123`,
    ],
  ])('of %s refuses %s: %.20s', (type, field, value, expected) => {
    const others = (COMPLETE[type] ?? []).filter((line) => !line.startsWith(`  ${field}:`));
    expect(problems([`type: ${type}`, 'admin_secret: root', 'provider:', `  ${field}: ${value}`, ...others])).toEqual([
      `7:${9 + field.length}: ${expected}`,
    ]);
  });

  it('quotes no URL, because a token may be in it', () => {
    expect(refused('api_key', 'base_url: https://hunter2@example.com').join()).not.toContain('hunter2');
  });

  it('takes 500 repositories', () => {
    const repositories = provider('github_token', `app_id: 1, installation_id: 2, repositories: [${'a,'.repeat(500)}]`);
    expect(repositories?.repositories).toHaveLength(500);
  });
});

describe('what is needed and not written', () => {
  const REGISTERED = 'the secret is registered, but not rotated';
  const TOKEN_LIFE =
    "3:15: found tokens that live 3600 s, as a GitHub App's do, and a rotation interval of about 86400 s; renewals come at two thirds of the life of a token, after about 2400 s";

  it.each([
    [['type: iam'], [`2:5: found no provider; without it ${REGISTERED}`]],
    [['type: http'], [`2:5: found no http; without it ${REGISTERED}`]],
    [['type: github_token'], [`2:5: found no provider and no admin_secret; without them ${REGISTERED}`]],
    [['type: api_key', 'admin_secret: root'], [`2:5: found no provider; without it ${REGISTERED}`]],
    [
      ['type: api_key', 'provider: { project: a, service_account: b }'],
      [`2:5: found no admin_secret; without it ${REGISTERED}`],
    ],
    [
      ['type: github_token', 'provider: { app_id: 1, installation_id: 2 }'],
      [`2:5: found no admin_secret; without it ${REGISTERED}`, TOKEN_LIFE],
    ],
    [['type: github_token', 'provider: { app_id: 1, installation_id: 2 }', 'admin_secret: root'], [TOKEN_LIFE]],
    [['type: api_key', 'provider: { project: a, service_account: b }', 'admin_secret: root'], []],
    [['type: iam', 'provider: { user: a }'], []],
    [['type: credential'], []],
    [['type: postgresql'], []],
    [[], []],
  ])('is a warning: %j', (lines, expected) => {
    expect(warnings(lines)).toEqual(expected);
  });
});
