import { describe, expect, it } from 'vitest';

import type { SecretDeclaration } from '../../../../shared/config/declaration.ts';
import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';

/** A file with one secret; the lines follow its name and rotation, from line 4 and column 5 on. */
function parse(lines: readonly string[], openClaw?: string) {
  const text = ['secrets:', '  - name: pg', '    rotation: daily', ...lines.map((line) => `    ${line}`), ''].join(
    '\n',
  );
  return parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) }, (path) =>
    path === 'openclaw.json' && openClaw !== undefined ? Buffer.from(openClaw) : undefined,
  );
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

const ROLLOUT = {
  zeroDowntime: true,
  rollingUpdate: true,
  parallelSwitch: true,
  maxBatchSize: 100,
  canarySize: 1,
  batchTimeoutSeconds: 30,
  tolerancePercent: 10,
};
const RELOAD = { hotReload: true, backwardsCompat: true, rollbackOnError: true };

describe('apply', () => {
  it('is what the defaults say where a secret says nothing', () => {
    expect(secret([]).rollout).toEqual(ROLLOUT);
    expect(secret(['apply: {}']).rollout).toEqual(ROLLOUT);
  });

  it.each([
    ['zero_downtime: true', {}],
    ['zero_downtime: false', { zeroDowntime: false }],
    ['rolling_update: true', {}],
    ['rolling_update: false', { rollingUpdate: false }],
    ['parallel_switch: true', {}],
    ['parallel_switch: false', { parallelSwitch: false }],
    ['max_batch_size: 1', { maxBatchSize: 1 }],
    ['max_batch_size: 100', {}],
    ['canary_size: 0', { canarySize: 0 }],
    ['canary_size: 100', { canarySize: 100 }],
    ['timeout: 5s', { batchTimeoutSeconds: 5 }],
    ['timeout: 10m', { batchTimeoutSeconds: 600 }],
    ['tolerance: 0', { tolerancePercent: 0 }],
    ['tolerance: 100', { tolerancePercent: 100 }],
    ['tolerance: "25%"', { tolerancePercent: 25 }],
    ['tolerance: 0%', { tolerancePercent: 0 }],
  ])('takes %s', (field, changed) => {
    expect(secret([`apply: { ${field} }`]).rollout).toEqual({ ...ROLLOUT, ...changed });
  });

  it('takes all fields together', () => {
    expect(
      secret([
        'apply:',
        '  zero_downtime: false',
        '  rolling_update: false',
        '  parallel_switch: false',
        '  max_batch_size: 20',
        '  canary_size: 2',
        '  timeout: 1m',
        '  tolerance: 5%',
      ]).rollout,
    ).toEqual({
      zeroDowntime: false,
      rollingUpdate: false,
      parallelSwitch: false,
      maxBatchSize: 20,
      canarySize: 2,
      batchTimeoutSeconds: 60,
      tolerancePercent: 5,
    });
  });

  const TOLERANCE = 'tolerance is a whole number of percent from 0 to 100, such as 10 or "10%"';
  it.each([
    ['zero_downtime: "yes"', '4:29: found "yes"; zero_downtime is true or false'],
    ['rolling_update: 1', '4:30: found a number; rolling_update is true or false'],
    ['parallel_switch: []', '4:31: found a list; parallel_switch is true or false'],
    ['max_batch_size: 0', '4:30: found a number; max_batch_size is a whole number from 1 to 100'],
    ['max_batch_size: 101', '4:30: found a number; max_batch_size is a whole number from 1 to 100'],
    ['canary_size: 1.5', '4:27: found a number; canary_size is a whole number from 0 to 100'],
    ['canary_size: 101', '4:27: found a number; canary_size is a whole number from 0 to 100'],
    ['timeout: 4s', '4:23: found "4s"; timeout is from 5s to 10m'],
    ['timeout: 11m', '4:23: found "11m"; timeout is from 5s to 10m'],
    ['timeout: 30', '4:23: found a number; timeout is a duration such as 30s, 5m, 1h, 7d, 30_seconds, PT30S or 0'],
    ['tolerance: 101', `4:25: found a number; ${TOLERANCE}`],
    ['tolerance: -1', `4:25: found a number; ${TOLERANCE}`],
    ['tolerance: 0.1', `4:25: found a number; ${TOLERANCE}`],
    ['tolerance: "101%"', `4:25: found "101%"; ${TOLERANCE}`],
    ['tolerance: ten', `4:25: found "ten"; ${TOLERANCE}`],
    [
      'rollingUpdate: true',
      '4:14: found the unknown key "rollingUpdate"; apply has zero_downtime, rolling_update, parallel_switch, max_batch_size, canary_size, timeout, tolerance; did you mean "rolling_update"?',
    ],
  ])('refuses %s', (field, expected) => {
    expect(problems([`apply: { ${field} }`])).toEqual([`secrets.yaml:${expected}`]);
  });

  it('is a mapping', () => {
    expect(problems(['apply: fast'])).toEqual([
      'secrets.yaml:4:12: found "fast"; apply is a mapping such as { max_batch_size: 20, timeout: 1m }',
    ]);
  });
});

describe('reload', () => {
  it('is what the defaults say where a secret says nothing', () => {
    expect(secret([]).reload).toEqual(RELOAD);
    expect(secret(['reload: {}']).reload).toEqual(RELOAD);
  });

  it.each([
    ['hot_reload: true', {}],
    ['hot_reload: false', { hotReload: false }],
    ['backwards_compat: true', {}],
    ['backwards_compat: false', { backwardsCompat: false }],
    ['rollback_on_error: true', {}],
    ['rollback_on_error: false', { rollbackOnError: false }],
  ])('takes %s', (field, changed) => {
    expect(secret([`reload: { ${field} }`]).reload).toEqual({ ...RELOAD, ...changed });
  });

  it.each([
    ['reload: { hot_reload: on }', '4:27: found "on"; hot_reload is true or false'],
    ['reload: { backwards_compat: 0 }', '4:33: found a number; backwards_compat is true or false'],
    ['reload: { rollback_on_error: }', '4:34: found nothing; rollback_on_error is true or false'],
    [
      'reload: { hotreload: true }',
      '4:15: found the unknown key "hotreload"; reload has hot_reload, backwards_compat, rollback_on_error; did you mean "hot_reload"?',
    ],
    ['reload: true', '4:13: found true; reload is a mapping such as { hot_reload: true, backwards_compat: true }'],
  ])('refuses %s', (line, expected) => {
    expect(problems([line])).toEqual([`secrets.yaml:${expected}`]);
  });
});

describe('the grace period', () => {
  it('is none without backwards_compat', () => {
    expect(secret(['reload: { backwards_compat: false }']).graceSeconds).toBe(0);
    expect(secret(['reload: { backwards_compat: false }', 'grace: 0']).graceSeconds).toBe(0);
    expect(secret([], '{ secretsManagement: { reload: { backwards_compat: false } } }').graceSeconds).toBe(0);
  });

  it('is the written one, or the default, with backwards_compat', () => {
    expect(secret(['reload: { backwards_compat: true }']).graceSeconds).toBe(3600);
    expect(secret(['reload: { backwards_compat: true }', 'grace: 5m']).graceSeconds).toBe(300);
  });

  it('contradicts backwards_compat: false, wherever that is written', () => {
    expect(problems(['grace: 5m', 'reload: { backwards_compat: false }'])).toEqual([
      'secrets.yaml:4:12: found a grace period of 300 s, and backwards_compat: false; the two contradict each other, because without backwards_compat there is none: remove one of them',
    ]);
    const openClaw = '{ secretsManagement: { reload: { backwards_compat: false } } }';
    expect(problems(['grace: 5m'], openClaw)).toEqual([
      'secrets.yaml:4:12: found a grace period of 300 s, and backwards_compat: false in openclaw.json; the two contradict each other, because without backwards_compat there is none: remove grace here, or write reload: { backwards_compat: true }',
    ]);
    expect(secret(['grace: 5m', 'reload: { backwards_compat: true }'], openClaw).graceSeconds).toBe(300);
  });
});

describe('fields against each other', () => {
  it('refuses a canary that is larger than a batch', () => {
    expect(problems(['apply: { max_batch_size: 5, canary_size: 6 }'])).toEqual([
      'secrets.yaml:4:46: found a canary_size of 6, and a max_batch_size of 5; the two contradict each other, because the canary is a batch',
    ]);
    expect(secret(['apply: { max_batch_size: 5, canary_size: 5 }']).rollout.canarySize).toBe(5);
  });

  it.each([
    [
      ['apply: { zero_downtime: true }', 'reload: { hot_reload: false }'],
      '4:29: found zero_downtime: true without hot_reload; no running consumer takes the new value, so none can prove it',
    ],
    [
      ['apply: { rolling_update: false, canary_size: 2 }'],
      '4:50: found canary_size: 2 without rolling_update; there will be no canary',
    ],
    [
      ['apply: { parallel_switch: false, canary_size: 2 }'],
      '4:51: found canary_size: 2 without parallel_switch; every batch is one consumer',
    ],
    [
      ['apply: { parallel_switch: false, max_batch_size: 2 }'],
      '4:54: found max_batch_size: 2 without parallel_switch; every batch is one consumer',
    ],
  ])('warns of %j', (lines, expected) => {
    expect(warnings(lines)).toEqual([`secrets.yaml:${expected}`]);
  });

  it('warns of nothing that is only a default', () => {
    expect(warnings(['apply: { rolling_update: false, parallel_switch: false, canary_size: 0 }'])).toEqual([]);
    expect(warnings(['reload: { hot_reload: false }'])).toEqual([]);
  });
});
