import { describe, expect, it } from 'vitest';

import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';
import { problems } from './one-secret.ts';

const LATE = 'found a grace period of 172800 s; grace is shorter than the rotation interval (about 86400 s)';
const ITSELF = 'found the secret itself; admin_secret is another secret';
const CONNECTION = 'connection: { host: db, dbname: app }';
const ALONE =
  'found connection without admin_secret; mode two_roles with connection needs admin_secret, or write mode: single_role';

function found(text: string, openClaw?: string): readonly string[] {
  const beside = (path: string) =>
    path === 'openclaw.json' && openClaw !== undefined ? Buffer.from(openClaw) : undefined;
  const result = parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) }, beside);
  return result.ok ? [] : result.problems.map((problem) => formatProblem(problem).replace(/^secrets\.yaml:/, ''));
}

describe('what the fields of a secret say against each other', () => {
  it('is told beside an unknown key, at any level', () => {
    const [unknown, ...more] = problems(['rotate_imediately: true', 'grace: 2d', 'admin_secret: one']);
    expect(unknown).toContain('found the unknown key "rotate_imediately"');
    expect(more).toEqual([`5:12: ${LATE}`, `6:19: ${ITSELF}`]);
    const [alone, nested, ...none] = problems(['connection: { host: db, dbname: app, prot: 1 }']);
    expect(alone).toBe(`4:17: ${ALONE}`);
    expect(nested).toContain('found the unknown key "prot"');
    expect(none).toEqual([]);
  });

  it.each([
    'scope: ""',
    'access_level: 1',
    'rotate_immediately: sure',
    'scheduler: aws',
    'privileges: none',
    'connection: { host: db, dbname: app, port: 0, prot: 1 }',
    'policy: { length: 1 }',
    'preheat: { timeout: 5m }',
    'end_sessions: 1',
    'apply: { canary_size: 101 }',
  ])('is told beside a value that is wrong in itself: %s', (line) => {
    const lines = problems([line, 'grace: 2d', 'admin_secret: one']);
    expect(lines.slice(-2)).toEqual([`5:12: ${LATE}`, `6:19: ${ITSELF}`]);
    expect(lines.length).toBeGreaterThan(2);
  });

  it('is told beside a grace period, a provider or requests that are wrong in themselves', () => {
    expect(problems(['grace: soon', 'admin_secret: one'])).toEqual([
      '4:12: found "soon"; grace is a duration such as 30s, 5m, 1h, 7d, 30_seconds, PT30S or 0',
      `5:19: ${ITSELF}`,
    ]);
    expect(problems(['type: iam', 'provider: { user: 1 }', 'admin_secret: one']).at(-1)).toBe(`6:19: ${ITSELF}`);
    expect(problems(['type: http', 'http: {}', 'admin_secret: one']).at(-1)).toBe(`6:19: ${ITSELF}`);
  });

  it.each(['', ', rotation: dayly'])(
    'is told where the interval is unknown, but for what depends on it (%s)',
    (own) => {
      const text = `secrets: [{ name: one${own}, grace: 2d, admin_secret: one }]`;
      const openClaw = '{ secretsManagement: { rotationPolicy: { database_credentials: "daily" } } }';
      const lines = found(text, own === '' ? undefined : openClaw);
      expect(lines).toHaveLength(2);
      expect(lines.join()).toContain('rotation is');
      expect(lines.join()).toContain(ITSELF);
    },
  );

  it('is told of every secret, whatever is wrong with the others', () => {
    const lines = found(
      'secrets:\n  - { name: "a b", rotation: dayly }\n  - { name: one, rotation: daily, admin_secret: one }\n  - 1\n',
    );
    expect(lines.filter((line) => line.startsWith('3:'))).toEqual([`3:49: ${ITSELF}`]);
    expect(lines).toHaveLength(4);
  });

  const SILENT = [
    [['type: postgres', CONNECTION], '{}'],
    [['mode: singel_role', CONNECTION], '{}'],
    [['admin_secret: 5', CONNECTION], '{}'],
    [
      ['reload: { backwards_compat: "yes" }', 'grace: 1h'],
      '{ secretsManagement: { reload: { backwards_compat: false } } }',
    ],
    [
      ['type: api_key', 'permissions: chat'],
      '{ api_key_management: { openai_key: { permissions: ["paint"], rotation: "daily" } } }',
    ],
  ] as const;
  it.each(SILENT)('is not guessed where that depends on what is wrong: %j', (lines, openClaw) => {
    expect(problems(lines, openClaw)).toHaveLength(1);
  });
});
