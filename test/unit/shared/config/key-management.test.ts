import { describe, expect, it } from 'vitest';

import { SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { parseOpenClaw } from '../../../../shared/config/openclaw-settings.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';
import { cpuMilliseconds, problems as problemsOf, secret } from './one-secret.ts';

const KEYS = `{ api_key_management: {
  github_token: { rotation: "monthly", scope: "repo:all", permissions: ["read:all", "write:repo_hook"] },
  openai_key: { rotation: "quarterly", scope: "user", permissions: ["chat", "completion"] },
  aws_key: { rotation: "90_days", scope: "service", permissions: ["s3", "ec2"] },
} }`;

function parse(text: string) {
  return parseOpenClaw('openclaw.json', Buffer.from(text));
}

function problems(text: string): readonly string[] {
  return parse(text).problems.map((problem) => formatProblem(problem).replace(/^openclaw\.json:/, ''));
}

function warnings(text: string): readonly string[] {
  const { problems: none, warnings: found } = parse(text);
  expect(none).toEqual([]);
  return found.map((problem) => formatProblem(problem).replace(/^openclaw\.json:/, ''));
}

describe('api_key_management', () => {
  it.each([
    ['github_token', { scope: 'repo:all', permissions: ['read:all', 'write:repo_hook'] }],
    ['api_key', { scope: 'user', permissions: ['chat', 'completion'] }],
    ['iam', { scope: 'service', permissions: ['s3', 'ec2'] }],
  ])('has the defaults of secrets of type %s', (type, expected) => {
    expect(secret([`type: ${type}`], KEYS)).toMatchObject({ ...expected, rotation: 'daily' });
  });

  it('has the defaults of api_key also where the provider is named', () => {
    const provider = 'provider: { name: openai, project: proj_1, service_account: svc_acct_1 }';
    expect(secret(['type: api_key', provider, 'admin_secret: root'], KEYS).permissions).toEqual(['chat', 'completion']);
  });

  it('gives way to what a secret says itself, field by field', () => {
    expect(secret(['type: iam', 'scope: own'], KEYS)).toMatchObject({ scope: 'own', permissions: ['s3', 'ec2'] });
    expect(secret(['type: iam', 'permissions: [own]'], KEYS)).toMatchObject({ scope: 'service', permissions: ['own'] });
  });

  it.each([...SECRET_TYPES.filter((type) => !['github_token', 'api_key', 'iam'].includes(type)), undefined])(
    'says nothing for other secrets (%s)',
    (type) => {
      const other = secret(type === undefined ? [] : [`type: ${type}`], KEYS);
      expect(other).not.toHaveProperty('scope');
      expect(other).not.toHaveProperty('permissions');
    },
  );

  it('may say little or nothing', () => {
    expect(parse('{ api_key_management: {} }').keys).toEqual({});
    expect(parse('{ api_key_management: { aws_key: {}, openai_key: { scope: "a" } } }').keys).toEqual({
      iam: {},
      api_key: { scope: 'a' },
    });
    expect(secret(['type: iam'], '{ api_key_management: { aws_key: {} } }')).not.toHaveProperty('scope');
  });

  it('may have kinds that are OpenClaw’s, and makes suspicious only with misspelt ones', () => {
    expect(warnings('{ api_key_management: { anthropic_key: "x", stripe: { permisions: 1 }, stripe: {} } }')).toEqual(
      [],
    );
    expect(warnings('{ api_key_management: { githubtoken: {},\n  "aws-keys": 1, github_token: {} } }')).toEqual([
      '1:25: found the key "githubtoken", which Rekey ignores; did you mean "github_token"?',
      '2:3: found the key "aws-keys", which Rekey ignores; did you mean "aws_key"?',
    ]);
  });

  it('makes suspicious with a misspelt block', () => {
    expect(warnings('{ secretsManagement: {},\n  "apiKeyManagement": {} }')).toEqual([
      '2:3: found the key "apiKeyManagement", which Rekey ignores; did you mean "api_key_management"?',
    ]);
    expect(warnings('{ api_key_management: {}, "apiKeyManagement": {} }')).toEqual([]);
  });

  const KINDS = 'api_key_management is an object with github_token, openai_key, aws_key';
  const FIELDS = 'is an object with rotation, scope, permissions';
  const LIST = 'permissions is a list of 1 to 100 texts such as "contents:read"';
  it.each([
    ['{ api_key_management: null }', `1:23: found nothing; ${KINDS}`],
    ['{ api_key_management: [] }', `1:23: found a list; ${KINDS}`],
    ['{ api_key_management: "hunter2" }', `1:23: found a text; ${KINDS}`],
    ['{ api_key_management: { github_token: "hunter2" } }', `1:39: found a text; github_token ${FIELDS}`],
    ['{ api_key_management: { openai_key: 12345678 } }', `1:37: found a number; openai_key ${FIELDS}`],
    ['{ api_key_management: { aws_key: [] } }', `1:34: found a list; aws_key ${FIELDS}`],
    [
      '{ api_key_management: { aws_key: { rotation: "dayly" } } }',
      '1:46: found "dayly"; rotation is daily, weekly, monthly, quarterly, yearly, an interval such as 90_days or P90D, rate(5 minutes) or cron(0 8 ? * MON *); did you mean "daily"?',
    ],
    [
      '{ api_key_management: { aws_key: { rotation: 90 } } }',
      '1:46: found a number without quotes; rotation is a text such as daily, 90_days or rate(5 minutes)',
    ],
    ['{ api_key_management: { aws_key: { scope: "" } } }', '1:43: found ""; scope is a text of at most 256 characters'],
    ['{ api_key_management: { aws_key: { permissions: "s3" } } }', `1:49: found "s3"; ${LIST}`],
    ['{ api_key_management: { aws_key: { permissions: [] } } }', `1:49: found a list; ${LIST}`],
    [
      '{ api_key_management: { aws_key: { permissions: ["s3", 2] } } }',
      '1:56: found a number without quotes; a permission is a text of at most 128 characters',
    ],
    [
      '{ api_key_management: { aws_key: { permision: [] } } }',
      '1:36: found the unknown key "permision"; aws_key has rotation, scope, permissions; did you mean "permissions"?',
    ],
    [
      '{ api_key_management: { aws_key: {}, aws_key: {} } }',
      '1:38: the key "aws_key" is there twice; each key once is allowed',
    ],
    [
      '{ api_key_management: { aws_key: { scope: "a", scope: "b" } } }',
      '1:48: the key "scope" is there twice; each key once is allowed',
    ],
    [
      '{ api_key_management: {}, api_key_management: {} }',
      '1:27: the key "api_key_management" is there twice; each key once is allowed',
    ],
    [
      '{ api_key_management: { aws_key: { __proto__: {} } } }',
      '1:36: found the unknown key "__proto__"; aws_key has rotation, scope, permissions',
    ],
  ])('refuses %s', (text, expected) => {
    expect(problems(text)).toEqual([expected]);
    expect(problems(text).join()).not.toMatch(/hunter2|12345678/);
  });

  it('has its problems told beside those of the secrets, and those of secretsManagement', () => {
    const openClaw = '{ secretsManagement: 1, api_key_management: 2 }';
    expect(problemsOf(['scope: ""'], openClaw)).toEqual([
      '4:12: found ""; scope is a text of at most 256 characters',
      'openclaw.json:1:22: found a number; secretsManagement is an object with apply and reload',
      `openclaw.json:1:45: found a number; ${KINDS}`,
    ]);
  });

  it.each([
    ['keys', `{ api_key_management: { ${'a:1,'.repeat(60_000)} } }`, 0],
    ['near keys', `{ api_key_management: { ${'aws_kei:1,'.repeat(20_000)} } }`, 0],
    ['repeated keys', `{ api_key_management: { ${'aws_key:{},'.repeat(20_000)} } }`, 200],
    ['unknown keys', `{ api_key_management: { aws_key: { ${'a:1,'.repeat(60_000)} } } }`, 201],
    ['permissions', `{ api_key_management: { aws_key: { permissions: [${'"a",'.repeat(60_000)}] } } }`, 1],
    ['blocks', `{${'api_key_management:{},'.repeat(10_000)}}`, 200],
  ])('is bounded: %s', (_, text, count) => {
    let found: readonly string[] = [];
    const cost = cpuMilliseconds(() => {
      found = problems(text);
    });
    expect(cost).toBeLessThan(2000);
    expect(found).toHaveLength(count);
  });
});
