import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CandidateUnproven, Misconfigured } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { parseScopes } from '../../shared/rotators/api-key/openai/openai-scopes.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import * as fc from '../harness/properties.ts';
import type { Place } from '../providers/openai-server.ts';
import { ApiKeyHarness, keyOf } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: ApiKeyHarness;
let made = 0;

beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness.stop());

async function adopt(settings: Partial<RotatorSettings>, incumbent?: (place: Place) => string) {
  made += 1;
  const adopted = await harness.adopt(`scopes${made}`, incumbent);
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
    [['responses'], ['api.responses.write']],
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

/** Asks the server itself, with a model: what a user of the key does. */
async function callsModels(value: SecretText): Promise<number> {
  const headers = { authorization: `Bearer ${keyOf(value)}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ model: 'gpt-test', messages: [] });
  return (await fetch(`${harness.server.baseUrl}/chat/completions`, { method: 'POST', headers, body })).status;
}

describe('a candidate that may not do what is declared', () => {
  it.each([['chat'], ['api.model.request'], ['responses'], ['read:all'], ['api.files.read']])(
    'is told by %j where OpenAI takes the scope and does not let the key do it',
    async (declared) => {
      const { rotations } = await adopt({ permissions: [declared], preheatSeconds: 0 });
      const brought = await rotations.bringIn();
      const path = { chat: /chat/, responses: /responses/, 'read:all': /models|files/, 'api.files.read': /files/ }[
        declared
      ];
      const error = { message: 'Missing scopes: model.request', code: null };
      const does = { kind: 'answers' as const, answer: { status: 401, body: { error } } };
      // The list of models is what the pre-heat tries first.
      if (declared === 'read:all') harness.server.plan({ path: /files/, does });
      else harness.server.plan({ path: path ?? /chat/, does });
      const attempt = rotations.test(brought);
      await expect(attempt).rejects.toBeInstanceOf(CandidateUnproven);
      await expect(attempt).rejects.toThrow(/permissions that it turns out not to have: api\.[\w.]+ \(/);
      expect(harness.server.pending).toBe(0);
      expect((await rotations.test(brought)).parity[0]).toMatch(/^permission api\./);
    },
  );

  it.each(['model.request', 'api.modell.request', 'api.models.request'])(
    'is not promoted with %s, a name that lets it call no model: the incumbent may, it may not',
    async (scope) => {
      const { rotations, adopted } = await adopt({ permissions: [scope], preheatSeconds: 0 });
      const brought = await rotations.bringIn();
      expect(await callsModels(adopted.incumbent)).toBe(200);
      expect(await callsModels(brought.value)).toBe(403);
      await expect(rotations.test(brought)).rejects.toBeInstanceOf(CandidateUnproven);
    },
  );

  it('is not promoted as a first value either where its name is one that a request shows', async () => {
    const { rotations } = await adopt({ permissions: ['model.request'], preheatSeconds: 0 });
    const { value: candidate } = await rotations.bringIn();
    const { settings } = rotations;
    const attempt = rotations.rotator.test({ settings, candidate, incumbentIdentity: undefined });
    await expect(attempt).rejects.toThrow(/model\.request \(calling models\)/);
  });

  it('is given the time of the pre-heat: what spreads through OpenAI does so within it', async () => {
    const { rotations } = await adopt({ permissions: ['chat'], preheatSeconds: 5, healthyThreshold: 2 });
    const { value: candidate } = await rotations.bringIn();
    const error = { message: 'You have insufficient permissions for this operation. Missing scopes: model.request.' };
    const does = { kind: 'answers' as const, answer: { status: 401, body: { error } } };
    harness.server.plan({ path: /chat/, does }, 2);
    const rotator = harness.rotator(new ManualClock(new Date().toISOString()));
    const { settings } = rotations;
    expect(await rotator.test({ settings, candidate, incumbentIdentity: undefined })).toEqual({
      healthy: 2,
      parity: ['permission api.model.request'],
    });
  });

  it('is one with a scope that no request shows, beside one that is shown: what can be tried is', async () => {
    const { rotations } = await adopt({ permissions: ['chat', 'api.webhooks.read'] });
    expect((await rotations.preflight('v1')).facts['scopes_not_tried']).toMatch(/^api\.webhooks\.read: no request/);
    expect((await rotations.test(await rotations.bringIn('v1'))).parity).toEqual(['permission api.model.request']);
  });

  it('is no worse than an incumbent that may do nothing that can be tried', async () => {
    const scopes = ['api.webhooks.read'];
    const incumbent = (place: Place) => harness.server.mint(place, { scopes }).value;
    const { rotations } = await adopt({ permissions: scopes, preheatSeconds: 0 }, incumbent);
    expect(await rotations.test(await rotations.bringIn())).toEqual({ healthy: 1, parity: [] });
  });

  it('is asked in the pre-heat for what is declared, and no more', async () => {
    const { rotations } = await adopt({ permissions: ['chat'] });
    const { value: candidate } = await rotations.bringIn();
    const { settings } = rotations;
    const before = harness.server.log.length;
    await rotations.rotator.test({ settings, candidate, incumbentIdentity: undefined });
    expect(harness.server.log.slice(before)).toEqual(['GET /v1/models', 'POST /v1/chat/completions']);
  });

  it('is proved without a call that costs anything', async () => {
    const { rotations } = await adopt({ permissions: ['chat', 'responses'] });
    const before = harness.server.answered.length;
    await rotations.test(await rotations.bringIn());
    expect(harness.server.answered.length).toBe(before);
  });

  it('is not kept from use by an account that is out of credit', async () => {
    const { rotations } = await adopt({ permissions: ['chat'], preheatSeconds: 0 });
    const brought = await rotations.bringIn();
    const error = { message: 'You exceeded your current quota', code: 'insufficient_quota' };
    harness.server.plan({ path: /chat/, does: { kind: 'answers', answer: { status: 429, body: { error } } } });
    expect((await rotations.test(brought)).parity).toContain('permission api.model.request');
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
