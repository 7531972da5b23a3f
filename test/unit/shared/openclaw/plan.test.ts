import { describe, expect, it } from 'vitest';
import { parseConfigPath, targetType } from '../../../../shared/openclaw/config-path.ts';
import { idsBySecret, makePlan, openClawId, parseMapping } from '../../../../shared/openclaw/plan.ts';
import { isOpenClawId, namesOf, parseAliases } from '../../../../shared/openclaw/secret-reference.ts';

const COMMAND = '/home/claw/.rekey/rekey-resolve';

describe("OpenClaw's plan", () => {
  it('has the provider and a target per place', () => {
    const plan = makePlan({
      provider: 'rekey',
      command: COMMAND,
      mappings: [parseMapping('prod/openai#api_key=models.providers.openai.apiKey')],
      aliases: {},
    });
    expect(plan).toMatchObject({
      version: 1,
      protocolVersion: 1,
      providerUpserts: {
        rekey: { source: 'exec', command: COMMAND, timeoutMs: 10_000, trustedDirs: ['/home/claw/.rekey'] },
      },
      targets: [
        {
          type: 'models.providers.apiKey',
          path: 'models.providers.openai.apiKey',
          pathSegments: ['models', 'providers', 'openai', 'apiKey'],
          ref: { source: 'exec', provider: 'rekey', id: 'prod/openai#api_key' },
        },
      ],
    });
    expect(plan.providerUpserts['rekey']?.passEnv).toEqual(expect.arrayContaining(['AWS_REGION', 'AWS_PROFILE']));
    expect(plan.providerUpserts['rekey']?.passEnv).not.toContain('OPENCLAW_GATEWAY_TOKEN');
  });

  it.each([
    ['models.providers.openai.apiKey', 'models.providers.apiKey'],
    ['models.providers["gpt.5"].headers.x-api-key', 'models.providers.headers'],
    ['models.providers.a.request.proxy.tls.ca', 'models.providers.request.proxy.tls.ca'],
    ['skills.entries.search.apiKey', 'skills.entries.apiKey'],
    ['channels.telegram.botToken', 'channels.telegram.botToken'],
    ['channels.telegram.accounts.main.botToken', 'channels.telegram.accounts.*.botToken'],
    ['agents.entries.ops.tts.personas.x.providers.y.apiKey', 'agents.entries.*.tts.personas.*.providers.*.apiKey'],
    ['plugins.entries.exa.config.webSearch.apiKey', 'plugins.entries.exa.config.webSearch.apiKey'],
    ['plugins.entries.acpx.config.mcpServers.github.env.TOKEN', 'plugins.entries.acpx.config.mcpServers.*.env.*'],
    ['gateway.auth.token', 'gateway.auth.token'],
  ])('%s is of the type %s', (path, type) => {
    expect(targetType(parseConfigPath(path))).toBe(type);
  });

  it.each(['', 'apiKey', 'a..b', '.a.b', 'a.b.', 'a["b', 'a.__proto__.b', 'a["constructor"].b'])(
    'refuses the path %j',
    (path) => {
      expect(() => parseConfigPath(path)).toThrow(/is not a path into openclaw.json/);
    },
  );

  it.each(['nope', '=models.a.b', 'name='])('refuses the mapping %j', (text) => {
    expect(() => parseMapping(text)).toThrow(/is not NAME=config.path/);
  });

  it('takes a name with an equals sign, by its alias', () => {
    const aliases = { 'key-1': 'prod/key=1' };
    const { targets } = makePlan({
      provider: 'rekey',
      command: COMMAND,
      mappings: [parseMapping('prod/key=1=channels.telegram.botToken')],
      aliases,
    });
    expect(targets[0]?.ref.id).toBe('key-1');
  });

  it('refuses what OpenClaw would: names of providers, ids without an alias, one place twice, nothing', () => {
    const plan = (provider: string, ...mappings: string[]) =>
      makePlan({ provider, command: COMMAND, mappings: mappings.map(parseMapping), aliases: {} });
    expect(() => plan('Rekey', 'a=gateway.auth.token')).toThrow(/lower-case/);
    expect(() => plan('rekey', 'a@b=gateway.auth.token')).toThrow(/give it an alias/);
    expect(() => plan('rekey', 'a=gateway.auth.token', 'b=gateway.auth.token')).toThrow(/twice/);
    expect(() => plan('rekey')).toThrow(/at least one/);
    const many = Array.from({ length: 513 }, (_, index) => `s${index}=models.providers.p${index}.apiKey`);
    expect(() => plan('rekey', ...many)).toThrow(/at most 512/);
  });
});

describe("OpenClaw's ids", () => {
  it.each([
    ['prod/openai#api_key', true],
    ['arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbC123#k', true],
    ['a'.repeat(256), true],
    ['a'.repeat(257), false],
    ['/prod/openai', false],
    ['a@b', false],
    ['a+b', false],
    ['a=b', false],
    ['a/../b', false],
    ['a/./b', false],
    ['', false],
  ])('%s: %s', (id, isOne) => {
    expect(isOpenClawId(id)).toBe(isOne);
  });

  it('are found by the secret they belong to, whether by name, ARN or alias', () => {
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbC123';
    expect(idsBySecret(['prod/openai#a', arn, 'p@x', 'prod/openai#a'], { px: 'p@x' })).toEqual(
      new Map([
        ['prod/openai', ['prod/openai#a', arn]],
        ['p@x', ['px']],
      ]),
    );
    expect(namesOf(arn)).toEqual(['prod/openai', 'prod/openai-AbC123']);
    expect(() => openClawId('/x', {})).toThrow(/alias/);
  });

  it.each(['[]', '{"a":5}', '{"a":""}', 'x', '{"/a":"b"}'])('refuses the aliases %s', (text) => {
    expect(() => parseAliases(text)).toThrow(/alias/i);
  });
});
