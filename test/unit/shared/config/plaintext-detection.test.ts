import { describe, expect, it } from 'vitest';

import {
  hasSecretForm,
  isMadeOfTemplates,
  isSensitiveKey,
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
  ])('leaves %j alone', (text) => {
    expect(hasSecretForm(text)).toBe(false);
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
