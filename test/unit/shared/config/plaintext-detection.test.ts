import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import * as fc from '../../../harness/properties.ts';
import {
  findSecretForms,
  hasSecretForm,
  isMadeOfTemplates,
  isSensitiveKey,
  KNOWN_PROVIDERS,
  mayBeSecret,
} from '../../../../shared/config/plaintext-detection.ts';

// Put together at run time, so that scanners of this repository have nothing to find.
const FORMS = [
  ['gh', 'p_abcdef0123456789'],
  ['github', '_pat_11AAAAAAA0abcdef'],
  ['s', 'k-proj-abc123def456ghi789'],
  ['xo', 'xb-123456789012-abcdef'],
  ['AK', 'IAIOSFODNN7EXAMPLE'],
  ['-----BEGIN ', 'PRIVATE KEY-----'],
  ['-----BEGIN RSA ', 'PRIVATE KEY-----'],
  ['postgres://', 'user:pass@host/db'],
  ['ey', 'JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc'],
  ['AK', 'IAIOSFODNN7EXAMPLE'.replace('KIA', 'SIA')],
  ['AB', `SK${'Qk9D'.repeat(28)}`],
  ['wJalrXUtnFEMI/K7MD', 'ENG/bPxRfiCYEXAMPLEKEY'],
  ['s', 'k_live_4eC39HqLyjWDarjtT1zdp7dc'],
  ['r', 'k_live_4eC39HqLyjWDarjtT1zdp7dc'],
  ['s', 'k_test_abcdefghijklmnopqrstuvwx'],
  ['wh', 'sec_1sBDnkVvG0aP3rK9yQ2mT8uL5xW7zN4c'],
  ['gl', 'pat-3xK9_aB-7fQ2mT8uL5xW'],
  ['gl', 'pat-abcdefghij0123456789'],
  ['gl', `ptt-${'0123456789abcdef'.repeat(3).slice(0, 40)}`],
  ['gl', 'rt-t1_aB3dE5fG7hI9jK1lM3nO'],
  ['AI', 'zaSyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v'],
  ['np', `m_aB3${'dE5fG7hI9jK'.repeat(3)}`],
  ['py', 'pi-AgEIcHlwaS5vcmcCJDAw'],
  ['ruby', `gems_${'0123456789abcdef'.repeat(3)}`],
  ['S', 'G.aB3dE5fG7hI9jK1lM3nO5p.aB3dE5fG7hI9jK1lM3nO5paB3dE5fG7hI9jK1lM3nO5'],
  ['h', `f_aB${'dEfGhIjK'.repeat(4)}`],
  ['da', `pi${'0123456789abcdef'.repeat(2)}`],
  ['do', `p_v1_${'0123456789abcdef'.repeat(4)}`],
  ['gl', 'sa_aB3dE5fG7hI9jK1lM3nO5paB3dE5fG7h_0a1b2c3d'],
  ['gl', `c_${'aB3dE5fG'.repeat(5)}`],
  ['hv', `s.${'aB3dE5fG'.repeat(12)}`],
  ['li', `n_api_${'aB3dE5fG'.repeat(5)}`],
  ['nt', `n_12345678901${'aB3dE5f'.repeat(5)}`],
  ['pp', `lx-${'aB3dE5fG'.repeat(6)}`],
  ['pu', `l-${'0123456789'.repeat(4)}`],
  ['sn', `tryu_${'0123456789abcdef'.repeat(4)}`],
  ['sn', 'trys_eyJpYXQiOjE2ODczMzY1NDMuNjk4NTksInVybCI6bn'],
  ['sh', `pat_${'0123456789abcdef'.repeat(2)}`],
  ['AGE-SEC', `RET-KEY-1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58)}`],
  ['xa', 'pp-1-A0B1C2D3E4F-1234567890123-0a1b2c3d'],
  ['https://hooks.sl', 'ack.com/triggers/T0/1/abc'],
].map((parts) => parts.join(''));

describe('known forms', () => {
  it.each(FORMS)('knows %j alone and inside a text', (form) => {
    expect(hasSecretForm(form)).toBe(true);
    expect(hasSecretForm(`see "${form}" here`)).toBe(true);
    expect(mayBeSecret(form)).toBe(true);
  });

  it.each([
    'pg_prod_main',
    'api_key_github',
    'risk-assessment-service-1',
    'https://example.com/a',
    'AKIA',
    'ghp_production',
    'arn:aws:sqs:eu-west-1:123456789012:alerts',
    'arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/Orders/Database-AbC123',
    'arn:aws:iam::123456789012:role/Division/ServiceRoleOfTheOrderSystem00',
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com/Orders/Api@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    'DA39A3EE5E6B4B0D3255BFEF95601890AFD80709',
    'services/billing/Production/DatabaseUser',
    'Services/Billing/Production/DatabaseUser1',
    'TheNameOfASecretThatHasFortyCharacters01',
    'c56a4180-65aa-42ec-a945-5fd21dec0538',
    'cron(0 8 ? * MON-FRI *)',
    '*/5 0-23 1,15 * 1-5',
    'my-db-1.cluster-c1a2b3d4e5f6.eu-west-1.rds.amazonaws.com',
    'hvs.orders-production-eu-west-1-of-the-vault.example.com',
    'glpat-production-deployment-2026-1',
    'glrt_runner_production',
    'sk_test_environment1',
    'sk_live_keys',
    'sk_live_PaymentsService',
    'glpat-Deploy-token-production',
    'task_live_4eC39HqLyjWDarjtT1zdp7dc',
    'whsec_of_the_billing_service_in_production',
    'npm_registry_token_of_the_build_in_production',
    'hf_models_of_the_recommendation_service_1',
    'pypi-uploads',
    'AIza',
    'dapi-production',
    '{{name}}',
    '/v1/organizations/org-AbC123dEf456GhI789jKl012MnO345/keys',
    'https://api.example.com/v1/projects/aB3dE5fG7hI9jK1lM3nO5paB3dE5fG7hI9jK1lM3',
  ])('leaves %j alone', (text) => {
    expect(hasSecretForm(text)).toBe(false);
  });

  it('are found in the order in which they stand, whatever they are', () => {
    const text = FORMS.join('\n');
    const lines = findSecretForms(text).map((offset) => text.slice(0, offset).split('\n').length);
    expect(new Set(lines)).toEqual(new Set(FORMS.map((_, index) => index + 1)));
    expect(lines).toEqual([...lines].sort((one, other) => one - other));
  });

  it('are named in the documentation, each provider', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');
    const list = /known forms are ([^.]*)\./.exec(text.replaceAll('\n', ' '))?.[1] ?? '';
    for (const provider of KNOWN_PROVIDERS) expect(list).toContain(provider);
  });

  it('are of secret access keys of AWS nearly always', () => {
    const bytes = (seed: number) => createHash('sha256').update(`${seed}`).digest().subarray(0, 30);
    const keys = Array.from({ length: 2000 }, (_, seed) => bytes(seed).toString('base64'));
    expect(keys.filter(hasSecretForm).length).toBeGreaterThan(1980);
    expect(hasSecretForm(`x${keys[0]}`)).toBe(false);
    expect(hasSecretForm(`AWS_SECRET_ACCESS_KEY=${keys[0]}\n`)).toBe(true);
  });

  const WORD = fc.stringMatching(/^(?:[a-z]{3,12}|[A-Z][a-z]{2,11}|[A-Z]{2,6}|\d{1,4})$/);
  const harmless = fc.oneof(
    fc
      .tuple(fc.array(WORD, { maxLength: 12 }), fc.constantFrom(' ', '-', '_', '.'))
      .map(([words, by]) => words.join(by)),
    fc.domain(),
    fc.uuid(),
    fc.stringMatching(/^[0-9a-f]{40}$/),
    fc.stringMatching(/^sha256:[0-9a-f]{64}$/),
  );
  it('are not in words, names, hosts, UUIDs and hashes', () => {
    fc.assert(
      fc.property(harmless, (text) => {
        expect(hasSecretForm(text)).toBe(false);
        expect(findSecretForms(`# ${text}\nname: "${text}"\n`)).toEqual([]);
      }),
    );
  });
});

describe('keys', () => {
  it.each([
    'password',
    'PASSWORD',
    'db_password',
    'db-password',
    'token',
    'apiKey',
    'api_key',
    'github_token',
    'secret',
    'secretAccessKey',
    'passwords',
  ])('knows that %s asks for a value', (key) => {
    expect(isSensitiveKey(key)).toBe(true);
  });

  it.each(['name', 'secrets', 'admin_secret', 'rotation', 'tokenizer', 'keys'])('knows that %s does not', (key) => {
    expect(isSensitiveKey(key)).toBe(false);
  });
});

describe('templates', () => {
  it.each([
    '{{value}}',
    ' {{ admin.token }} ',
    'Bearer {{value}}',
    'bearer {{value}}',
    'Basic {{admin.basic}}',
    'Token token="{{value}}"',
    '{{admin.user}}:{{admin.password}}',
    'key={{value}}&id={{id}}',
  ])('are all that is in %s', (text) => {
    expect(isMadeOfTemplates(text)).toBe(true);
  });

  it.each([
    '',
    'Bearer',
    'hunter2',
    '{value}',
    '{{value',
    '{{}}hunter2',
    'hunter2{{value}}',
    'correct horse battery {{value}}',
    'abcdefghijklmnopqrstu {{value}}',
    '{{a}} p@ss',
  ])('are not all that is in %j', (text) => {
    expect(isMadeOfTemplates(text)).toBe(false);
  });
});
