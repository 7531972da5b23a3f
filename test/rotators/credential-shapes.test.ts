import { describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import type { PolicyDeclaration } from '../../shared/config/declaration.ts';
import { CandidateUnproven, Misconfigured, type RekeyError, SameAsSurvivor } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { credentialRotator } from '../../shared/rotators/credential/credential-rotator.ts';
import { meetsPolicy } from '../../shared/rotators/password.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import * as fc from '../harness/properties.ts';

const rotator = credentialRotator({ clock: systemClock });

function settings(policy?: Partial<PolicyDeclaration>): RotatorSettings {
  return {
    secretId: 'prod/app/cookie',
    mode: 'two_roles',
    preheatSeconds: 5,
    healthyThreshold: 3,
    endSessions: true,
    ...(policy === undefined ? {} : { policy: { length: 32, require: [], ...policy } }),
  };
}

const input = (incumbent: string | undefined, policy?: Partial<PolicyDeclaration>) => ({
  settings: settings(policy),
  admin: undefined,
  incumbent: incumbent === undefined ? undefined : new SecretText(incumbent),
  versionId: 'v1',
  incumbentVersionId: 'v0',
  known: [],
});

function propose(incumbent: string | undefined, policy?: Partial<PolicyDeclaration>): string {
  return rotator.propose({ ...input(incumbent, policy), candidate: 'credential@v1' }).reveal();
}

function test(candidate: string, incumbent: string | undefined, policy?: Partial<PolicyDeclaration>) {
  const given = input(incumbent, policy);
  const incumbentIdentity = incumbent === undefined ? undefined : 'credential@v0';
  return rotator.test({ ...given, incumbentIdentity, candidate: new SecretText(candidate) });
}

async function faultOf(incumbent: string, policy?: Partial<PolicyDeclaration>): Promise<RekeyError> {
  const fault = await rotator.preflight(input(incumbent, policy)).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(Misconfigured);
  return fault as RekeyError;
}

describe('a generated credential', () => {
  it('stays plain text where it was, whatever that text looks like', async () => {
    for (const incumbent of ['old', '12345678', 'null', 'true', '{"password":', '[half', '  spaced  ', '\u0000']) {
      const candidate = propose(incumbent);
      expect(candidate).toMatch(/^[\w-]{32}$/);
      expect(await test(candidate, incumbent)).toEqual({ healthy: 1, parity: ['shape', 'other keys'] });
    }
  });

  it('stays a JSON text where it was one', async () => {
    const candidate = propose('"old value"');
    expect(candidate).toMatch(/^"[\w-]{32}"$/);
    expect((await test(candidate, '"old value"')).healthy).toBe(1);
    await expect(test(candidate.slice(1, -1), '"old value"')).rejects.toBeInstanceOf(CandidateUnproven);
  });

  it('is plain text in a secret that has no value yet, or under the key that the policy names', async () => {
    expect(await rotator.preflight(input(undefined))).toMatchObject({
      candidate: 'credential@v1',
      incumbent: undefined,
    });
    expect(propose(undefined)).toMatch(/^[\w-]{32}$/);
    expect(JSON.parse(propose(undefined, { key: 'token' }))).toEqual({
      token: expect.stringMatching(/^[\w-]{32}$/) as string,
    });
    expect((await test(propose(undefined), undefined)).parity).toEqual([]);
  });

  it('replaces one key of a JSON object, and keeps the order of the others and the digits of their numbers', async () => {
    const incumbent =
      '{"id":123456789012345678901234567890, "password":"old","rate":1.10,"n":{"a":[1e400,null]},"__proto__":1}';
    const candidate = propose(incumbent);
    const [, password] = /"password":"([\w-]{32})"/.exec(candidate) ?? [];
    expect(candidate).toBe(
      `{"id":123456789012345678901234567890,"password":"${password}","rate":1.10,"n":{"a":[1e400,null]},"__proto__":1}`,
    );
    expect((await test(candidate, incumbent)).healthy).toBe(1);
    const other = '{"password":"x","signing":"old"}';
    expect(JSON.parse(propose(other, { key: 'signing' }))).toMatchObject({ password: 'x' });
  });

  it('keeps every other key of any JSON object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (others, key) => {
        const held = { ...others, [key]: 'the old' };
        fc.pre(!('engine' in held));
        const before = JSON.parse(JSON.stringify(held)) as Record<string, unknown>;
        const after = JSON.parse(propose(JSON.stringify(held), { key })) as Record<string, unknown>;
        expect(Object.keys(after)).toEqual(Object.keys(before));
        expect({ ...after, [key]: '' }).toEqual({ ...before, [key]: '' });
        expect(after[key]).toMatch(/^[\w-]{32}$/);
      }),
    );
  });

  it('meets its policy and is never what it replaces', () => {
    const policies = fc.record({
      length: fc.integer({ min: 4, max: 40 }),
      require: fc.subarray(['lower', 'upper', 'digit', 'symbol'] as const),
    });
    fc.assert(
      fc.property(policies, (policy) => {
        const incumbent = propose('first', policy);
        const candidate = propose(incumbent, policy);
        expect(meetsPolicy(candidate, { ...policy })).toBe(true);
        expect(candidate).not.toBe(incumbent);
      }),
    );
    // One of two texts is the old one.
    const tiny = { length: 1, alphabet: 'ab' };
    for (let draw = 0; draw < 20; draw += 1) expect(propose('a', tiny)).toBe('b');
    expect(() => propose('1', { length: 1, alphabet: 'ab1', require: ['digit'] })).toThrow(Misconfigured);
  });

  it('is not proved when it is the old one, differs in another key, or does not meet the policy', async () => {
    await expect(test('a'.repeat(32), 'a'.repeat(32))).rejects.toThrow("the incumbent's value");
    const [old, other] = ['{"password":"old","a":1}', `{"password":"${'x'.repeat(32)}","a":2}`];
    await expect(test(other, old)).rejects.toThrow('more than what is generated');
    await expect(test('short', 'old')).rejects.toThrow('policy');
    await expect(test('x'.repeat(32), 'old', { require: ['digit'] })).rejects.toBeInstanceOf(CandidateUnproven);
  });
});

describe('a secret that cannot be a generated credential', () => {
  it.each([
    'postgres',
    'postgresql',
    'aurora-postgresql',
    'mysql',
    'aurora',
    'aurora-mysql',
    'mariadb',
    'redis',
    'Valkey',
    'RabbitMQ',
  ])('has the engine %s, whose type must be declared', async (engine) => {
    const fault = await faultOf(JSON.stringify({ engine, password: 'a-leaked-value' }));
    expect(fault.safeMessage).toMatch(/declare type: (postgresql|mysql|mariadb|redis|rabbitmq)\./);
    expect(fault.safeMessage).not.toContain('leaked');
  });

  it('may have an engine that no type of Rekey is for', () => {
    expect(JSON.parse(propose('{"engine":"homegrown","password":"x"}'))).toMatchObject({ engine: 'homegrown' });
  });

  it.each<[string, string, Partial<PolicyDeclaration> | undefined, RegExp]>([
    ['lacks the key', '{"token":"a-leaked-value"}', undefined, /without the key "password"/],
    ['lacks the declared key', '{"password":"a-leaked-value"}', { key: 'token' }, /without the key "token"/],
    ['has the key from its prototype only', '{"a":"a-leaked-value"}', { key: 'toString' }, /without the key/],
    ['holds a number there', '{"password":17171717}', undefined, /"password" .* not a text/],
    ['holds an object there', '{"password":{"a":"a-leaked-value"}}', undefined, /not a text/],
    ['is a list', '["a-leaked-value"]', undefined, /list/],
    ['is plain where a key is declared', 'a-leaked-value', { key: 'token' }, /no JSON object/],
    ['has it in a second key', '{"password":"a-leaked:value","url":"x://u:a-leaked%3Avalue@h"}', undefined, /"url"/],
    ['has it deeper down', '{"password":"a-leaked-value","b":{"c":["a-leaked-value"]}}', undefined, /"b"/],
    [
      'is nested too deep',
      `{"password":"a-leaked-value","b":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      undefined,
      /deep/,
    ],
    ['has a policy that nothing meets', 'a-leaked-value', { length: 1, require: ['lower', 'digit'] }, /policy/],
  ])('%s', async (_, incumbent, policy, message) => {
    const fault = await faultOf(incumbent, policy);
    expect(fault.safeMessage).toMatch(message);
    expect(fault.safeMessage).not.toMatch(/leaked|1717/);
  });
});

describe('retirement of a generated credential', () => {
  const retirement = {
    settings: settings(),
    admin: undefined,
    identity: 'credential@v0',
    versionId: 'v0',
    survivor: new SecretText('new'),
  };

  it('says that nobody can refuse the old value', async () => {
    const report = await rotator.retire({ ...retirement, value: new SecretText('old') });
    expect(report).toMatchObject({ refusedLogin: false, endedSessions: 0 });
    expect(report.facts['proof']).toMatch(/^none: /);
    expect(await rotator.retire({ ...retirement, value: undefined })).toEqual(report);
  });

  it('keeps the value that must go on working', async () => {
    const same = { ...retirement, value: new SecretText('new') };
    await expect(rotator.retire(same)).rejects.toBeInstanceOf(SameAsSurvivor);
  });
});
