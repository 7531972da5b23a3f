import { describe, expect, it } from 'vitest';

import { parseOpenClaw } from '../../../../shared/config/openclaw-settings.ts';
import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';
import { DEFAULT_SETTINGS } from '../../../../shared/config/rollout-settings.ts';
import * as fc from '../../../harness/properties.ts';
import { cpuMilliseconds } from './one-secret.ts';
import { REQUEST } from './request-openclaw.ts';

function parse(text: string | Uint8Array) {
  return parseOpenClaw('openclaw.json', typeof text === 'string' ? Buffer.from(text) : text);
}

function problems(text: string | Uint8Array): readonly string[] {
  return parse(text).problems.map(formatProblem);
}

function warnings(text: string): readonly string[] {
  const { problems: none, warnings: found } = parse(text);
  expect(none).toEqual([]);
  return found.map(formatProblem);
}

const DAY = 86_400;
const MONTHLY = { written: 'monthly', schedule: { kind: 'months', months: 1 } };
const QUARTERLY = { written: 'quarterly', schedule: { kind: 'months', months: 3 } };
const DAILY = { written: 'daily', schedule: { kind: 'every', seconds: DAY } };
const DAYS_90 = { written: '90_days', schedule: { kind: 'every', seconds: 90 * DAY } };

const REQUEST_KEYS = {
  github_token: { rotation: MONTHLY, scope: 'repo:all', permissions: ['read:all', 'write:repo_hook'] },
  api_key: { rotation: QUARTERLY, scope: 'user', permissions: ['chat', 'completion'] },
  iam: { rotation: DAYS_90, scope: 'service', permissions: ['s3', 'ec2'] },
};
const DATABASES = ['postgresql', 'mysql', 'mariadb', 'redis', 'rabbitmq'];
const REQUEST_ROTATIONS = {
  isComplete: true,
  byType: {
    github_token: MONTHLY,
    api_key: QUARTERLY,
    http: MONTHLY,
    ...Object.fromEntries(DATABASES.map((type) => [type, DAILY])),
    iam: DAYS_90,
  },
};
const NO_ROTATIONS = { byType: {}, isComplete: true };

describe('the file of the request', () => {
  it('is taken without a problem or a warning, and says what the defaults say', () => {
    expect(parse(REQUEST)).toEqual({
      settings: DEFAULT_SETTINGS,
      keys: REQUEST_KEYS,
      rotations: REQUEST_ROTATIONS,
      problems: [],
      warnings: [],
    });
  });

  it('sets each flag that it has the other way round', () => {
    const turned = REQUEST.replaceAll(/"(apply|reload)": \{[^}]*\}/g, (block) => block.replaceAll('true', 'false'));
    expect(parse(turned)).toEqual({
      settings: {
        rollout: { ...DEFAULT_SETTINGS.rollout, zeroDowntime: false, rollingUpdate: false, parallelSwitch: false },
        reload: { hotReload: false, backwardsCompat: false, rollbackOnError: false },
      },
      keys: REQUEST_KEYS,
      rotations: REQUEST_ROTATIONS,
      problems: [],
      warnings: [],
    });
  });
});

describe('a file', () => {
  it('says nothing where there is none, or where its block is not there', () => {
    const silent = { settings: DEFAULT_SETTINGS, keys: {}, rotations: NO_ROTATIONS, problems: [], warnings: [] };
    expect(parseOpenClaw('openclaw.json', undefined)).toEqual(silent);
    expect(parse('{}')).toEqual(silent);
    expect(parse('{ secretsManagement: {} }')).toEqual(silent);
    expect(parse('{ secretsManagement: { apply: {}, reload: {} } }')).toEqual(silent);
  });

  it('may be in JSON5, and hold everything that is OpenClaw’s own', () => {
    const token = ['gh', 'p_abcdef0123456789'].join('');
    const { settings, problems: found } = parse(`\uFEFF// OpenClaw's own
{
  meta: { lastTouchedVersion: '2026.9.6' },
  gateway: { mode: "local", auth: { token: '${token}' } },
  agents: { list: [{ id: 'main' },], }, agents: {}, /* twice: OpenClaw's affair */
  secretsManagement: { apply: { rollingUpdate: false }, },
}`);
    expect(found).toEqual([]);
    expect(settings.rollout).toEqual({ ...DEFAULT_SETTINGS.rollout, rollingUpdate: false });
  });

  it.each([
    ['zero_downtime', 'zeroDowntime'],
    ['rollingUpdate', 'rollingUpdate'],
    ['parallelSwitch', 'parallelSwitch'],
  ])('sets apply.%s both ways', (key, field) => {
    for (const value of [true, false])
      expect(parse(`{ secretsManagement: { apply: { ${key}: ${value} } } }`).settings.rollout).toEqual({
        ...DEFAULT_SETTINGS.rollout,
        [field]: value,
      });
  });

  it.each([
    ['hot_reload', 'hotReload'],
    ['backwards_compat', 'backwardsCompat'],
    ['rollback_on_error', 'rollbackOnError'],
  ])('sets reload.%s both ways', (key, field) => {
    for (const value of [true, false])
      expect(parse(`{ secretsManagement: { reload: { ${key}: ${value} } } }`).settings.reload).toEqual({
        ...DEFAULT_SETTINGS.reload,
        [field]: value,
      });
  });

  it('is ignored, with a notice, where it is not enabled', () => {
    const text = '{\n  secretsManagement: { enabled: false, apply: { zero_downtime: false, x: 1 } }\n}';
    expect(parse(text).settings).toEqual(DEFAULT_SETTINGS);
    expect(warnings(text)).toEqual([
      'openclaw.json:2:33: found enabled: false; the rest of secretsManagement is ignored',
    ]);
  });

  it('keeps api_key_management where secretsManagement is not enabled', () => {
    const text = '{ secretsManagement: { enabled: false }, api_key_management: { aws_key: { scope: "a" } } }';
    expect(parse(text).keys).toEqual({ iam: { scope: 'a' } });
  });

  it('makes suspicious with a misspelt block', () => {
    expect(warnings('{ gateway: {}, secrets: {},\n  secretManagement: { apply: { zero_downtime: false } } }')).toEqual([
      'openclaw.json:2:3: found the key "secretManagement", which Rekey ignores; did you mean "secretsManagement"?',
    ]);
  });
});

const APPLY = 'apply has zero_downtime, rollingUpdate, parallelSwitch';
const RELOAD = 'reload has hot_reload, backwards_compat, rollback_on_error';
const BLOCK = 'secretsManagement has enabled, apply, reload, workflow, rotationPolicy, audit';

describe('problems', () => {
  it('are all named at once, in file order, at the place of the key or the value', () => {
    expect(
      problems(`{
  // comments count as lines
  "secretsManagement": {
    enabled: "yes",
    "aply": {},
    "apply": { 'zero_down_time': true, rolling_update: true,
      parallelSwitch: 1, },
    "reload": {
      "hotReload": true,
      "backwards_compat": null, "rollback_on_error": 'no',
      "password": "hunter2hunter2",
    },
  },
}`),
    ).toEqual([
      'openclaw.json:4:14: found "yes"; enabled is true or false',
      `openclaw.json:5:5: found the unknown key "aply"; ${BLOCK}; did you mean "apply"?`,
      `openclaw.json:6:16: found the unknown key "zero_down_time"; ${APPLY}; did you mean "zero_downtime"?`,
      `openclaw.json:6:40: found the unknown key "rolling_update"; ${APPLY}; did you mean "rollingUpdate"?`,
      'openclaw.json:7:23: found a number; parallelSwitch is true or false',
      `openclaw.json:9:7: found the unknown key "hotReload"; ${RELOAD}; did you mean "hot_reload"?`,
      'openclaw.json:10:27: found nothing; backwards_compat is true or false',
      'openclaw.json:10:54: found "no"; rollback_on_error is true or false',
      `openclaw.json:11:7: found the unknown key "password"; ${RELOAD}`,
    ]);
  });

  it.each([
    ['', '1:1: the file ends too early; a bracket, a quote or a comment is not closed'],
    ['{\n  "secretsManagement": {\n', '3:1: the file ends too early; a bracket, a quote or a comment is not closed'],
    ['{\n  "a": 1\n  "b": 2\n}', '3:3: cannot be read as JSON5 here; check quotes, brackets, commas and colons'],
    ['{ a: "b\n" }', '1:8: cannot be read as JSON5 here; check quotes, brackets, commas and colons'],
    ['secretsManagement:\n', '1:1: cannot be read as JSON5 here; check quotes, brackets, commas and colons'],
    ['[]', '1:1: found no object; openclaw.json is an object in JSON5'],
    ['null', '1:1: found no object; openclaw.json is an object in JSON5'],
    ['{ secretsManagement: null }', '1:22: found nothing; secretsManagement is an object with apply and reload'],
    ['{ secretsManagement: [1] }', '1:22: found a list; secretsManagement is an object with apply and reload'],
    [
      '{ secretsManagement: { apply: true } }',
      '1:31: found true; apply is an object with zero_downtime, rollingUpdate, parallelSwitch',
    ],
    [
      '{ secretsManagement: {},\n  "secretsManagement": {} }',
      '2:3: the key "secretsManagement" is there twice; each key once is allowed',
    ],
    [
      '{ secretsManagement: { apply: { zero_downtime: true, "zero_downtim\\u0065": false } } }',
      '1:54: the key "zero_downtime" is there twice; each key once is allowed',
    ],
  ])('say what is wrong with %j', (text, expected) => {
    expect(problems(text)).toEqual([`openclaw.json:${expected}`]);
  });

  it('say that a file cannot be read', () => {
    expect(parseOpenClaw('openclaw.json', 'unreadable').problems.map(formatProblem)).toEqual([
      'openclaw.json:1:1: found no readable file; openclaw.json is a file (no link that leads elsewhere), or is not there',
    ]);
  });

  it('follow those of secrets.yaml, with the path of the file beside it', () => {
    const result = parseConfiguration(
      { path: 'deploy/prod.yaml', bytes: Buffer.from('secrets:\n  - name: pg\n    rotation: dayly\n') },
      (path) => (path === 'openclaw.json' ? Buffer.from('{') : undefined),
    );
    expect(result.ok ? [] : result.problems.map(({ path, line }) => `${path}:${line}`)).toEqual([
      'deploy/prod.yaml:3',
      'deploy/openclaw.json:1',
    ]);
  });
});

describe('precedence', () => {
  const OPENCLAW = `{ secretsManagement: {
    apply: { zero_downtime: false, rollingUpdate: false, parallelSwitch: false },
    reload: { hot_reload: false, backwards_compat: false, rollback_on_error: false },
  } }`;
  const YAML = `environments:
  dev:
    secrets:
      - { name: says_nothing, rotation: daily }
      - name: says_some
        rotation: daily
        apply: { zero_downtime: true, canary_size: 0 }
        reload: { hot_reload: true }
  prod:
    secrets:
      - name: says_all
        rotation: daily
        apply: { zero_downtime: true, rolling_update: true, parallel_switch: true }
        reload: { hot_reload: true, backwards_compat: true, rollback_on_error: true }
`;

  it('goes from the secret to openclaw.json to the defaults, field by field', () => {
    const result = parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(YAML) }, (path) =>
      path === 'openclaw.json' ? Buffer.from(OPENCLAW) : undefined,
    );
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    const secrets = result.configuration.environments.flatMap((environment) => environment.secrets);
    const file = parse(OPENCLAW).settings;
    expect(secrets.map(({ rollout, reload, graceSeconds }) => ({ rollout, reload, graceSeconds }))).toEqual([
      { ...file, graceSeconds: 0 },
      {
        rollout: { ...file.rollout, zeroDowntime: true, canarySize: 0 },
        reload: { ...file.reload, hotReload: true },
        graceSeconds: 0,
      },
      { ...DEFAULT_SETTINGS, graceSeconds: 3600 },
    ]);
    expect(JSON.stringify(result)).not.toContain('secretsManagement');
  });
});

describe('hostile files', () => {
  const SIZE = 256 * 1024 - 64;
  const full = (pattern: string, length = SIZE) => pattern.repeat(Math.floor(length / pattern.length));

  it.each([
    ['10 MB', 'a'.repeat(10 * 1024 * 1024), '1:1: the file is too large; a configuration file has at most 256 KiB'],
    ['open brackets', full('['), 'ends too early'],
    ['deep nesting', `${full('[', SIZE / 2)}${full(']', SIZE / 2)}`, '1:65: nested too deeply'],
    ['deep objects', `${full('{a:', SIZE / 2)}0${full('}', SIZE / 6)}`, 'nested too deeply'],
    ['numbers', `[${full('0,')}]`, 'found no object'],
    ['objects', `[${full('{},')}]`, 'found no object'],
    ['escapes', `{ secretsManagement: "${full('\\"')}" }`, 'secretsManagement is an object'],
    ['an unclosed quote', `"${full('\\"')}`, 'ends too early'],
    ['unclosed comments', full('/*'), 'cannot be read as JSON5'],
    ['comments', full('//\n'), 'ends too early'],
    ['unknown keys', `{ secretsManagement: { apply: {${full('a:1,')}} } }`, 'unknown key "a"'],
    ['unknown classes', `{ secretsManagement: { rotationPolicy: {${full('a:1,')}} } }`, 'unknown key "a"'],
    ['repeated blocks', `{${full('secretsManagement:{},')}}`, 'is there twice'],
    ['NUL', '{ "a": "\0" }', '1:9: found a control character'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff]), '1:2: found bytes that are not UTF-8'],
    [
      'separators that json5 writes to the console about',
      '{ a: "\u2028" }',
      '1:7: found a line or paragraph separator',
    ],
    [
      '__proto__',
      '{ secretsManagement: { __proto__: { enabled: false } } }',
      '1:24: found the unknown key "__proto__"',
    ],
    [
      '__proto__ in a block',
      '{ secretsManagement: { apply: { "__proto__": { zero_downtime: false } } } }',
      `1:33: found the unknown key "__proto__"; ${APPLY}`,
    ],
  ])('are refused with a line, in bounded time: %s', (_, text, expected) => {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    let result = parse('{}');
    const cost = cpuMilliseconds(() => {
      result = parse(bytes);
    });
    const { settings, keys, rotations, problems: found } = result;
    expect(cost).toBeLessThan(2000);
    expect(found.slice(0, 2).map(formatProblem).join('\n')).toContain(expected);
    expect(found.length).toBeLessThanOrEqual(400);
    expect(settings).toEqual(DEFAULT_SETTINGS);
    expect(keys).toEqual({});
    expect(rotations).toEqual({ byType: {}, isComplete: false });
  });

  it('pollute no prototype', () => {
    expect(parse('{ __proto__: { secretsManagement: { apply: { zero_downtime: false } }, x: 1 } }').settings).toEqual(
      DEFAULT_SETTINGS,
    );
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('never make it throw, and give positions inside the file, whatever the bytes are', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        "'",
        '\\',
        '\n',
        ' ',
        '//',
        '/*',
        '*/',
        '0x1',
        'null',
        'é',
        '💥',
      ),
      fc.constantFrom('secretsManagement', 'enabled', 'apply', 'reload', 'hot_reload', '__proto__', '<<', 'true'),
      fc.constantFrom('{ secretsManagement: {', 'apply: {', 'reload: {', 'zero_downtime: false,', '} } }'),
      fc.constantFrom('rotationPolicy: {', 'api_keys: "daily",', 'rotation: "90_days",', 'aws_credentials: "x",'),
      fc.constantFrom('api_key_management: {', 'github_token: {', 'openai_key: {', 'permissions: ["a",', 'scope: "a",'),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(`{ secretsManagement: { apply: ${text} } }`)),
      fc.json().map((text) => Buffer.from(`{ secretsManagement: { rotationPolicy: { api_keys: ${text} } } }`)),
      fc
        .json()
        .map((text) => Buffer.from(`{ api_key_management: { aws_key: ${text}, github_token: { scope: ${text} } } }`)),
      fc.array(piece, { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join(''))),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        const result = parse(input);
        const lines = Buffer.from(input).toString('utf8').split('\n');
        for (const { line, column, message } of [...result.problems, ...result.warnings]) {
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeGreaterThanOrEqual(1);
          expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
          expect(message).not.toMatch(/undefined|\[object|NaN/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
