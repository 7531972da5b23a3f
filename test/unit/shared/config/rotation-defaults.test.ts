import { describe, expect, it } from 'vitest';

import { type SecretDeclaration, SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';
import { cpuMilliseconds } from './one-secret.ts';
import { REQUEST } from './request-openclaw.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

function parse(lines: readonly string[], openClaw?: string) {
  const text = ['secrets:', '  - name: one', ...lines.map((line) => `    ${line}`), ''].join('\n');
  const beside = (path: string) =>
    path === 'openclaw.json' && openClaw !== undefined ? Buffer.from(openClaw) : undefined;
  return parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) }, beside, NOW);
}

function secret(lines: readonly string[], openClaw?: string): SecretDeclaration {
  const result = parse(lines, openClaw);
  const only = result.ok ? result.configuration.environments[0]?.secrets[0] : undefined;
  if (only === undefined) throw new Error(JSON.stringify(result));
  return only;
}

function problems(lines: readonly string[], openClaw?: string): readonly string[] {
  const result = parse(lines, openClaw);
  return result.ok ? [] : result.problems.map(formatProblem);
}

function warnings(lines: readonly string[], openClaw?: string): readonly string[] {
  const result = parse(lines, openClaw);
  return result.ok ? result.warnings.map(formatProblem) : ['invalid'];
}

const typed = (type: string | undefined): readonly string[] => (type === undefined ? [] : [`type: ${type}`]);

/** Each place says something that no other says. */
const ALL = `{
  secretsManagement: {
    rotationPolicy: { api_keys: "2_days", database_credentials: "3_days", aws_credentials: "4_days" },
  },
  api_key_management: {
    github_token: { rotation: "5_days" }, openai_key: { rotation: "6_days" }, aws_key: { rotation: "7_days" },
  },
}`;
const POLICY = ALL.replace(/api_key_management: \{[^]*\},\n\}$/, '}');
const KINDS = ALL.replace(/secretsManagement: \{[^]*\},\n {2}api/, 'api');

describe('the rotation of a secret that says none', () => {
  it.each([
    ['github_token', '5_days', '2_days', '5_days'],
    ['api_key', '6_days', '2_days', '6_days'],
    ['http', '2_days', '2_days', undefined],
    ['iam', '7_days', '4_days', '7_days'],
    ['postgresql', '3_days', '3_days', undefined],
    ['mysql', '3_days', '3_days', undefined],
    ['mariadb', '3_days', '3_days', undefined],
    ['redis', '3_days', '3_days', undefined],
    ['rabbitmq', '3_days', '3_days', undefined],
    // Its engine is in its value, and every engine is a database's or a broker's.
    [undefined, '3_days', '3_days', undefined],
    ['credential', undefined, undefined, undefined],
  ])('of type %s is its kind’s, else its class’s', (type, both, policy, kinds) => {
    for (const [openClaw, expected] of [
      [ALL, both],
      [POLICY, policy],
      [KINDS, kinds],
      ['{}', undefined],
      [undefined, undefined],
    ]) {
      const lines = typed(type);
      if (expected === undefined) {
        expect(problems(lines, openClaw)).toEqual([expect.stringContaining('2:5: rotation is missing; ')]);
        continue;
      }
      const days = Number(expected[0]);
      const { rotation, schedule, graceSeconds } = secret(lines, openClaw);
      expect({ rotation, schedule, graceSeconds }).toEqual({
        rotation: expected,
        schedule: { kind: 'every', seconds: days * 86_400 },
        graceSeconds: 3600,
      });
    }
  });

  it.each([...SECRET_TYPES, undefined])('does not count where the secret says its own (%s)', (type) => {
    const { rotation, schedule } = secret([...typed(type), 'rotation: 10_days'], ALL);
    expect({ rotation, schedule }).toEqual({ rotation: '10_days', schedule: { kind: 'every', seconds: 864_000 } });
  });

  it('is the text that it would be if the secret said it', () => {
    for (const type of ['api_key', 'iam', 'mysql', undefined]) {
      const lines = typed(type);
      const inherited = secret(lines, ALL);
      const own = secret([...lines, `rotation: ${inherited.rotation}`], ALL);
      expect(JSON.stringify(inherited)).toBe(JSON.stringify(own));
    }
  });

  it('is what the file of the request says', () => {
    const rotations = ['github_token', 'api_key', 'iam', 'http', 'postgresql', undefined].map(
      (type) => secret(typed(type), REQUEST).rotation,
    );
    expect(rotations).toEqual(['monthly', 'quarterly', '90_days', 'monthly', 'daily', 'daily']);
  });

  it('is not that of a block that is not enabled, but that of a kind all the same', () => {
    const disabled = ALL.replace('rotationPolicy', 'enabled: false, rotationPolicy');
    expect(secret(['type: iam'], disabled).rotation).toBe('7_days');
    expect(problems(['type: redis'], disabled)).toHaveLength(1);
  });
});

describe('a rotation that is nowhere', () => {
  const TEXT = 'secrets.yaml:2:5: rotation is missing; rotation is a text such as daily, 90_days or rate(5 minutes)';
  const POLICY_OF = 'secretsManagement.rotationPolicy';

  it.each([
    ['github_token', `, here or in openclaw.json as api_key_management.github_token.rotation or ${POLICY_OF}.api_keys`],
    ['api_key', `, here or in openclaw.json as api_key_management.openai_key.rotation or ${POLICY_OF}.api_keys`],
    ['iam', `, here or in openclaw.json as api_key_management.aws_key.rotation or ${POLICY_OF}.aws_credentials`],
    ['http', `, here or in openclaw.json as ${POLICY_OF}.api_keys`],
    ['rabbitmq', `, here or in openclaw.json as ${POLICY_OF}.database_credentials`],
    [undefined, `, here or in openclaw.json as ${POLICY_OF}.database_credentials`],
    ['credential', ''],
    ['reddis', ''],
  ])('is told with the places that it may have (%s)', (type, places) => {
    const found = problems([...typed(type), 'grace: x']);
    expect(found[0]).toBe(`${TEXT}${places}`);
    expect(found.join('\n')).toContain('found "x"; grace is a duration');
  });

  it('is not told of a secret whose type is wrong where its type may have one', () => {
    expect(problems(['type: reddis'], ALL).join('\n')).not.toContain('rotation is missing');
  });

  it('is not told where it is there and wrong', () => {
    expect(problems(['rotation: dayly'], ALL)).toEqual([
      expect.stringMatching(/^secrets\.yaml:3:15: found "dayly"; rotation is daily, .* did you mean "daily"\?$/),
    ]);
    expect(problems(['rotation:'], ALL)).toEqual([
      expect.stringMatching(/^secrets\.yaml:3:14: found nothing; rotation/),
    ]);
  });

  it('is not told while it may be what is wrong in openclaw.json', () => {
    for (const wrong of ['"dayly"', '1']) {
      const found = problems(['type: redis'], ALL.replace('"3_days"', wrong));
      expect(found).toEqual([expect.stringMatching(/^openclaw\.json:3:65: found .*; rotation is /)]);
    }
    expect(problems(['type: redis'], '{')).toEqual([expect.stringContaining('openclaw.json:1:2: ')]);
  });
});

describe('rotationPolicy', () => {
  const CLASSES = 'api_keys, database_credentials, aws_credentials';
  const FORMS =
    'rotation is daily, weekly, monthly, quarterly, yearly, an interval such as 90_days or P90D, rate(5 minutes) or cron(0 8 ? * MON *)';
  it.each([
    ['"daily"', `3:21: found "daily"; rotationPolicy is an object with ${CLASSES}`],
    ['["daily"]', `3:21: found a list; rotationPolicy is an object with ${CLASSES}`],
    ['null', `3:21: found nothing; rotationPolicy is an object with ${CLASSES}`],
    ['{ api_keys: "mothly" }', `3:33: found "mothly"; ${FORMS}; did you mean "monthly"?`],
    [
      '{ database_credentials: 1 }',
      '3:45: found a number without quotes; rotation is a text such as daily, 90_days or rate(5 minutes)',
    ],
    ['{ aws_credentials: "30s" }', `3:40: found "30s"; ${FORMS}; did you mean "30_minutes"?`],
    [
      '{ aws_credentials: "rate(1 minute)", api_key: "daily" }',
      `3:58: found the unknown key "api_key"; rotationPolicy has ${CLASSES}; did you mean "api_keys"?`,
    ],
    ['{ __proto__: {} }', `3:23: found the unknown key "__proto__"; rotationPolicy has ${CLASSES}`],
    [
      '{ api_keys: "daily", "api_keys": "weekly" }',
      '3:42: the key "api_keys" is there twice; each key once is allowed',
    ],
  ])('is refused at its place: %s', (written, expected) => {
    const openClaw = `{\n  secretsManagement: {\n    rotationPolicy: ${written}\n  }\n}`;
    expect(problems(['rotation: daily'], openClaw)).toEqual([`openclaw.json:${expected}`]);
  });

  it.each([
    ['unknown classes', '"a":1,', 201],
    ['repeated classes', '"api_keys":"daily",', 200],
  ])('is bounded: %s', (_, entry, count) => {
    const text = `{ secretsManagement: { rotationPolicy: { ${entry.repeat(12_000)} } } }`;
    let found: readonly string[] = [];
    const cost = cpuMilliseconds(() => {
      found = problems(['rotation: daily'], text);
    });
    expect(cost).toBeLessThan(2000);
    expect(found).toHaveLength(count);
  });

  it('may be empty', () => {
    expect(problems(['rotation: daily'], '{ secretsManagement: { rotationPolicy: {} } }')).toEqual([]);
  });
});

describe('the other fields of a secret whose rotation is openclaw.json’s', () => {
  const HOURLY = '{ secretsManagement: { rotationPolicy: { database_credentials: "1_hour" } } }';

  it('are judged by it, and told whose it is', () => {
    expect(secret(['type: redis'], HOURLY).graceSeconds).toBe(1800);
    expect(problems(['type: redis', 'grace: 1h'], HOURLY)).toEqual([
      'secrets.yaml:4:12: found a grace period of 3600 s; grace is shorter than the rotation interval (about 3600 s, by openclaw.json)',
    ]);
    expect(problems(['type: redis', 'grace: 1h', 'rotation: 1_hour'], HOURLY)).toEqual([
      'secrets.yaml:4:12: found a grace period of 3600 s; grace is shorter than the rotation interval (about 3600 s)',
    ]);
  });

  it('are warned of by it', () => {
    const over = HOURLY.replace('1_hour', 'cron(0 0 1 1 ? 2020)');
    expect(warnings(['type: redis'], over)).toEqual([
      'secrets.yaml:2:5: found a cron(…) whose years are over in openclaw.json; the secret will not rotate',
    ]);
    const provider = ['provider:', '  project: p', '  service_account: s', '  expires_in: 6d'];
    const keys = (rotation: string) => `{ api_key_management: { openai_key: { rotation: "${rotation}" } } }`;
    const lines = ['type: api_key', 'admin_secret: root', ...provider];
    expect(warnings(lines, keys('6_days'))).toEqual([]);
    expect(warnings(lines, keys('weekly'))).toEqual([
      'secrets.yaml:8:19: found expires_in of 518400 s, and a rotation interval of about 604800 s, by openclaw.json; renewals come at two thirds of the life of a key, after about 345600 s',
    ]);
  });
});
