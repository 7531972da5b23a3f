import { describe, expect, it } from 'vitest';
import { Misconfigured, RekeyError } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { assertKeyOnce, candidateJson, isKeyId, parseAccessKey } from '../../shared/rotators/iam/access-key-json.ts';
import { declaredUser, isUserArn } from '../../shared/rotators/iam/declared-user.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import {
  assert,
  constant,
  constantFrom,
  dictionary,
  jsonValue,
  oneof,
  property,
  string,
} from '../harness/properties.ts';

const ID = 'AKIAIOSFODNN7EXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
/** About every fourth has neither / nor +. */
const PLAIN_SECRET = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12';
const MADE = { id: 'AKIAI44QH8DHBEXAMPLE', secret: new SecretText('je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY') };

const text = (json: unknown) => new SecretText(JSON.stringify(json));
const parsed = (json: unknown) => parseAccessKey(text(json), 'incumbent');

describe('the JSON of an access key', () => {
  it.each([
    ['AccessKeyId', 'SecretAccessKey'],
    ['accessKeyId', 'secretAccessKey'],
    ['aws_access_key_id', 'aws_secret_access_key'],
  ])('is read as %s, and the candidate is spelled the same', (id, secret) => {
    const before = { region: 'eu-west-1', [secret]: SECRET, nested: { deep: [1, null] }, [id]: ID, UserName: 'x' };
    const incumbent = parsed(before);
    expect(incumbent).toMatchObject({ id: ID });
    expect(incumbent.secret.reveal()).toBe(SECRET);
    const after: unknown = JSON.parse(candidateJson(incumbent, MADE, 'uploader').reveal());
    expect(after).toEqual({ ...before, [id]: MADE.id, [secret]: MADE.secret.reveal() });
    expect(Object.keys(after as object)).toEqual(Object.keys(before));
  });

  it('of a secret that had no value has the user with it', () => {
    const made = { AccessKeyId: MADE.id, SecretAccessKey: MADE.secret.reveal(), UserName: 'uploader' };
    expect(JSON.parse(candidateJson(undefined, MADE, 'uploader').reveal())).toEqual(made);
  });

  it.each([
    ['no JSON', 'AKIAIOSFODNN7EXAMPLE'],
    ['a list', '[]'],
    ["another engine's secret", '{"engine":"postgres","username":"a","password":"leaked-value"}'],
    ['half a key', `{"AccessKeyId":"${ID}"}`],
    ['the other half', `{"SecretAccessKey":"${SECRET}"}`],
    ['half a key of each spelling', `{"AccessKeyId":"${ID}","secretAccessKey":"${SECRET}"}`],
    [
      'a key in two spellings',
      `{"AccessKeyId":"${ID}","SecretAccessKey":"x","accessKeyId":"${ID}","secretAccessKey":"x"}`,
    ],
    ['an id with a line end', `{"AccessKeyId":"${ID}\\nx: y","SecretAccessKey":"${SECRET}"}`],
    ['an id with a slash', `{"AccessKeyId":"${ID}/20260101","SecretAccessKey":"${SECRET}"}`],
    ['an id of 64 KiB', JSON.stringify({ AccessKeyId: 'A'.repeat(65_536), SecretAccessKey: SECRET })],
    ['id and secret the wrong way round', `{"AccessKeyId":"${PLAIN_SECRET}","SecretAccessKey":"${ID}"}`],
    ['a secret in both places', `{"AccessKeyId":"${PLAIN_SECRET}","SecretAccessKey":"${PLAIN_SECRET}"}`],
    ['an id in small letters', `{"AccessKeyId":"${ID.toLowerCase()}","SecretAccessKey":"${SECRET}"}`],
    ['an empty secret', `{"AccessKeyId":"${ID}","SecretAccessKey":""}`],
    ['a temporary credential', `{"AccessKeyId":"${ID}","SecretAccessKey":"${SECRET}","SessionToken":"leaked-value"}`],
    ["a temporary credential's id", `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"${SECRET}"}`],
  ])('is refused as %s, without a value in the text', (_, value) => {
    const error = thrown(() => parseAccessKey(new SecretText(value), 'incumbent'));
    expect(error).toBeInstanceOf(Misconfigured);
    expect((error as RekeyError).safeMessage).not.toMatch(/leaked-value|example|wJalr|AAAA/i);
    expect((error as RekeyError).cause).toBeUndefined();
  });

  it('is read or refused, whatever it holds: never anything else, and no value in the text', () => {
    const values = oneof(string({ unit: 'binary' }), string(), constant(ID), constant(SECRET), jsonValue());
    const names = [
      'AccessKeyId',
      'SecretAccessKey',
      'accessKeyId',
      'secretAccessKey',
      'SessionToken',
      '__proto__',
      'x',
    ];
    assert(
      property(dictionary(constantFrom(...names), values), (json) => {
        const error = thrown(() => {
          const incumbent = parsed(json);
          const after = JSON.parse(candidateJson(incumbent, MADE, 'u').reveal()) as Record<string, unknown>;
          const { id, secret } = incumbent.spelling;
          const before = JSON.parse(JSON.stringify(json)) as Record<string, unknown>;
          for (const key of Object.keys(before))
            if (key !== id && key !== secret) expect(after[key]).toEqual(before[key]);
          expect([after[id], after[secret]]).toEqual([MADE.id, MADE.secret.reveal()]);
        });
        if (error === undefined) return;
        expect(error).toBeInstanceOf(Misconfigured);
        expect((error as RekeyError).safeMessage).not.toContain(SECRET);
        expect((error as RekeyError).safeMessage).not.toContain(ID);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['in a URL', { url: `s3://${ID}:${encodeURIComponent(SECRET)}@bucket` }],
    ['in a query', { url: `smtp://mail?password=${encodeURIComponent(SECRET)}` }],
    ['in a file', { credentials: `[default]\naws_access_key_id = ${ID}\n` }],
    ['deep down', { a: [{ b: { [SECRET]: 1 } }] }],
    ['under its own name', { [SECRET]: 1 }],
  ])('is refused where the key stands %s as well', (_, more) => {
    const error = thrown(() => assertKeyOnce(parsed({ AccessKeyId: ID, SecretAccessKey: SECRET, ...more })));
    expect(error).toBeInstanceOf(Misconfigured);
    expect((error as RekeyError).safeMessage).not.toContain(SECRET);
  });

  it('does not repeat the name of a key that is the secret itself', () => {
    const json = { AccessKeyId: ID, SecretAccessKey: 'x'.repeat(40), ['x'.repeat(40)]: 1, y: 'z' };
    const error = thrown(() => assertKeyOnce(parsed(json)));
    expect((error as RekeyError).safeMessage).toMatch(/^Another key of/);
  });

  it('may hold anything else beside it', () => {
    assertKeyOnce(
      parsed({ AccessKeyId: ID, SecretAccessKey: SECRET, region: 'eu', user: 'AKIA', n: 1, o: { p: null } }),
    );
  });

  it('tells a key id from what stands for a key that is yet to be made', () => {
    expect(isKeyId(ID)).toBe(true);
    expect(isKeyId('new key of uploader for 0b6f9a7e-1111-2222-3333-444455556666')).toBe(false);
    expect(isKeyId('')).toBe(false);
  });
});

describe('the declared user', () => {
  const settings = (user?: string): RotatorSettings => ({
    secretId: 'aws/uploader',
    mode: 'two_roles',
    preheatSeconds: 1,
    healthyThreshold: 1,
    endSessions: true,
    ...(user === undefined ? {} : { provider: { user } }),
  });

  it('may stand behind its path', () => {
    expect(declaredUser(settings('uploader'))).toBe('uploader');
    expect(declaredUser(settings('division/team/a+b=c,d.e@f-g_h'))).toBe('a+b=c,d.e@f-g_h');
  });

  it.each([undefined, '', 'a b', 'a/', 'a\nb', 'ü', 'a*', 'x'.repeat(65), '*/a', '/a', '${a}/b', 'a\0'])(
    'is refused as %j',
    (user) => {
      expect(thrown(() => declaredUser(settings(user)))).toBeInstanceOf(Misconfigured);
    },
  );

  it('is recognised in its ARN, whatever its path and partition', () => {
    expect(isUserArn('arn:aws:iam::123456789012:user/uploader', 'uploader')).toBe(true);
    expect(isUserArn('arn:aws-us-gov:iam::123456789012:user/a/b/uploader', 'uploader')).toBe(true);
    expect(isUserArn('arn:aws:iam::123456789012:user/not-uploader', 'uploader')).toBe(false);
    expect(isUserArn('arn:aws:iam::123456789012:root', 'root')).toBe(false);
    expect(isUserArn('arn:aws:sts::123456789012:assumed-role/uploader/uploader', 'uploader')).toBe(false);
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
