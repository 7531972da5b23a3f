import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Misconfigured } from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import { assertHeldOnce, parseJsonObject } from '../../../../shared/rotators/json-secret.ts';

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
