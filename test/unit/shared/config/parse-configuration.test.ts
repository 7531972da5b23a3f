import { describe, expect, it } from 'vitest';

import type { Configuration, SecretDeclaration } from '../../../../shared/config/declaration.ts';
import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem, formatProblems } from '../../../../shared/config/problem.ts';
import * as fc from '../../../harness/properties.ts';
import { cpuMilliseconds } from './one-secret.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const DAY = 86_400;
/** Apart from its BEGIN, so that scanners of this repository have nothing to find. */
const KIND = 'PRIVATE KEY';

function parse(text: string | Uint8Array, files: Readonly<Record<string, string>> = {}) {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const beside = (path: string) => (Object.hasOwn(files, path) ? Buffer.from(files[path] ?? '') : undefined);
  return parseConfiguration({ path: 'secrets.yaml', bytes }, beside, NOW);
}

function valid(text: string): Configuration {
  const result = parse(text);
  if (!result.ok) throw new Error(formatProblems(result.problems).join('\n'));
  return result.configuration;
}

function problems(text: string | Uint8Array): readonly string[] {
  const result = parse(text);
  return result.ok ? [] : result.problems.map(formatProblem);
}

/** The one secret of a file whose entry has these lines besides name and rotation. */
function secret(...lines: readonly string[]): SecretDeclaration | undefined {
  return valid(entry(...lines)).environments[0]?.secrets[0];
}

function entry(...lines: readonly string[]): string {
  return ['secrets:', '  - name: pg', '    rotation: daily', ...lines.map((line) => `    ${line}`), ''].join('\n');
}

const REQUEST_SECRETS = `secrets:
  - name: "api_key_github"
    type: "github_token"
    scope: "repository"
    rotation: "monthly"
    access_level: "restricted"
  - name: "api_key_openai"
    type: "api_key"
    scope: "service"
    rotation: "quarterly"
    access_level: "user"
  - name: "database_connection"
    type: "credential"
    scope: "internal"
    rotation: "daily"
    access_level: "admin"
  - name: "aws_credentials"
    type: "iam"
    scope: "service"
    rotation: "90_days"
    access_level: "service_principal"
`;

const REQUEST_POSTGRESQL = `secrets:
  - name: "pg_prod_main"
    type: "postgresql"
    scope: "production"
    rotation: "daily"
  - name: "pg_prod_backup"
    type: "postgresql"
    scope: "backup"
    rotation: "weekly"
`;

const REQUEST_ENVIRONMENTS = `environments:
  development:
    secrets:
      - name: "db_dev"
        rotation: "weekly"
        access_level: "developer"
  staging:
    secrets:
      - name: "db_staging"
        rotation: "monthly"
        access_level: "staging_team"
  production:
    secrets:
      - name: "db_prod"
        rotation: "daily"
        access_level: "admin"
`;

describe('the files of the request', () => {
  it('reads the four secrets as the environment production', () => {
    const [environment, ...others] = valid(REQUEST_SECRETS).environments;
    expect(others).toEqual([]);
    expect(environment?.name).toBe('production');
    expect(
      environment?.secrets.map(({ name, type, scope, schedule, accessLevel }) => [
        name,
        type,
        scope,
        schedule,
        accessLevel,
      ]),
    ).toEqual([
      ['api_key_github', 'github_token', 'repository', { kind: 'months', months: 1 }, 'restricted'],
      ['api_key_openai', 'api_key', 'service', { kind: 'months', months: 3 }, 'user'],
      ['database_connection', 'credential', 'internal', { kind: 'every', seconds: DAY }, 'admin'],
      ['aws_credentials', 'iam', 'service', { kind: 'every', seconds: 90 * DAY }, 'service_principal'],
    ]);
  });

  it('warns of the three that it cannot issue, and of nothing else', () => {
    const result = parse(REQUEST_SECRETS);
    expect(result.ok ? result.warnings.map(formatProblem) : 'invalid').toEqual([
      'secrets.yaml:2:5: found no provider and no admin_secret; without them the secret is registered, but not rotated',
      'secrets.yaml:7:5: found no provider and no admin_secret; without them the secret is registered, but not rotated',
      'secrets.yaml:17:5: found no provider; without it the secret is registered, but not rotated',
    ]);
    for (const text of [REQUEST_POSTGRESQL, REQUEST_ENVIRONMENTS]) expect(parse(text)).toMatchObject({ warnings: [] });
  });

  it('reads the postgresql secrets and completes them with defaults', () => {
    expect(valid(REQUEST_POSTGRESQL).environments[0]?.secrets[0]).toEqual({
      name: 'pg_prod_main',
      type: 'postgresql',
      scope: 'production',
      schedule: { kind: 'every', seconds: DAY },
      rotation: 'daily',
      graceSeconds: 3600,
      rotateImmediately: true,
      mode: 'two_roles',
      preheatSeconds: 30,
      healthyThreshold: 2,
      endSessions: true,
      rollout: {
        zeroDowntime: true,
        rollingUpdate: true,
        parallelSwitch: true,
        maxBatchSize: 100,
        canarySize: 1,
        batchTimeoutSeconds: 30,
        tolerancePercent: 10,
      },
      reload: { hotReload: true, backwardsCompat: true, rollbackOnError: true },
    });
  });

  it('reads the three environments', () => {
    expect(
      valid(REQUEST_ENVIRONMENTS).environments.map(({ name, secrets }) => [
        name,
        secrets[0]?.name,
        secrets[0]?.accessLevel,
      ]),
    ).toEqual([
      ['development', 'db_dev', 'developer'],
      ['staging', 'db_staging', 'staging_team'],
      ['production', 'db_prod', 'admin'],
    ]);
  });
});

describe('optional fields', () => {
  it('takes every one of them', () => {
    expect(
      secret(
        'type: postgresql',
        'grace: 5m',
        'rotate_immediately: false',
        'admin_secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:pg/admin-AbCdEf',
        'connection: { host: db.example.com, port: 5433, dbname: app, owner_role: app_owner, tls: prefer }',
        'mode: two_roles',
        'preheat: { timeout: 10s, health_checks: 5 }',
        'end_sessions: false',
      ),
    ).toMatchObject({
      graceSeconds: 300,
      rotateImmediately: false,
      connection: { host: 'db.example.com', port: 5433, dbname: 'app', ownerRole: 'app_owner', tls: 'prefer' },
      preheatSeconds: 10,
      healthyThreshold: 5,
      endSessions: false,
    });
  });

  it('gives half of a short interval as grace, and takes 0 with and without quotes', () => {
    expect(valid('secrets: [{ name: a, rotation: 10_minutes }]').environments[0]?.secrets[0]?.graceSeconds).toBe(300);
    expect(secret('grace: 0')?.graceSeconds).toBe(0);
    expect(secret('grace: "0"')?.graceSeconds).toBe(0);
  });

  it('uses TLS, verified, where the server offers it, unless told otherwise', () => {
    expect(secret('mode: single_role', 'connection: { host: db, dbname: app }')?.connection?.tls).toBe('prefer');
  });

  it('names the one environment as the file says', () => {
    expect(valid(`environment: staging\n${REQUEST_POSTGRESQL}`).environments[0]?.name).toBe('staging');
  });

  it('sends alerts of the file and of an environment', () => {
    const configuration = valid(`alerts:
  - email: admin@example.com
environments:
  dev:
    alerts:
      - sqs: arn:aws:sqs:eu-west-1:123456789012:alerts
        on: [rotation_failed, rotation_failed]
      - https: https://example.com/hook
    secrets: []
`);
    expect(configuration.environments[0]?.alerts).toEqual([
      { protocol: 'email', endpoint: 'admin@example.com', kinds: [] },
      { protocol: 'sqs', endpoint: 'arn:aws:sqs:eu-west-1:123456789012:alerts', kinds: ['rotation_failed'] },
      { protocol: 'https', endpoint: 'https://example.com/hook', kinds: [] },
    ]);
  });
});

describe('problems', () => {
  it('are names that only a service of AWS may give', () => {
    expect(problems('secrets: [{ name: "rds!db-1", rotation: daily }]')).toEqual([
      'secrets.yaml:1:19: found "rds!db-1"; name is a text of 1 to 512 letters, digits and /_+=.@-',
    ]);
  });

  it('are all named at once, in file order, with what was found and what is allowed', () => {
    const found = problems(`secrets:
  - name: "a b"
    type: "postgres"
    rotaton: "daily"
    rotation: "dayly"
  - rotation: 90
    connection: { host: db, port: 0, dbnam: x, tls: yes }
  - just text
alerts:
  - email: nobody
    on: [rotation_fail]
`);
    expect(found.map((line) => line.split(':').slice(1, 3).join(':'))).toEqual([
      '2:11',
      '3:11',
      '4:5',
      '5:15',
      '6:5',
      '6:15',
      '7:17',
      '7:35',
      '7:38',
      '7:53',
      '8:5',
      '10:12',
      '11:10',
    ]);
    expect(found[1]).toBe(
      'secrets.yaml:3:11: found "postgres"; type is one of github_token, api_key, credential, iam, postgresql, mysql, mariadb, redis, rabbitmq, http; did you mean "postgresql"?',
    );
    expect(found[2]).toMatch(
      /^secrets\.yaml:4:5: found the unknown key "rotaton"; a secret has name, .*; did you mean "rotation"\?$/,
    );
    expect(found[3]).toMatch(/^secrets\.yaml:5:15: found "dayly"; rotation is daily, .*; did you mean "daily"\?$/);
    expect(found[4]).toContain('name is missing');
    expect(found[5]).toContain('a number without quotes; rotation is a text');
    expect(found[6]).toContain('dbname is missing');
    expect(found[8]).toContain('did you mean "dbname"?');
  });

  it.each([
    ['', 'secrets.yaml:1:1: the file is empty'],
    ['# nothing\n', 'the file is empty'],
    ['---\n', 'the file is empty'],
    ['- a\n', 'found a list; a configuration file has secrets: or environments:'],
    ['hello', 'found a text'],
    ['secrets:\n', '1:9: found nothing; secrets is a list'],
    ['secret: []\n', 'did you mean "secrets"?'],
    ['environments: {}\n', 'name at least one'],
    ['environments: { dev: }\n', 'an environment is a mapping with secrets:'],
    ['environments: { "9": { secrets: [] } }\n', 'found the environment "9"'],
    ['environments: { dev: { secrets: [] } }\nsecrets: []\n', '2:1: found secrets: beside environments:'],
    ['secrets: []\nsecrets: []\n', '2:1: the key "secrets" is there twice'],
    ['secrets:\n\t- a\n', 'found a tab'],
    ['secrets: [\n', 'bracket'],
    ['secrets: "abc\n', 'closing quote'],
    ['a: 1\n---\nb: 1\n', '2:1: found a second document'],
    ['%YAML 1.1\n---\nsecrets: []\n', '1:1: found a directive'],
    ['secrets: !!set []\n', '1:10: found a tag'],
    ['secrets: &a []\n', '1:10: found an anchor'],
    ['secrets: []\nx: *a\n', '2:4: found an alias'],
    ['secrets:\n  - <<: { name: a }\n    rotation: daily\n', '2:5: found a merge key'],
    ['secrets: []\n1: x\n', '2:1: found a key that is not text'],
    ['secrets: []\n? [a]\n: x\n', '2:3: found a key that is not text'],
    ['secrets: []\n__proto__: x\n', '2:1: found the unknown key "__proto__"'],
    ['a\0b', '1:2: found a control character'],
    [Buffer.from([0x61, 0x0a, 0xff]), '2:1: found bytes that are not UTF-8'],
    [Buffer.from('secrets: []', 'utf16le'), 'control character'],
  ])('tells what is wrong with %j', (text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });

  it.each([
    [['grace: 1d'], 'grace is shorter than the rotation interval'],
    [['grace: 5'], 'grace is a duration such as 30s'],
    [['grace: 366d'], 'grace is at most 365d'],
    [['preheat: { timeout: 31s }'], 'timeout is from 1s to 30s'],
    [['preheat: { health_checks: 0 }'], 'health_checks is a whole number'],
    [['rotate_immediately: "yes"'], 'rotate_immediately is true or false'],
    [['connection: { host: db }', 'mode: single_role'], 'dbname is missing'],
    [['connection: { host: db, dbname: a }'], 'needs admin_secret'],
    [['type: iam', 'connection: { host: db, dbname: a }'], 'only postgresql, mysql, mariadb, redis, rabbitmq have it'],
    [['admin_secret: pg'], 'found the secret itself'],
    [['mode: tworoles'], 'did you mean "two_roles"?'],
    [['connection: { host: db, dbname: a, certificate_authority: ../x }', 'mode: single_role'], 'leads elsewhere'],
    [['connection: { host: db, dbname: a, certificate_authority: x.pem }', 'mode: single_role'], 'found no such file'],
    [['name: other'], 'the key "name" is there twice'],
  ])('tells what is wrong with %j in a secret', (lines, expected) => {
    expect(problems(entry(...lines)).join('\n')).toContain(expected);
  });

  it('refuses a name that is there twice in an environment, but not in two', () => {
    expect(problems('secrets:\n - { name: a, rotation: daily }\n - { name: a, rotation: weekly }\n')).toEqual([
      'secrets.yaml:3:12: found the name "a" again; a name is there once in an environment',
    ]);
    const both =
      'environments:\n  a: { secrets: [{ name: x, rotation: daily }] }\n  b: { secrets: [{ name: x, rotation: daily }] }\n';
    expect(valid(both).environments).toHaveLength(2);
  });

  it('say once, not twice, what is wrong with a node', () => {
    expect(problems('secrets:\n - { name: !!str a, rotation: *x }\n')).toHaveLength(2);
  });

  it('only warn of a name that looks like the end of an ARN, of an empty list and of past years', () => {
    const warnings = (text: string) => {
      const result = parse(text);
      return result.ok ? result.warnings.map(formatProblem).join('\n') : 'invalid';
    };
    expect(warnings('secrets: [{ name: my-secret, rotation: daily }]')).toContain(
      '1:19: found the name "my-secret"; AWS advises',
    );
    expect(warnings('secrets: []')).toContain('found no secrets');
    expect(warnings('secrets: [{ name: a, rotation: "cron(0 0 1 1 ? 2020)" }]')).toContain('years are over');
    expect(warnings('secrets: [{ name: a, rotation: daily }]')).toBe('');
  });
});

describe('certificate authority', () => {
  const CONNECTION = entry('mode: single_role', 'connection: { host: db, dbname: a, certificate_authority: ca.pem }');

  it.each([
    ['hello', 'without valid certificates'],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'without valid certificates'],
    [`-----BEGIN ${KIND}-----\nAAAA\n`, 'found a private key'],
    ['x'.repeat(257 * 1024), 'over 256 KiB'],
    ['x'.repeat(600 * 1024), 'over 256 KiB'],
  ])('refuses a file that is none (%#)', (content, expected) => {
    const result = parse(CONNECTION, { 'ca.pem': content });
    expect(result.ok ? '' : result.problems.map(formatProblem).join()).toContain(expected);
  });
});

describe('plaintext secrets', () => {
  const VALUE = ['gh', 'p_abcdef0123456789'].join('');

  it.each([
    ['under a telling key', entry(`password: hunter2hunter2`)],
    ['as a number under a telling key', entry(`token: 12345678`)],
    ['in a list under a telling key', entry(`api_keys: [hunter2hunter2]`)],
    ['at the top', `secrets: []\ndbPassword: hunter2hunter2\n`],
    ['in a comment', `${entry()}# ${VALUE}\n`],
    ['as a key', entry(`${VALUE}: x`)],
    ['as a scope', entry(`scope: ${VALUE}`)],
    ['as a rotation', `secrets: [{ name: a, rotation: ${VALUE} }]`],
    ['in escapes', entry(`scope: "\\x67hp_abcdef0123456789"`)],
    ['in an unclosed quote', `secrets: "${VALUE}\n`],
    ['in a URL', entry(`connection: postgres://admin:hunter2hunter2@db/app`)],
    ['in a block', entry('scope: |', `  -----BEGIN ${KIND}-----`, '  hunter2hunter2')],
  ])('are found %s and never repeated', (_, text) => {
    const found = problems(text).join('\n');
    expect(found).toContain('plaintext secret');
    expect(found.match(/plaintext secret/g)).toHaveLength(1);
    expect(found).not.toMatch(/hunter2|abcdef0123|12345678/);
  });

  it('under a telling key are one problem, not an unknown key as well', () => {
    expect(problems(entry('password: hunter2hunter2'))).toHaveLength(1);
  });

  it('are not repeated either where only their shape tells', () => {
    const generated = 'wJalrXUtnFEMIK7MDENGbPxRfiCY';
    const found = problems(`secrets: [{ name: a, rotation: ${generated} }]\n${generated}: 1\n`).join('\n');
    expect(found).toContain('a text that is not shown');
    expect(found).not.toContain('wJalr');
  });

  it('quote nothing but printable characters, and few of them', () => {
    const found = problems(`secrets: [{ name: "\\e[31m\\u202Ered ${'x '.repeat(300)}", rotation: daily }]`).join('\n');
    expect(found).toContain('found "?[31m?red x x');
    expect(found.length).toBeLessThan(200);
    // eslint-disable-next-line no-control-regex -- that none is there is the point
    expect(found).not.toMatch(/[\x00-\x1f\u202e]/);
  });
});

describe('hostile files', () => {
  const MIB = 1024 * 1024;
  const many = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => line(index)).join('');
  const full = (pattern: string) => pattern.repeat(Math.floor((1.5 * MIB - 32) / pattern.length));

  it('takes 10,000 valid secrets', () => {
    const text = many(
      10_000,
      (index) =>
        `  - name: "pg_prod_${index}"\n    type: "postgresql"\n    scope: "production"\n    rotation: "daily"\n    access_level: "admin"\n`,
    );
    expect(valid(`secrets:\n${text}`).environments[0]?.secrets).toHaveLength(10_000);
  });

  it('prints a hundred of the problems of 10,000 broken secrets', () => {
    const result = parse(`secrets:\n${many(10_000, (index) => `  - name: "pg prod ${index}"\n    rotation: dayly\n`)}`);
    if (result.ok) throw new Error('expected problems');
    expect(result.problems).toHaveLength(20_000);
    const lines = formatProblems(result.problems);
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe('… and 19900 more');
  });

  it('does not expand aliases', () => {
    const letters = 'bcdefghijklmnopqrstuvwxyz'.split('');
    const bomb = letters.map(
      (letter, index) => `${letter}: &${letter} [${`*${letters[index - 1] ?? 'a'},`.repeat(9)}]\n`,
    );
    expect(problems(`a: &a [x]\n${bomb.join('')}`).join('\n')).toContain('aliases are not allowed');
  });

  it.each([
    ['10 MB', 'a'.repeat(10 * MIB), 'too large'],
    ['open brackets', full('['), 'nested too deeply'],
    ['open braces', full('{"a":'), 'nested too deeply'],
    ['dashes', full('- '), 'nested too deeply'],
    ['question marks', full('? '), 'nested too deeply'],
    ['closing brackets', full(']'), 'too many entries'],
    ['pairs of brackets', full('[]'), 'too many entries'],
    ['commas', `[${full(',')}`, 'too many entries'],
    ['blank lines', full('\n'), 'too many entries'],
    ['equal keys', full('a:\n'), 'too many entries'],
    ['different keys', many(100_000, (index) => `k${index}: 1\n`), 'too many entries'],
    ['unknown keys', `secrets: [{${many(50_000, (index) => `k${index}: 1,`)}}]`, 'unknown key'],
    ['tags', full('!a '), 'found a tag'],
    ['anchors', full('&a '), 'found an anchor'],
    ['directives', full('%a\n'), 'found a directive'],
    ['documents', full('---\n'), 'second document'],
    ['escapes', `"${full('\\q')}"`, 'too many \\ escapes'],
    ['an unclosed quote', `"${full('a')}`, 'closing quote'],
    ['stairs', many(1200, (index) => `${' '.repeat(index)}a:\n`), 'indented too deeply'],
    ['starts of tokens', `a: "${full('eyJ')}"`, 'unknown key'],
    ['starts of URLs', `a: "${full('://a:')}"`, 'unknown key'],
  ])('refuses %s in bounded time', (_, text, expected) => {
    const bytes = Buffer.from(text);
    let result = parse('');
    const cost = cpuMilliseconds(() => {
      result = parse(bytes);
    });
    expect(cost).toBeLessThan(6000);
    expect(result.ok ? '' : result.problems.slice(0, 5).map(formatProblem).join('\n')).toContain(expected);
  });

  it('never throws, and names positions inside the file, whatever the bytes are', () => {
    const piece = fc.constantFrom(
      'secrets:',
      '\n',
      ' ',
      '  - ',
      'name: a',
      'rotation: daily',
      'environments:',
      'alerts:',
      '[',
      ']',
      '{',
      '}',
      ',',
      ':',
      '"',
      "'",
      '&a',
      '*a',
      '!',
      '|',
      '>',
      '#',
      '%',
      '---',
      '...',
      '<<:',
      '?',
      '\t',
      '\r',
      '\\',
      'connection:',
      'type: http',
      'http:',
      'create: {',
      'capture:',
      'headers: { a: "{{value}}" }',
      'provider: {',
      'policy: {',
      'permissions: [',
      'type: iam',
      '0',
      'null',
      'true',
      '.inf',
      'é',
      '💥',
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ unit: 'binary', maxLength: 300 }).map((text) => Buffer.from(text)),
      fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join(''))),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        const result = parse(input);
        const lines = Buffer.from(input).toString('utf8').split('\n');
        for (const { line, column, message } of result.ok ? result.warnings : result.problems) {
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeGreaterThanOrEqual(1);
          expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
          expect(message).not.toMatch(/undefined|\[object|NaN/);
        }
        if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });
});
