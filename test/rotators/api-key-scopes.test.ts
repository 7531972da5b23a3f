import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Misconfigured } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { parseScopes } from '../../shared/rotators/api-key/openai/openai-scopes.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ApiKeyHarness } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: ApiKeyHarness;
let made = 0;

beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness.stop());

async function adopt(settings: Partial<RotatorSettings>) {
  made += 1;
  const adopted = await harness.adopt(`scopes${made}`);
  return { adopted, rotations: new RotationByHand(harness.rotator(), adopted, settings) };
}

describe('declared permissions', () => {
  it.each([
    [['chat', 'completion'], ['api.model.request']],
    [
      ['Chat', 'api.model.request', 'api.files.read'],
      ['api.model.request', 'api.files.read'],
    ],
    [['read:all'], ['api.all.read']],
    [['model.request'], ['model.request']],
  ])('%j become scopes of OpenAI', (words, scopes) => {
    expect(parseScopes(words).scopes).toEqual(scopes);
  });

  it('say what was mapped, and what cannot be narrowed', () => {
    expect(parseScopes(['chat', 'completion']).facts).toEqual({
      scopes: 'api.model.request',
      scopes_mapped: 'chat is api.model.request, completion is api.model.request',
      scopes_not_narrowed: 'api.model.request covers every request to a model',
    });
    for (const none of [undefined, []]) {
      expect(parseScopes(none)).toEqual({
        scopes: undefined,
        facts: { scopes: expect.stringContaining('no permissions are declared') },
      });
    }
  });

  it.each(['s3', 'api', 'api.', 'api.Model.request', 'chat completion', '__proto__', 'constructor', ''])(
    'stop at %j, which is none: a key without it would be another key',
    (word) => {
      expect(() => parseScopes(['chat', word])).toThrow(Misconfigured);
    },
  );

  it('repeat nothing but names in an error text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (word) => {
        try {
          parseScopes([word]);
        } catch (error) {
          expect((error as Misconfigured).safeMessage).toMatch(/^permissions: "[\w:.?-]{0,64}" is no scope/);
        }
      }),
    );
  });
});

describe('a narrowed key', () => {
  it('may do what is declared and nothing else; that it may not list models is no refusal', async () => {
    const { rotations } = await adopt({ permissions: ['chat', 'completion'], scope: 'user' });
    const preflight = await rotations.preflight('v1');
    expect(preflight.facts).toMatchObject({
      scopes: 'api.model.request',
      scope: expect.stringContaining('narrows nothing'),
    });
    const brought = await rotations.bringIn('v1');
    expect(await rotations.probe(brought.value)).toBe('accepted');
    expect(await rotations.test(brought)).toMatchObject({ healthy: 1 });
    await harness.use(brought.value);
    const { api_key: key } = JSON.parse(brought.value.reveal());
    const answer = await fetch(`${harness.server.baseUrl}/files`, { headers: { authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(403);
    await rotations.retire(rotations.promote(brought));
  });

  it.each([
    [401, 'missing_scope'],
    [401, null],
    [403, null],
  ] as const)('is told from a refused one where a missing scope is HTTP %d with code %s', async (status, code) => {
    const other = await ApiKeyHarness.start({ missingScope: { status, code } });
    try {
      const adopted = await other.adopt('a');
      const rotations = new RotationByHand(other.rotator(), adopted, { permissions: ['api.files.read'] });
      const brought = await rotations.bringIn();
      expect(await rotations.probe(brought.value)).toBe('accepted');
      expect(await rotations.retire(rotations.promote(brought))).toMatchObject({ refusedLogin: true });
      expect(await rotations.probe(adopted.incumbent)).toBe('refused');
      // The same answer to an admin key is no refusal of it either: it may look, but not write.
      const admin = new SecretText(other.server.readingAdminKey);
      await expect(
        new RotationByHand(other.rotator(), { ...(await other.adopt('b')), admin }).bringIn(),
      ).rejects.toBeInstanceOf(Misconfigured);
    } finally {
      await other.stop();
    }
  });

  it('is refused before it is made where OpenAI does not know a scope', async () => {
    const { rotations } = await adopt({ permissions: ['api.x.y'] });
    harness.server.plan({
      method: 'POST',
      does: {
        kind: 'answers',
        answer: { status: 400, body: { error: { message: 'words of a server', code: 'invalid_scopes' } } },
      },
    });
    const attempt = rotations.bringIn();
    await expect(attempt).rejects.toBeInstanceOf(Misconfigured);
    await expect(attempt).rejects.toThrow(/HTTP 400, invalid_scopes/);
  });
});
