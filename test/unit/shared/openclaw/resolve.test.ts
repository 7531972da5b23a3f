import { describe, expect, it } from 'vitest';
import { resolve } from '../../../../shared/openclaw/resolve.ts';
import type { Aliases } from '../../../../shared/openclaw/secret-reference.ts';
import type { ServeEntry } from '../../../../shared/openclaw/serve-file.ts';
import { FakeSecretSource } from './fake-secret-source.ts';

const NOW = new Date('2026-11-22T12:00:00Z');
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbC123';

describe('resolving a batch', () => {
  it('answers names, ARNs and fields, and reads each secret once', async () => {
    const source = new FakeSecretSource()
      .put('prod/openai', 'v1', '{"api_key":"sk-1","org":"acme"}', 'AWSCURRENT')
      .put('plain', 'v7', 'text', 'AWSCURRENT');
    const { answer, witness } = await answerTo(['prod/openai#api_key', 'prod/openai#org', 'plain'], { source });
    expect(answer).toEqual({
      protocolVersion: 1,
      values: { 'prod/openai#api_key': 'sk-1', 'prod/openai#org': 'acme', plain: 'text' },
      errors: {},
    });
    expect(source.reads).toEqual(['prod/openai', 'plain']);
    expect(witness).toEqual({
      ids: { 'prod/openai#api_key': 'v1', 'prod/openai#org': 'v1', plain: 'v7' },
      errors: {},
    });
  });

  it.each([
    ['missing', 'NOT_FOUND'],
    ['json#missing', 'NOT_FOUND'],
    ['json#__proto__', 'NOT_FOUND'],
    ['json#constructor', 'NOT_FOUND'],
    ['json#twice', 'AMBIGUOUS_DUPLICATE_KEY'],
    ['json#number', 'NOT_A_STRING'],
    ['json#object', 'NOT_A_STRING'],
    ['plain#key', 'NOT_JSON'],
    ['list#0', 'NOT_JSON'],
  ])('says why %s has no value, and answers the others', async (id, code) => {
    const text = '{"twice":"a","\\u0074wice" : "b","number":5,"object":{"inner":"x"},"ok":"yes","inner":"y"}';
    const source = new FakeSecretSource()
      .put('json', 'v1', text, 'AWSCURRENT')
      .put('plain', 'v1', 'secret text', 'AWSCURRENT')
      .put('list', 'v1', '["a"]', 'AWSCURRENT');
    const { answer } = await answerTo([id, 'json#ok', 'json#inner'], { source });
    expect(answer.errors).toEqual({ [id]: { code } });
    expect(answer.values).toEqual({ 'json#ok': 'yes', 'json#inner': 'y' });
  });

  it('takes an id that is the name of a property of every object for what it is', async () => {
    const source = new FakeSecretSource().put('constructor', 'v1', 'value', 'AWSCURRENT');
    const { answer } = await answerTo(['constructor', 'toString'], { source });
    expect(JSON.parse(JSON.stringify(answer))).toMatchObject({
      values: { constructor: 'value' },
      errors: { toString: { code: 'NOT_FOUND' } },
    });
  });

  it('resolves aliases, with a field too', async () => {
    const source = new FakeSecretSource().put('prod/a@b.c', 'v1', '{"password":"p"}', 'AWSCURRENT');
    const { answer } = await answerTo(['mail'], { source, aliases: { mail: 'prod/a@b.c#password' } });
    expect(answer.values).toEqual({ mail: 'p' });
  });
});

describe('serving a rollout', () => {
  const source = () =>
    new FakeSecretSource()
      .put('prod/openai', 'v1', 'old', 'AWSCURRENT')
      .put('prod/openai', 'v2', 'new', 'AWSPENDING')
      .put('prod/openai', 'v0', 'ancient', 'AWSPREVIOUS', 'AWSPENDING')
      .put('prod/openai', 'vx', 'taken back');

  it('serves the candidate that the serve file names, and says so in the witness', async () => {
    const { answer, witness } = await answerTo(['prod/openai'], { source: source(), serving: entry('v2') });
    expect(answer.values).toEqual({ 'prod/openai': 'new' });
    expect(witness.ids).toEqual({ 'prod/openai': 'v2' });
  });

  it('knows the secret by its ARN too', async () => {
    const byArn = new FakeSecretSource().put(ARN, 'v1', 'old', 'AWSCURRENT').put(ARN, 'v2', 'new', 'AWSPENDING');
    const { answer } = await answerTo([ARN], { source: byArn, serving: entry('v2') });
    expect(answer.values).toEqual({ [ARN]: 'new' });
  });

  it.each([
    ['has expired', entry('v2', -1)],
    ['names a version that is gone', entry('v9')],
    ['names a version that was taken back', entry('vx')],
    ['names a version that has been replaced', entry('v0')],
    ['is about another secret', new Map([['other', { versionId: 'v2', expiresAt: NOW }]])],
  ])('serves AWSCURRENT when the entry %s', async (_, serving) => {
    const { answer, witness } = await answerTo(['prod/openai'], { source: source(), serving });
    expect(answer.values).toEqual({ 'prod/openai': 'old' });
    expect(witness.ids).toEqual({ 'prod/openai': 'v1' });
  });

  it('answers no value rather than the old one when the candidate cannot be read', async () => {
    const failing = source();
    failing.version = async () => ({ code: 'THROTTLED' });
    const { answer } = await answerTo(['prod/openai'], { source: failing, serving: entry('v2') });
    expect(answer).toMatchObject({ values: {}, errors: { 'prod/openai': { code: 'THROTTLED' } } });
  });
});

function entry(versionId: string, seconds = 60): ReadonlyMap<string, ServeEntry> {
  return new Map([['prod/openai', { versionId, expiresAt: new Date(NOW.getTime() + seconds * 1000) }]]);
}

function answerTo(
  ids: readonly string[],
  options: {
    readonly source: FakeSecretSource;
    readonly aliases?: Aliases;
    readonly serving?: ReadonlyMap<string, ServeEntry>;
  },
) {
  const { source, aliases = {}, serving = new Map() } = options;
  return resolve({ provider: 'aws', ids }, { source, aliases, serving, now: NOW });
}
