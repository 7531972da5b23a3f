import { generateKeyPairSync } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import { systemClock } from '../../shared/clock.ts';
import {
  AdminRefused,
  CandidateUnproven,
  EndsByItself,
  InternalFault,
  Misconfigured,
  RateLimited,
  RekeyError,
  TargetUnreachable,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { providerAddress } from '../../shared/rotators/provider-api/provider-address.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { Answer, Mishap } from '../providers/provider-server.ts';
import { GitHubTokenHarness, tokenOf } from './github-token-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

let harness: GitHubTokenHarness;
let made = 0;
const printed = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) => vi.spyOn(console, method));

beforeAll(async () => {
  harness = await GitHubTokenHarness.start();
});
afterAll(() => harness.stop());
beforeEach(() => {
  harness.server.clock = systemClock;
});
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
  const rotations = new RotationByHand(harness.rotator(systemClock, patience), adopted, {
    ...adopted.declared,
    ...settings,
  });
  return { adopted, rotations, installed: harness.installed(adopted.name) };
}

const answers = (
  status: number,
  more: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
) => ({
  kind: 'answers' as const,
  answer: { status, body: { message: 'words of a server' }, ...more },
});
const fault = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A fault, whatever is looked at, holds none of these. */
function expectSilent(error: unknown, ...secrets: readonly string[]): void {
  const shown = inspect(error, { depth: 20, showHidden: true });
  for (const secret of secrets) expect(shown).not.toContain(secret);
}

describe('a server in trouble', () => {
  const kinds: readonly (readonly [string, Mishap['does'], unknown])[] = [
    ['500', answers(500), TransientFailure],
    ['502 that is HTML', answers(502, { body: '<html>', headers: { 'content-type': 'text/html' } }), TransientFailure],
    ['503 without a body', { kind: 'answers', answer: { status: 503 } }, TransientFailure],
    ['429', answers(429, { headers: { 'retry-after': '17' } }), RateLimited],
    ['403 with retry-after', answers(403, { headers: { 'retry-after': '60' } }), RateLimited],
    ['403 with nothing remaining', answers(403, { headers: { 'x-ratelimit-remaining': '0' } }), RateLimited],
    [
      '403 of a secondary limit',
      answers(403, { body: { message: 'You have exceeded a secondary rate limit' } }),
      RateLimited,
    ],
    ['403 with a page', answers(403, { body: '<html>', headers: { 'content-type': 'text/html' } }), TransientFailure],
    ['403 without a body', { kind: 'answers', answer: { status: 403 } }, TransientFailure],
    ['403 of another API', answers(403, { body: { message: 'Forbidden' } }), TransientFailure],
    [
      '403 to everybody after failed logins',
      answers(403, { body: { message: 'Maximum number of login attempts exceeded. Please try again later.' } }),
      RateLimited,
    ],
    ['418', answers(418), InternalFault],
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

  it.each(kinds)('(%s) is told as what it is while the installation is read', async (_, does, kind) => {
    const { rotations } = await adopt({}, {}, patienceWith(does));
    harness.server.plan({ path: /installations/, does });
    const error = await fault(rotations.preflight('v1'));
    expect(error).toBeInstanceOf(kind);
    expect((error as RekeyError).safeMessage).not.toContain('words of a server');
  });

  it.each(kinds)(
    '(%s) is told as what it is while a token is made, once, and repeats no token',
    async (_, does, kind) => {
      const { rotations, installed, adopted } = await adopt({}, {}, patienceWith(does));
      const preflight = await rotations.preflight('v1');
      rotations.journal('v1', preflight);
      const before = harness.server.log.length;
      harness.server.plan({ method: 'POST', does });
      const error = await fault(rotations.issue('v1', preflight));
      expect(error).toBeInstanceOf(kind);
      const tokens = harness.server.tokens(installed.installationId).map(({ value }) => value);
      expectSilent(error, 'words of a server', ...tokens, 'PRIVATE KEY', bodyOf(adopted.admin));
      expect(harness.server.log.slice(before).filter((line) => line.startsWith('POST'))).toHaveLength(1);
    },
  );

  it.each(kinds)('(%s) is not taken for a refused token', async (_, does, kind) => {
    const { rotations, adopted } = await adopt({}, {}, patienceWith(does));
    harness.server.plan({ path: /repositories/, does });
    const error = await fault(rotations.probe(adopted.incumbent));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, tokenOf(adopted.incumbent), 'words of a server');
  });

  // DELETE answers without a body: there is nothing to garble.
  const ofDelete = kinds.filter(([, does]) => !isSuccess(does));
  it.each(ofDelete)('(%s) while a token is revoked leaves a debt that the next try settles', async (_, does, kind) => {
    const { rotations, adopted } = await adopt({}, {}, patienceWith(does));
    const replaced = rotations.promote(await rotations.bringIn());
    harness.server.plan({ method: 'DELETE', does });
    const error = await fault(rotations.retire(replaced));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, tokenOf(adopted.incumbent));
    expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
  });

  it('says how long GitHub asks to wait: what it said, until its reset, else a minute', async () => {
    const { rotations } = await adopt();
    const now = new Date('2026-03-01T12:00:00Z');
    const reset = String(now.getTime() / 1000 + 1800);
    const said: readonly (readonly [Record<string, string>, number])[] = [
      [{ 'retry-after': '17' }, 17],
      [{ 'retry-after': '17', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, 17],
      [{ 'retry-after': 'Sun, 01 Mar 2026 12:05:00 GMT' }, 300],
      [{ 'retry-after': 'words of a server' }, 60],
      [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, 1800],
      [{ 'x-ratelimit-remaining': '7', 'x-ratelimit-reset': reset }, 60],
      [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'words of a server' }, 60],
      [{ 'x-ratelimit-remaining': '0' }, 60],
    ];
    const rotator = harness.rotator(new ManualClock(now.toISOString()));
    for (const [headers, retryAfterSeconds] of said) {
      harness.server.plan({ path: /repositories/, does: answers(429, { headers }) });
      const error = await fault(rotator.probe(rotations.current.value, rotations.settings));
      expect(error).toMatchObject({ retryAfterSeconds });
      expectSilent((error as RekeyError).safeMessage, 'words of a server');
    }
  });

  it('is not asked again by the pre-heat before the time that it said', async () => {
    const { rotations } = await adopt({}, { preheatSeconds: 20 });
    const { value: candidate } = await rotations.bringIn();
    const clock = new ManualClock(new Date().toISOString());
    const before = harness.server.log.length;
    harness.server.plan({ path: /repositories/, does: answers(429, { headers: { 'retry-after': '60' } }) });
    const { settings } = rotations;
    const attempt = harness.rotator(clock).test({ settings, candidate, incumbentIdentity: undefined });
    await expect(attempt).rejects.toBeInstanceOf(RateLimited);
    expect(harness.server.log.slice(before)).toEqual(['GET /api/v3/installation/repositories']);
  });

  it('stops at the primary limit, and goes on after it', async () => {
    const { rotations } = await adopt();
    harness.server.remaining = 0;
    await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(RateLimited);
    harness.server.remaining = Number.POSITIVE_INFINITY;
    await rotations.rotate();
  });

  it.each([
    'Resource not accessible by integration',
    'Resource not accessible by personal access token',
    'You must authenticate with an installation access token in order to list repositories for an installation.',
    'This installation has been suspended',
    'Although you appear to have the correct authorization credentials, the `o` organization has an IP allow list enabled',
    'Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization.',
  ])('knows a token that may not list repositories by its words (%s)', async (message) => {
    const { rotations, adopted } = await adopt();
    harness.server.plan({ path: /repositories/, does: answers(403, { body: { ...OWN, message } }) });
    expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  });

  it('that lets nobody in after failed logins proves no candidate, and is asked again when it does', async () => {
    const { adopted, installed } = await adopt();
    // Of no use for repositories: else the pre-heat would ask for more than that it is taken.
    harness.server.installation(installed.installationId).permissions = { members: 'read' };
    const rotator = harness.rotator(new ManualClock(new Date().toISOString()));
    const rotations = new RotationByHand(rotator, adopted, { preheatSeconds: 30, healthyThreshold: 2 });
    const { value } = await rotations.bringIn();
    harness.server.end(tokenOf(value));
    harness.server.failedLoginsLeft = 10;
    await expect(rotations.test({ value })).rejects.toBeInstanceOf(RateLimited);
    expect(harness.server.failedLoginsLeft).toBe(0);
    await expect(rotations.probe(value)).rejects.toBeInstanceOf(RateLimited);
    harness.server.failedLoginsLeft = Number.POSITIVE_INFINITY;
    expect(await rotations.probe(value)).toBe('refused');
    expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  });

  it('keeps a candidate waiting in the pre-heat, and fails it only when the time is over', async () => {
    const { rotations } = await adopt({}, { healthyThreshold: 2, preheatSeconds: 3 });
    const brought = await rotations.bringIn();
    const clock = new ManualClock(new Date().toISOString());
    const patient = new RotationByHand(harness.rotator(clock), { ...(await adopt()).adopted }, rotations.settings);
    harness.server.plan({ path: /repositories/, does: answers(503) }, 2);
    expect(
      await patient.rotator.test({
        settings: rotations.settings,
        candidate: brought.value,
        incumbentIdentity: undefined,
      }),
    ).toMatchObject({ healthy: 2 });
    harness.server.plan({ path: /repositories/, does: answers(503) }, 4);
    const failed = patient.rotator.test({
      settings: rotations.settings,
      candidate: brought.value,
      incumbentIdentity: undefined,
    });
    await expect(failed).rejects.toBeInstanceOf(CandidateUnproven);
  });

  it('may lose an answer after it made the token: the next attempt goes on', async () => {
    const { rotations, installed } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    harness.server.plan({ method: 'POST', does: { kind: 'breaks after' } });
    const error = await fault(rotations.issue('v1', preflight));
    expect(error).toBeInstanceOf(TransientFailure);
    expect(harness.server.tokens(installed.installationId)).toHaveLength(2);
    await harness.use(await rotations.issue('v1', preflight));
  });
});

const PAGE = { body: '<html>blocked by policy</html>', headers: { 'content-type': 'text/html' } };
const OWN = { message: 'words of a server', documentation_url: 'https://docs.github.com/rest', status: '0' };

describe('a no to the request for a token', () => {
  it.each<readonly [string, Answer]>([
    ['401 with a page', { status: 401, ...PAGE }],
    ['403 with a page', { status: 403, ...PAGE }],
    ['403 in the form of another API', { status: 403, body: { message: 'Forbidden' } }],
    ['404 with a page', { status: 404, ...PAGE }],
    ['422 without a body', { status: 422 }],
    ['429 without a body', { status: 429 }],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ])('that is not of its form (%s) counts as an attempt: what was made is waited for', async (_, answer) => {
    const { rotations, installed } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    harness.server.plan({ method: 'POST', does: { kind: 'hides its answer', answer } });
    await expect(rotations.issue('v1', preflight)).rejects.toBeInstanceOf(RekeyError);
    expect(harness.server.tokens(installed.installationId)).toHaveLength(2);
    await expect(rotations.retire('v1')).rejects.toBeInstanceOf(EndsByItself);
  });

  it.each([
    [401, AdminRefused],
    [403, Misconfigured],
    [404, Misconfigured],
    [422, Misconfigured],
    [429, RateLimited],
  ])('that GitHub itself says (%d) leaves nothing to wait for', async (status, kind) => {
    const { rotations } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    harness.server.plan({ method: 'POST', does: answers(status, { body: OWN }) });
    await expect(rotations.issue('v1', preflight)).rejects.toBeInstanceOf(kind);
    expect(await rotations.retire('v1')).toMatchObject({ facts: { token: 'never made' } });
  });
});

describe('an address', () => {
  it('at which nobody listens is unreachable, in every method', async () => {
    const { rotations, adopted } = await adopt();
    const provider = { ...adopted.declared.provider, baseUrl: `http://127.0.0.1:${await freePort()}/api/v3` };
    const away = new RotationByHand(rotations.rotator, adopted, { provider });
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
  });

  it('that does not exist is unreachable', async () => {
    const provider = { appId: 1, installationId: 1, baseUrl: 'https://github.invalid/api/v3' };
    const { rotations } = await adopt({}, { provider });
    await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(TargetUnreachable);
  });

  it('of an Enterprise Server without its path is not the API: nothing is called accepted or dead there', async () => {
    const { rotations, adopted } = await adopt();
    const provider = { ...adopted.declared.provider, baseUrl: harness.server.origin };
    const wrong = new RotationByHand(rotations.rotator, adopted, { provider });
    await expect(wrong.probe(adopted.incumbent)).rejects.toBeInstanceOf(Misconfigured);
    await expect(wrong.preflight('v1')).rejects.toBeInstanceOf(Misconfigured);
  });

  it('with a proxy that wants to be logged in to says nothing about the token', async () => {
    const { rotations, adopted } = await adopt();
    const body = '<html>log in</html>';
    harness.server.plan({
      path: /repositories/,
      does: answers(401, { body, headers: { 'content-type': 'text/html' } }),
    });
    await expect(rotations.probe(adopted.incumbent)).rejects.toBeInstanceOf(InternalFault);
  });

  it.each([
    ['http://github.example.com/api/v3', undefined],
    ['ftp://github.example.com', undefined],
    ['https://user:a-leaked-value@github.example.com', undefined],
    ['https://github.example.com/?token=a-leaked-value', undefined],
    ['not a url, a-leaked-value', undefined],
    ['http://127.0.0.1.example.com', undefined],
    ['https://github.example.com/api/v3/', 'https://github.example.com/api/v3'],
    ['http://localhost:8080', 'http://localhost:8080'],
    ['http://[::1]:8080/x', 'http://[::1]:8080/x'],
  ])('%s is taken for what it is', (declared, expected) => {
    if (expected !== undefined) return expect(providerAddress(declared, '')).toBe(expected);
    expect(() => providerAddress(declared, '')).toThrow(Misconfigured);
    expect(() => providerAddress(declared, '')).toThrow(/^(?!.*a-leaked-value)/);
  });

  it('is api.github.com where none is declared', () => {
    expect(providerAddress(undefined, 'https://api.github.com')).toBe('https://api.github.com');
  });
});

describe('the App', () => {
  it.each([20 * 60, -20 * 60, 90, -90])('proves itself to a GitHub whose clock is %d s off', async (seconds) => {
    const { rotations } = await adopt();
    harness.server.clock = { ...systemClock, now: () => new Date(Date.now() + seconds * 1000) };
    await rotations.preflight('v1');
    await rotations.rotate();
  });

  it('proves itself in one request while the clocks differ by less than a minute', async () => {
    const { rotations } = await adopt();
    for (const seconds of [-55, 55]) {
      harness.server.clock = { ...systemClock, now: () => new Date(Date.now() + seconds * 1000) };
      const before = harness.server.log.length;
      await rotations.preflight('v1');
      expect(harness.server.log.slice(before).filter((line) => line.includes('/app/'))).toHaveLength(1);
    }
  });

  it('with another private key is refused', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const admin = new SecretText(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const { rotations } = await adopt({ admin });
    const error = await fault(rotations.preflight('v1'));
    expect(error).toBeInstanceOf(AdminRefused);
    expectSilent(error, bodyOf(admin));
  });

  it('may have its key as PEM, with escaped line ends, or in JSON', async () => {
    const { rotations, adopted, installed } = await adopt();
    const pem = installed.privateKey;
    for (const text of [
      `\n${pem}\n`,
      pem.replaceAll('\n', '\\n'),
      JSON.stringify({ private_key: pem, app_id: installed.appId }),
      JSON.stringify({ privateKey: pem, app_id: String(installed.appId), webhook: 'x' }),
    ]) {
      const other = new RotationByHand(rotations.rotator, { ...adopted, admin: new SecretText(text) });
      await other.preflight('v1');
    }
    const { appId: _, ...provider } = adopted.declared.provider ?? {};
    const named = { ...adopted, admin: new SecretText(JSON.stringify({ private_key: pem, app_id: installed.appId })) };
    await new RotationByHand(rotations.rotator, named, { provider }).preflight('v1');
  });

  it.each([
    ['nothing', undefined],
    ['no key', 'a-leaked-value'],
    ['JSON without a key', '{"key":"a-leaked-value"}'],
    ['broken JSON', '{"private_key":"a-leaked-value'],
    ['a public key', 'PUBLIC'],
    ['an elliptic key', 'EC'],
    ["another App's id", 'OTHER'],
  ])('stops before any request where its secret holds %s', async (_, text) => {
    const { rotations, adopted, installed } = await adopt();
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const held = {
      PUBLIC: ec.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      EC: ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      OTHER: JSON.stringify({ private_key: installed.privateKey, app_id: 17 }),
    };
    const admin = text === undefined ? undefined : new SecretText(held[text as keyof typeof held] ?? text);
    const before = harness.server.log.length;
    const error = await fault(new RotationByHand(rotations.rotator, { ...adopted, admin }).preflight('v1'));
    expect(error).toBeInstanceOf(Misconfigured);
    expectSilent(error, 'a-leaked-value', 'PRIVATE KEY');
    expect(harness.server.log.length).toBe(before);
  });

  it('must have an installation that exists, is its own and is not suspended', async () => {
    const { rotations, adopted, installed } = await adopt();
    const other = await adopt();
    const { appId } = installed;
    const { baseUrl } = harness.server;
    for (const provider of [
      { appId, baseUrl },
      { installationId: 1, baseUrl },
    ]) {
      const before = harness.server.log.length;
      await expect(new RotationByHand(rotations.rotator, adopted, { provider }).preflight('v1')).rejects.toBeInstanceOf(
        Misconfigured,
      );
      expect(harness.server.log.length).toBe(before);
    }
    for (const installationId of [999_999, other.installed.installationId]) {
      const wrong = new RotationByHand(rotations.rotator, adopted, { provider: { appId, installationId, baseUrl } });
      await expect(wrong.preflight('v1')).rejects.toThrow(/knows no App/);
    }
    const late = await rotations.preflight('v1');
    rotations.journal('v1', late);
    harness.server.installation(installed.installationId).suspendedAt = new Date();
    await expect(rotations.preflight('v1')).rejects.toThrow(/is suspended/);
    await expect(rotations.issue('v1', late)).rejects.toBeInstanceOf(Misconfigured);
    // GitHub answers a suspended installation's token with 403: it is not dead.
    expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  });
});

it("takes nothing from the environment: Octokit reads none of it, whatever GitHub's other tools do", async () => {
  vi.stubEnv('GITHUB_TOKEN', 'ghp_of_the_environment');
  vi.stubEnv('GH_TOKEN', 'ghp_of_the_environment');
  vi.stubEnv('GITHUB_API_URL', 'http://127.0.0.1:1/');
  vi.stubEnv('GH_HOST', '127.0.0.1:1');
  // Node itself goes by proxies of the environment only where it was started with NODE_USE_ENV_PROXY.
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) vi.stubEnv(name, 'http://127.0.0.1:1/');
  const { rotations, adopted } = await adopt();
  expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  await rotations.rotate();
  const octokit = fileURLToPath(new URL('../../node_modules/@octokit', import.meta.url));
  const sources = globSync('*/dist-{src,node,bundle}/**/*.js', { cwd: octokit });
  expect(sources.length).toBeGreaterThan(20);
  for (const file of sources) expect(readFileSync(join(octokit, file), 'utf8'), file).not.toContain('process.env');
});

function bodyOf(admin: SecretText | undefined): string {
  return admin?.reveal().split('\n')[3] ?? 'absent';
}

function isSuccess(does: Mishap['does']): boolean {
  return (
    does.kind === 'garbles' ||
    does.kind === 'hangs after its head' ||
    (does.kind === 'answers' && does.answer.status === 200)
  );
}
