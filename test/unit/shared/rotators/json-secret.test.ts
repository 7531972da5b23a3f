import { describe, expect, it } from 'vitest';
import { Misconfigured } from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import { assertHeldOnce, parseJsonObject } from '../../../../shared/rotators/json-secret.ts';
import { portSchema } from '../../../../shared/rotators/login-secret.ts';
import { numberIn, parseLossless } from '../../../../shared/rotators/lossless-json.ts';
import * as mysql from '../../../../shared/rotators/mysql/credential-json.ts';
import * as postgresql from '../../../../shared/rotators/postgresql/credential-json.ts';
import * as rabbitmq from '../../../../shared/rotators/rabbitmq/credential-json.ts';
import * as redis from '../../../../shared/rotators/redis/credential-json.ts';
import * as fc from '../../../harness/properties.ts';

const PLAIN = 'a/telling value';

function refusal(json: Readonly<Record<string, unknown>>, texts: readonly string[] = [PLAIN]): string | undefined {
  try {
    const changed = ['password', 'username'];
    assertHeldOnce(json, { holder: 'incumbent', what: 'the password', texts, changed, ignored: new Set(['dbname']) });
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(Misconfigured);
    return (error as Misconfigured).safeMessage;
  }
}

describe('a text that a secret holds once', () => {
  it.each([
    ['as it is', { url: `db://app:${PLAIN}@host` }],
    ['percent-encoded', { url: `db://app:${encodeURIComponent(PLAIN)}@host` }],
    ['within an object', { more: { urls: [1, { dsn: `password=${PLAIN}` }] } }],
    ['as the name of a key within', { more: { [PLAIN]: 1 } }],
  ])('is found in another key %s', (_, more) => {
    const [key] = Object.keys(more);
    expect(refusal({ password: PLAIN, ...more })).toBe(
      `"${key}" of the incumbent's secret holds the password as well; Rekey changes only "password" and "username", so it would go stale. Remove it.`,
    );
  });

  it('may be in what a rotation changes, in what is ignored, and be too short to tell', () => {
    expect(refusal({ password: PLAIN, username: PLAIN, dbname: PLAIN })).toBeUndefined();
    expect(refusal({ password: 'short', url: 'short' }, ['short'])).toBeUndefined();
  });

  it('is not shown where it is the name of a key itself', () => {
    const text = 'looks_like_a_key';
    expect(refusal({ password: text, [text]: 1 }, [text])).toMatch(/^Another key of the incumbent's secret/);
  });

  it('is never in the error text, whatever the JSON', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 8 }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (plain, more) => {
          const texts = [plain];
          for (const json of [
            { ...more, [plain]: plain },
            { ...more, x: { [plain]: [] } },
          ]) {
            const said = refusal(json, texts);
            expect(said).toMatch(/^(Another key|"[\w.-]{1,64}") of the incumbent's secret holds the password as well/);
            // Rekey's own words may hold a short one by chance.
            const quoted = /^"(.*?)"/.exec(said ?? '')?.[1] ?? '';
            expect(quoted).not.toContain(plain);
          }
        },
      ),
    );
  });
});

describe('a JSON object', () => {
  it.each(['', 'no JSON', '"a text"', '[1]', 'null', '12', '{"a":1'])('is not %j, which is not quoted', (text) => {
    let said: unknown;
    try {
      parseJsonObject(new SecretText(text), 'incumbent');
    } catch (error) {
      said = error;
    }
    expect(said).toEqual(new Misconfigured("The incumbent's secret is not a JSON object."));
    expect((said as Error).cause).toBeUndefined();
  });
});

/** Every form of a number that JSON has. */
const number = fc.stringMatching(/^-?(?:0|[1-9]\d{0,24})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?$/);

describe('a number in a secret', () => {
  it('is written again as it was', () => {
    fc.assert(
      fc.property(number, fc.array(number), (one, others) => {
        const text = `{"id":${one},"more":{"list":[${others.join(',')}]}}`;
        expect(JSON.stringify(parseJsonObject(new SecretText(text), 'incumbent'))).toBe(text);
      }),
    );
  });

  it('is the number that it was to whoever reads it', () => {
    fc.assert(
      fc.property(number, (text) => {
        expect(numberIn(parseLossless(text))).toBe(Number(text));
      }),
    );
    const port = (text: string) => portSchema.safeParse(parseLossless(text)).data;
    expect(['5432', '5432.0', '54.32e2', '"5432"'].map(port)).toEqual([5432, 5432, 5432, 5432]);
    expect(['0', '65536', '5432.5', '1e400', '9007199254740993'].map(port)).toEqual(Array(5).fill(undefined));
  });

  it('is no text in which a password may be found', () => {
    const json = parseJsonObject(
      new SecretText('{"password":"90071992547409930","id":90071992547409930}'),
      'incumbent',
    );
    expect(refusal(json, ['90071992547409930'])).toBeUndefined();
  });

  const OLD =
    '{"username":"app","password":"old-password","host":"db","port":7000.0,"account":9007199254740993,"more":[1e3]}';
  const changed = { username: 'app', password: 'new-password' };
  it.each([
    ['postgresql', () => postgresql.candidateJson({ incumbent: incumbentOf(postgresql), connection, ...changed })],
    ['mysql', () => mysql.candidateJson({ engine: 'mysql', incumbent: incumbentOf(mysql), connection, ...changed })],
    ['redis', () => redis.candidateJson({ incumbent: incumbentOf(redis), connection, ...changed })],
    ['rabbitmq', () => rabbitmq.candidateJson(incumbentOf(rabbitmq), changed)],
  ])('is carried over by a rotation at %s', (_, candidate) => {
    expect(candidate().reveal()).toBe(OLD.replace('old-password', 'new-password'));
  });
  const connection = undefined;

  function incumbentOf<Credential>(type: {
    readonly parseCredential: (value: SecretText, holder: string) => Credential;
  }): Credential {
    const credential = type.parseCredential(new SecretText(OLD), 'incumbent');
    expect(credential).toMatchObject({ login: { port: 7000 } });
    return credential;
  }
});
