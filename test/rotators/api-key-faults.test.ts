import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import { systemClock } from '../../shared/clock.ts';
import {
  AdminRefused,
  CandidateUnproven,
  InternalFault,
  Misconfigured,
  RateLimited,
  type RekeyError,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { openaiFault } from '../../shared/rotators/api-key/openai/openai-faults.ts';
import type { IssuedRotator, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { Answer, Mishap } from '../providers/provider-server.ts';
import { ApiKeyHarness, keyOf } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

let harness: ApiKeyHarness;
let made = 0;
const printed = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) => vi.spyOn(console, method));

beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness.stop());
afterEach(() => {
  vi.unstubAllEnvs();
  expect(harness.server.pending).toBe(0);
  for (const method of printed) expect(method).not.toHaveBeenCalled();
});

/** A server that says nothing is noticed sooner than in production. */
const patienceWith = ({ kind }: Mishap['does']) => (kind.startsWith('hangs') ? 1_000 : undefined);

async function adopt(change: Partial<Adopted> = {}, settings: Partial<RotatorSettings> = {}, patience?: number) {
  made += 1;
  const adopted = { ...(await harness.adopt(`faults${made}`)), ...change };
  const rotations = new RotationByHand(harness.rotator(systemClock, patience), adopted, settings);
  const living = () => harness.server.living(harness.world(adopted.name));
  return { adopted, rotations, living };
}

const answers = (
  status: number,
  more: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
) => ({
  kind: 'answers' as const,
  answer: { status, body: { error: { message: 'words of a server', code: null } }, ...more },
});
const coded = (status: number, code: string, message = 'words of a server') =>
  answers(status, { body: { error: { message, code } } });
const fault = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A fault, whatever is looked at, holds none of these. */
function expectSilent(error: unknown, ...secrets: readonly string[]): void {
  const shown = inspect(error, { depth: 20, showHidden: true });
  for (const secret of secrets) {
    expect(shown).not.toContain(secret);
    expect(shown).not.toContain(secret.slice(-6));
  }
}

const kinds: readonly (readonly [string, Mishap['does'], unknown])[] = [
  ['500', answers(500), TransientFailure],
  ['502 that is HTML', answers(502, { body: '<html>', headers: { 'content-type': 'text/html' } }), TransientFailure],
  ['503 without a body', { kind: 'answers', answer: { status: 503 } }, TransientFailure],
  [
    '503 that asks to try again',
    answers(503, { headers: { 'x-should-retry': 'true', 'retry-after-ms': '1' } }),
    TransientFailure,
  ],
  ['409', answers(409), TransientFailure],
  ['429', answers(429, { headers: { 'retry-after': '17' } }), RateLimited],
  ['429 with a code', coded(429, 'rate_limit_exceeded'), Throttled],
  ['418', answers(418), InternalFault],
  ['401 of a proxy', answers(401, { body: '<html>', headers: { 'content-type': 'text/html' } }), InternalFault],
  ['403 with a page', answers(403, { body: '<html>', headers: { 'content-type': 'text/html' } }), TransientFailure],
  ['403 without a body', { kind: 'answers', answer: { status: 403 } }, TransientFailure],
  ['403 of another API', answers(403, { body: { message: 'Forbidden' } }), TransientFailure],
  ['a country that is not served', coded(403, 'unsupported_country_region_territory'), Misconfigured],
  ['an IP allowlist', answers(401, { body: { error: { message: 'Your IP is not authorized' } } }), Misconfigured],
  ['a server that says nothing', { kind: 'hangs' }, TransientFailure],
  ['a body that never comes', { kind: 'hangs after its head' }, TransientFailure],
  ['a connection that breaks', { kind: 'breaks before' }, TransientFailure],
  ['half an answer', { kind: 'garbles' }, TransientFailure],
  ['an empty object', answers(200, { body: {} }), TransientFailure],
  [
    'a redirect',
    { kind: 'answers', answer: { status: 302, headers: { location: 'http://127.0.0.1:1/' } } },
    Misconfigured,
  ],
];

describe('a server in trouble', () => {
  it.each(kinds)('(%s) is told as what it is while the keys are listed', async (_, does, kind) => {
    const { rotations, adopted } = await adopt({}, {}, patienceWith(does));
    harness.server.plan({ path: /projects\/\w+\/api_keys$/, does });
    const error = await fault(rotations.preflight('v1'));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, 'words of a server', harness.server.adminKey, keyOf(adopted.incumbent));
  });

  it.each(kinds)('(%s) is told as what it is while a key is made, once, and repeats no key', async (_, does, kind) => {
    const { rotations, living } = await adopt({}, {}, patienceWith(does));
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    const before = harness.server.log.length;
    harness.server.plan({ method: 'POST', does });
    const error = await fault(rotations.issue('v1', preflight));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, 'words of a server', harness.server.adminKey, ...living().map(({ value }) => value));
    expect(harness.server.log.slice(before).filter((line) => line.startsWith('POST'))).toHaveLength(1);
  });

  it.each(kinds)('(%s) is not taken for a refused key', async (_, does, kind) => {
    const { rotations, adopted } = await adopt({}, {}, patienceWith(does));
    harness.server.plan({ path: /models/, does });
    const error = await fault(rotations.probe(adopted.incumbent));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, keyOf(adopted.incumbent), 'words of a server');
  });

  it.each(kinds)('(%s) while a key is deleted leaves a debt that the next try settles', async (_, does, kind) => {
    const { rotations, adopted } = await adopt({}, {}, patienceWith(does));
    const replaced = rotations.promote(await rotations.bringIn());
    harness.server.plan({ method: 'DELETE', does });
    const error = await fault(rotations.retire(replaced));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, keyOf(adopted.incumbent), harness.server.adminKey);
    expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
  });

  it("does not keep the parser's error, which may quote the answer", () => {
    const error = openaiFault(new SyntaxError('"value":"a-leaked-value"'), {
      place: 'api.openai.com',
      doing: 'making a key',
      now: new Date(),
    });
    expect(error).toBeInstanceOf(TransientFailure);
    expectSilent(error, 'a-leaked-value');
  });

  it('says how long OpenAI asks to wait, in seconds or with a date', async () => {
    const { rotations } = await adopt();
    const inAnHour = new Date(Date.now() + 3600_000).toUTCString();
    for (const header of ['17', inAnHour, 'words of a server'])
      harness.server.plan({ does: answers(429, { headers: { 'retry-after': header } }) });
    await expect(rotations.preflight('v1')).rejects.toMatchObject({
      retryAfterSeconds: 17,
      safeMessage: expect.stringMatching(/answers again in 17 s\.$/),
    });
    const later = (await fault(rotations.preflight('v1'))) as RateLimited;
    expect(later.retryAfterSeconds).toBeGreaterThan(3500);
    const unsaid = await fault(rotations.preflight('v1'));
    expect(unsaid).toBeInstanceOf(Throttled);
    expectSilent((unsaid as RekeyError).safeMessage, 'words of a server');
  });

  it('is not asked again by the pre-heat before the time that it said', async () => {
    const { rotations } = await adopt({}, { preheatSeconds: 20 });
    const { value: candidate } = await rotations.bringIn();
    const clock = new ManualClock(new Date().toISOString());
    const before = harness.server.log.length;
    harness.server.plan({ path: /models/, does: answers(429, { headers: { 'retry-after': '60' } }) });
    const { settings } = rotations;
    const attempt = harness.rotator(clock).test({ settings, candidate, incumbentIdentity: undefined });
    await expect(attempt).rejects.toBeInstanceOf(RateLimited);
    expect(harness.server.log.slice(before)).toEqual(['GET /v1/models']);
  });

  it('may lose an answer after it made the key: the next attempt removes that key and goes on', async () => {
    const { rotations, living } = await adopt();
    const before = living().length;
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    harness.server.plan({ method: 'POST', does: { kind: 'breaks after' } });
    expect(await fault(rotations.issue('v1', preflight))).toBeInstanceOf(TransientFailure);
    expect(living()).toHaveLength(before + 1);
    await harness.use(await rotations.issue('v1', preflight));
    expect(living()).toHaveLength(before + 1);
    expect(living().map(({ name }) => name)).toContain('rekey v1 2');
  });

  const PAGE = { body: '<html>blocked by policy</html>', headers: { 'content-type': 'text/html' } };
  it.each<readonly [string, Answer, unknown]>([
    ['400 with a page', { status: 400, ...PAGE }, Misconfigured],
    ['401 with a page', { status: 401, ...PAGE }, InternalFault],
    ['403 with a page', { status: 403, ...PAGE }, TransientFailure],
    ['403 without a body', { status: 403 }, TransientFailure],
    ['403 in the form of another API', { status: 403, body: { error: { code: 403, message: 'x' } } }, TransientFailure],
    ['404 with a page', { status: 404, ...PAGE }, Misconfigured],
    ['429 without a body', { status: 429, headers: { 'retry-after': '9' } }, RateLimited],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, Misconfigured],
  ])(
    'may have made the key although something on the way says no (%s): it is found and removed',
    async (_, answer, kind) => {
      const { rotations, living } = await adopt();
      const before = living().length;
      const preflight = await rotations.preflight('v1');
      rotations.journal('v1', preflight);
      harness.server.plan({ method: 'POST', does: { kind: 'hides its answer', answer } });
      expect(await fault(rotations.issue('v1', preflight))).toBeInstanceOf(kind);
      expect(living()).toHaveLength(before + 1);
      const { facts } = await rotations.retire('v1');
      expect(facts['removed_from_lost_attempts']).toMatch(/^key_/);
      expect(living()).toHaveLength(before);
    },
  );

  it.each([
    ['400', 'invalid_scopes', Misconfigured],
    ['401', 'invalid_api_key', AdminRefused],
    ['403', 'missing_scope', Misconfigured],
    ['403', 'not_allowed_for_another_reason', Misconfigured],
    ['404', 'not_found', Misconfigured],
    ['429', 'rate_limit_exceeded', RateLimited],
  ])(
    'has made none where OpenAI itself says no, in its own form (%s, %s): nothing is owed',
    async (status, code, kind) => {
      const { rotations } = await adopt();
      const preflight = await rotations.preflight('v1');
      rotations.journal('v1', preflight);
      const body = { error: { message: 'words of a server', type: 'invalid_request_error', param: null, code } };
      const answer = { status: Number(status), body, headers: { 'retry-after': '9' } };
      harness.server.plan({ method: 'POST', does: { kind: 'answers', answer } });
      expect(await fault(rotations.issue('v1', preflight))).toBeInstanceOf(kind);
      expect(rotations.known.find(({ versionId }) => versionId === 'v1')?.issuance).toMatchObject({ attempts: 0 });
    },
  );

  it('has not lost a key because something on the way says that there is none (404, a page)', async () => {
    const { rotations, living } = await adopt();
    const before = living().length;
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    harness.server.plan({ method: 'POST', does: { kind: 'breaks after' } });
    expect(await fault(rotations.issue('v1', preflight))).toBeInstanceOf(TransientFailure);
    harness.server.plan({ method: 'DELETE', does: { kind: 'answers', answer: { status: 404, ...PAGE } } });
    expect(await fault(rotations.retire('v1'))).toBeInstanceOf(Misconfigured);
    expect(living()).toHaveLength(before + 1);
    await rotations.retire('v1');
    expect(living()).toHaveLength(before);
  });

  it('may lose the answer of a deletion', async () => {
    const { rotations } = await adopt();
    const replaced = rotations.promote(await rotations.bringIn());
    harness.server.plan({ method: 'DELETE', does: { kind: 'breaks after' } });
    expect(await fault(rotations.retire(replaced))).toBeInstanceOf(TransientFailure);
    expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true, facts: { key: 'it was gone' } });
  });

  it("takes a key for known by a 403 in OpenAI's form only, and only where it is for missing permission", async () => {
    const { rotations, adopted } = await adopt();
    const body = (said: object) => ({
      body: { error: { message: 'words of a server', param: null, code: null, ...said } },
    });
    const type = 'invalid_request_error';
    for (const said of [
      { type, code: 'missing_scope' },
      { type, message: 'You have insufficient permissions for this operation. Missing scopes: api.model.read.' },
      { type: 'insufficient_permissions' },
    ]) {
      harness.server.plan({ path: /models/, does: answers(403, body(said)) });
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
    }
    for (const said of [{ type, code: 'blocked_by_something' }, { type }, { type: 'access_terminated' }]) {
      harness.server.plan({ path: /models/, does: answers(403, body(said)) });
      await expect(rotations.probe(adopted.incumbent)).rejects.toBeInstanceOf(TransientFailure);
    }
  });

  it('does not make an account without credit look like a refused key', async () => {
    const { rotations, adopted } = await adopt();
    for (const code of ['insufficient_quota', 'credit_balance_exhausted']) {
      harness.server.plan({ path: /models/, does: coded(429, code) });
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
    }
  });

  it('keeps a candidate waiting in the pre-heat, and fails it only when the time is over', async () => {
    const { rotations } = await adopt({}, { healthyThreshold: 2, preheatSeconds: 3 });
    const { value: candidate } = await rotations.bringIn();
    const rotator = harness.rotator(new ManualClock(new Date().toISOString()));
    const { settings } = rotations;
    harness.server.plan({ path: /models/, does: answers(503) }, 2);
    expect(await rotator.test({ settings, candidate, incumbentIdentity: undefined })).toMatchObject({ healthy: 2 });
    harness.server.plan({ path: /models/, does: answers(503) }, 4);
    await expect(rotator.test({ settings, candidate, incumbentIdentity: undefined })).rejects.toBeInstanceOf(
      CandidateUnproven,
    );
  });

  it('that lists for ever is left', async () => {
    const { rotations } = await adopt();
    const item = { id: 'key_same', name: 'n', redacted_value: 'sk-...abcd', owner: { type: 'user' } };
    const page = answers(200, { body: { data: [item], has_more: true, last_id: null } });
    harness.server.plan({ path: /api_keys$/, does: page }, 100);
    await expect(rotations.preflight('v1')).rejects.toThrow(/more than 10000 keys/);
  });
});

describe('the admin key', () => {
  it.each([
    ['admin_key', (key: string) => JSON.stringify({ admin_key: key })],
    ['api_key', (key: string) => JSON.stringify({ api_key: key, note: 'x' })],
    ['apiKey', (key: string) => JSON.stringify({ apiKey: key })],
    ['plain text', (key: string) => `${key}\n`],
  ])('may be in the secret as %s', async (_, text) => {
    const { rotations, adopted } = await adopt();
    const admin = new SecretText(text(harness.server.adminKey));
    await new RotationByHand(rotations.rotator, { ...adopted, admin }).preflight('v1');
  });

  it.each([
    undefined,
    '',
    '{"key":"a-leaked-value"}',
    '{"admin_key":"a-leaked-value',
    '{"admin_key":"a-leaked\\nvalue"}',
    'a-leaked value',
  ])('stops before any request where the secret is %j', async (text) => {
    const { rotations, adopted } = await adopt();
    const admin = text === undefined ? undefined : new SecretText(text);
    const before = harness.server.log.length;
    const error = await fault(new RotationByHand(rotations.rotator, { ...adopted, admin }).preflight('v1'));
    expect(error).toBeInstanceOf(Misconfigured);
    expectSilent(error, 'a-leaked');
    expect(harness.server.log.length).toBe(before);
  });

  it('that is refused is told from one that may not do this', async () => {
    const { rotations, adopted } = await adopt();
    const wrong = 'sk-admin-wrong-0123456789';
    const refused = await fault(
      new RotationByHand(rotations.rotator, { ...adopted, admin: new SecretText(wrong) }).preflight('v1'),
    );
    expect(refused).toBeInstanceOf(AdminRefused);
    expectSilent(refused, wrong);
    const reading = new RotationByHand(rotations.rotator, {
      ...adopted,
      admin: new SecretText(harness.server.readingAdminKey),
    });
    const error = await fault(reading.bringIn());
    expect(error).toBeInstanceOf(Misconfigured);
    expect((error as RekeyError).safeMessage).toContain('may write');
    expectSilent(error, harness.server.readingAdminKey);
  });
});

describe('the declaration', () => {
  it.each([
    ['no provider', undefined],
    ['no service account', { project: 'proj_a' }],
    ['no project', { serviceAccount: 'svc_acct_a' }],
    ['a path for a name', { project: 'proj_a/../..', serviceAccount: 'svc_acct_a' }],
    ['another provider', { name: 'elsewhere', project: 'proj_a', serviceAccount: 'svc_acct_a' }],
    [
      'an object of JavaScript for a provider',
      { name: 'constructor', project: 'proj_a', serviceAccount: 'svc_acct_a' },
    ],
  ])('with %s stops before any request', async (_, provider) => {
    const { rotations, adopted } = await adopt();
    const before = harness.server.log.length;
    const { baseUrl } = harness.server;
    const { settings } = rotations;
    const { provider: __, ...without } = settings;
    const values = { admin: adopted.admin, incumbent: adopted.incumbent, versionId: 'v1', known: [] };
    const changed = provider === undefined ? without : { ...settings, provider: { ...provider, baseUrl } };
    await expect(rotations.rotator.preflight({ ...values, settings: changed })).rejects.toBeInstanceOf(Misconfigured);
    expect(harness.server.log.length).toBe(before);
  });

  it('of an unknown provider names those that there are', async () => {
    const { rotations, adopted } = await adopt({}, { provider: { name: 'elsewhere' } });
    await expect(rotations.probe(adopted.incumbent)).rejects.toThrow(/makes API keys at openai/);
  });

  it('of a project or service account that does not exist is told', async () => {
    const { adopted } = await adopt();
    const provider = { ...adopted.declared.provider, serviceAccount: 'svc_acct_nowhere' };
    const { rotations } = await adopt({}, { provider });
    await expect(rotations.preflight('v1')).rejects.toThrow(/knows no service account svc_acct_nowhere of project/);
  });

  it('of an address at which nobody listens, or that is another API, is told in every method', async () => {
    const { rotations, adopted } = await adopt();
    const at = (baseUrl: string) =>
      new RotationByHand(rotations.rotator, adopted, { provider: { ...adopted.declared.provider, baseUrl } });
    const away = at(`http://127.0.0.1:${await freePort()}/v1`);
    await expect(away.preflight('v1')).rejects.toBeInstanceOf(TargetUnreachable);
    await expect(away.probe(adopted.incumbent)).rejects.toBeInstanceOf(TargetUnreachable);
    const known = {
      settings: away.settings,
      admin: adopted.admin,
      identity: 't',
      versionId: 'v0',
      survivor: undefined,
    };
    await expect(away.rotator.retire({ ...known, value: adopted.incumbent })).rejects.toBeInstanceOf(TargetUnreachable);
    await expect(at('https://openai.invalid/v1').preflight('v1')).rejects.toBeInstanceOf(TargetUnreachable);
    await expect(at(harness.server.origin).probe(adopted.incumbent)).rejects.toThrow(/base_url ends with \/v1/);
    await expect(at('http://api.example.com/v1').preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
  });
});

it('takes nothing from the environment that the SDK would: no other key, address, organization or header', async () => {
  vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:1/');
  vi.stubEnv('OPENAI_API_KEY', 'sk-of-the-environment');
  vi.stubEnv('OPENAI_ADMIN_KEY', 'sk-admin-of-the-environment');
  vi.stubEnv('OPENAI_ORG_ID', 'org-of-the-environment');
  vi.stubEnv('OPENAI_PROJECT_ID', 'proj_of_the_environment');
  vi.stubEnv('OPENAI_WEBHOOK_SECRET', 'whsec_of_the_environment');
  vi.stubEnv('OPENAI_LOG', 'debug');
  const others = ['OpenAI-Project: proj_other', 'OpenAI-Organization: org-other', 'Authorization: Bearer sk-other'];
  vi.stubEnv('OPENAI_CUSTOM_HEADERS', [...others, 'X-Of-The-Environment: 1'].join('\n'));
  const { rotations, adopted } = await adopt();
  expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  await rotations.rotate();
  expect(harness.server.headerNames).toContain('authorization');
  expect(harness.server.headerNames).not.toContain('x-of-the-environment');
});

it('knows every variable that the SDK reads: an update that reads another one is noticed', () => {
  const source = readFileSync(createRequire(import.meta.url).resolve('openai/client.js'), 'utf8');
  const read = [...source.matchAll(/readEnv\)\('(\w+)'\)/g)].map(([, name]) => name);
  expect([...new Set(read)].toSorted((one, other) => String(one).localeCompare(String(other)))).toEqual([
    'OPENAI_ADMIN_KEY',
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OPENAI_CUSTOM_HEADERS',
    'OPENAI_LOG',
    'OPENAI_ORG_ID',
    'OPENAI_PROJECT_ID',
    'OPENAI_WEBHOOK_SECRET',
  ]);
});

it.each(['mismatched_organization', 'mismatched_project'])(
  'takes %s, which a proxy with a header of its own can bring about, for no word about the key',
  async (code) => {
    const { rotations, adopted } = await adopt();
    const replaced = rotations.promote(await rotations.bringIn());
    const header = coded(401, code, 'OpenAI-Project header should match project for API key');
    harness.server.plan({ path: /models/, does: header });
    await expect(rotations.probe(adopted.incumbent)).rejects.toBeInstanceOf(Misconfigured);
    harness.server.plan({ path: /models/, does: header });
    await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
    harness.server.plan({ method: 'DELETE', does: header });
    await expect(rotations.retire(replaced)).rejects.toBeInstanceOf(Misconfigured);
    expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  },
);

describe('expires_in', () => {
  it('is asked for, stored, and when the key ends', async () => {
    const strict = await ApiKeyHarness.start({ demandsExpiry: true });
    try {
      const adopted = await strict.adopt('strict');
      const provider = { ...adopted.declared.provider, expiresInSeconds: 86_400 };
      const rotations = new RotationByHand(strict.rotator(), adopted, { provider });
      const { admin, incumbent } = adopted;
      const values = { settings: rotations.settings, admin, incumbent, versionId: 'v1', known: [] };
      const { candidate } = await rotations.rotator.preflight({ ...values, incumbentVersionId: 'v0' });
      const issuance = { since: new Date(), existing: [], attempts: 1 };
      const rotator = rotations.rotator as IssuedRotator;
      const report = await rotator.issue({ ...values, startedAt: new Date(), candidate, issuance });
      const seconds = ((report.expiresAt as Date).getTime() - Date.now()) / 1000;
      expect(Math.abs(seconds - 86_400)).toBeLessThan(60);
      expect(report.facts['expires_at']).toBe(report.expiresAt?.toISOString());
      expect(JSON.parse(report.value.reveal())).toMatchObject({ expires_at: report.expiresAt?.toISOString() });
    } finally {
      await strict.stop();
    }
  });

  it('is named where a policy demands it, or allows less, before any key is made', async () => {
    const strict = await ApiKeyHarness.start({ demandsExpiry: true });
    try {
      const adopted = await strict.adopt('strict');
      const before = strict.server.living(strict.world('strict')).length;
      const attempt = new RotationByHand(strict.rotator(), adopted).bringIn();
      await expect(attempt).rejects.toBeInstanceOf(Misconfigured);
      await expect(attempt).rejects.toThrow(/expiration_required\): .*declare expires_in of the provider/);
      const provider = { ...adopted.declared.provider, expiresInSeconds: 31_536_001 };
      const longer = new RotationByHand(strict.rotator(), adopted, { provider }).bringIn();
      await expect(longer).rejects.toThrow(/expires_in of the provider is longer than the policy .* allows/);
      expect(strict.server.living(strict.world('strict'))).toHaveLength(before);
    } finally {
      await strict.stop();
    }
  });

  it('is not sent where it is not declared', async () => {
    const { rotations, living } = await adopt();
    await rotations.bringIn('v1');
    expect(living().find(({ name }) => name === 'rekey v1 1')?.expiresAt).toBeNull();
  });
});

it('sees the keys of a service account without a role, which the list leaves out by default', async () => {
  const { server } = harness;
  const { adopted, rotations } = await adopt();
  const place = server.createAccount('none');
  const { id, value } = server.mint(place);
  const provider = { ...adopted.declared.provider, ...place };
  const other = new RotationByHand(rotations.rotator, { ...adopted, incumbent: new SecretText(value) }, { provider });
  expect((await other.preflight('v1')).incumbent).toBe(id);
});
