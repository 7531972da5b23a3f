import { describe, expect, it } from 'vitest';

import { problems, secret, warnings } from './one-secret.ts';

describe('privileges', () => {
  it.each(['same', 'read_only'])('takes %s', (privileges) => {
    for (const type of ['postgresql', 'mysql', 'mariadb'])
      expect(secret([`type: ${type}`, `privileges: ${privileges}`]).privileges).toBe(privileges);
    expect(secret([`privileges: ${privileges}`]).privileges).toBe(privileges);
  });

  it('is absent where nothing is written', () => {
    expect(secret([])).not.toHaveProperty('privileges');
  });

  it('contradicts single_role when they are other ones', () => {
    expect(problems(['mode: single_role', 'privileges: read_only'])).toEqual([
      '5:17: found privileges: read_only, and mode: single_role; the two contradict each other, because one role cannot have other privileges than itself',
    ]);
    expect(secret(['mode: single_role', 'privileges: same']).privileges).toBe('same');
  });

  it.each([
    ['privileges: readonly', '4:17: found "readonly"; privileges is one of same, read_only; did you mean "read_only"?'],
    ['privileges: true', '4:17: found true; privileges is one of same, read_only'],
  ])('refuses %s', (line, expected) => {
    expect(problems([line])).toEqual([expected]);
  });
});

describe('permissions', () => {
  it.each([
    ['github_token', ['read:all', 'write:repo_hook']],
    ['api_key', ['completion', 'chat']],
    ['iam', ['s3', 'ec2']],
  ])('are kept in order for %s', (type, words) => {
    expect(secret([`type: ${type}`, `permissions: ${JSON.stringify(words)}`]).permissions).toEqual(words);
  });

  it('are absent where nothing is written', () => {
    expect(secret(['type: iam'])).not.toHaveProperty('permissions');
  });

  it('of an access key restrict nothing, with a warning, whichever file says them', () => {
    const iam = ['type: iam', 'provider: { user: uploader }'];
    const NOTHING =
      'permissions restrict nothing here, because an access key can do what the policies of its user allow';
    const openClaw = '{ api_key_management: { aws_key: { permissions: ["s3", "ec2"] } } }';
    expect(warnings([...iam, 'permissions: [s3, ec2]'])).toEqual([
      `6:18: found permissions in a secret of type iam; ${NOTHING}`,
    ]);
    expect(warnings(iam, openClaw)).toEqual([
      `2:5: found permissions in a secret of type iam, by openclaw.json; ${NOTHING}`,
    ]);
    expect(warnings(iam)).toEqual([]);
    const others = ['type: api_key', 'provider: { project: a, service_account: b }', 'admin_secret: root'];
    expect(warnings([...others, 'permissions: [chat]'])).toEqual([]);
  });

  const LIST = 'permissions is a list of 1 to 100 texts such as "contents:read"';
  const TEXT = 'a permission is a text of at most 128 characters';
  it.each([
    ['permissions: read', `5:18: found "read"; ${LIST}`],
    ['permissions: []', `5:18: found a list; ${LIST}`],
    [`permissions: [${'a,'.repeat(101)}]`, `5:18: found a list; ${LIST}`],
    ['permissions: [a, 1]', `5:22: found a number without quotes; ${TEXT}`],
    ['permissions: [""]', `5:19: found ""; ${TEXT}`],
    ['permissions: ["a\\n"]', `5:19: found "a?"; ${TEXT}`],
    [`permissions: [${'a'.repeat(129)}]`, `5:19: found "${'a'.repeat(39)}…"; ${TEXT}`],
    ['permissions: [{ a: b }]', `5:19: found a mapping; ${TEXT}`],
  ])('refuse %.40s', (line, expected) => {
    expect(problems(['type: github_token', line])).toEqual([expected]);
  });

  it('may be a hundred of 128 characters', () => {
    const permissions = `[${`api.${'a'.repeat(124)},`.repeat(100)}]`;
    expect(secret(['type: api_key', `permissions: ${permissions}`]).permissions).toHaveLength(100);
  });
});

describe('admin_secret', () => {
  const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:';

  it.each([
    'rds!db-4f0d2a31-9f1b-4e5c-8f0e-1d2c3b4a5968',
    'rds!cluster-4f0d2a31-9f1b-4e5c-8f0e-1d2c3b4a5968',
    `${ARN}rds!db-4f0d2a31-9f1b-4e5c-8f0e-1d2c3b4a5968-AbCdEf`,
    `${ARN}pg_admin-AbCdEf`,
    'services/shop/database-admin',
  ])('takes %s', (written) => {
    expect(secret([`admin_secret: "${written}"`]).adminSecret).toBe(written);
  });

  it.each(['rds db', 'rds!*', `${ARN}rds!db*`, ARN, `${ARN.replace('secretsmanager', 'rds')}a`, 'a'.repeat(513)])(
    'refuses %.70s',
    (written) => {
      const [found, ...more] = problems([`admin_secret: "${written}"`]);
      expect(found).toMatch(
        /^4:19: found ".{1,41}"; admin_secret is the ARN of a secret, or its name: 1 to 512 letters, digits and \/_\+=\.@!-$/,
      );
      expect(more).toEqual([]);
    },
  );
});

describe('scheduler', () => {
  it('is declared only where it is not Rekey', () => {
    expect(secret(['scheduler: secrets_manager']).scheduler).toBe('secrets_manager');
    expect(secret(['scheduler: rekey'])).not.toHaveProperty('scheduler');
    expect(secret([])).not.toHaveProperty('scheduler');
  });

  it('refuses others', () => {
    expect(problems(['scheduler: aws'])).toEqual(['4:16: found "aws"; scheduler is one of rekey, secrets_manager']);
  });

  it.each([true, false])('leaves rotate_immediately: %s without effect, with a warning', (written) => {
    expect(warnings(['scheduler: secrets_manager', `rotate_immediately: ${written}`])).toEqual([
      `5:25: found rotate_immediately: ${written} beside scheduler: secrets_manager; Secrets Manager decides when the first rotation begins`,
    ]);
    expect(warnings(['scheduler: rekey', `rotate_immediately: ${written}`])).toEqual([]);
    expect(secret([`rotate_immediately: ${written}`]).rotateImmediately).toBe(written);
  });

  it('warns of nothing that is only a default', () => {
    expect(warnings(['scheduler: secrets_manager'])).toEqual([]);
    expect(secret(['scheduler: secrets_manager']).rotateImmediately).toBe(true);
  });
});
