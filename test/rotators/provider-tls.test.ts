import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProviderDeclaration } from '../../shared/config/declaration.ts';
import { Misconfigured, TargetUnreachable, TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { Mishap } from '../providers/provider-server.ts';
import { ApiKeyHarness, keyOf } from './api-key-harness.ts';
import { GitHubTokenHarness, tokenOf } from './github-token-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

const file = (name: string) => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8');
const tls = { key: file('server.key'), cert: file('server.crt') };
const certificateAuthority = file('authority.crt');

const PROVIDERS = [
  ['github_token', () => GitHubTokenHarness.start({ tls }), tokenOf],
  ['api_key', () => ApiKeyHarness.start({ tls }), keyOf],
] as const;

describe.each(PROVIDERS)('%s, with TLS that an own authority signed', (_, start, credentialOf) => {
  let harness: GitHubTokenHarness | ApiKeyHarness;
  let made = 0;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness?.stop());

  /** `incumbent` and `admin` are what no error may hold. */
  async function adopt(change: ProviderDeclaration, patience?: number) {
    made += 1;
    const adopted = await harness.adopt(`tls${made}`);
    const provider = { ...adopted.declared.provider, ...change };
    const rotations = new RotationByHand(harness.rotator(undefined, patience), adopted, { provider });
    const held = [credentialOf(adopted.incumbent), ...linesOf(adopted.admin)];
    return { adopted, rotations, held };
  }

  it('is rotated with the declared authority, and proves the old credential dead', async () => {
    const { rotations } = await adopt({ certificateAuthority });
    const old = rotations.current;
    const replaced = rotations.promote(await rotations.bringIn());
    expect(await rotations.probe(old.value)).toBe('accepted');
    expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
    expect(await rotations.probe(old.value)).toBe('refused');
    expect(await rotations.probe(rotations.current.value)).toBe('accepted');
  });

  it.each([
    ['no authority', {}],
    ['another authority', { certificateAuthority: rootCertificates[0] ?? '' }],
  ])('is refused with %s in every method, also after it was trusted for another secret', async (_name, change) => {
    await (await adopt({ certificateAuthority })).rotations.preflight('v1');
    const { adopted, rotations, held } = await adopt(change);
    const { settings } = rotations;
    const retired = { settings, admin: adopted.admin, identity: 'x', versionId: 'v0', survivor: undefined };
    const asked = harness.server.log.length;
    for (const attempt of [
      () => rotations.preflight('v1'),
      () => rotations.probe(adopted.incumbent),
      () => rotations.rotator.retire({ ...retired, value: adopted.incumbent }),
    ]) {
      const error = await fault(attempt());
      expect(error).toBeInstanceOf(TargetUnreachable);
      expect(error.safeMessage).toMatch(
        /^The certificate of 127\.0\.0\.1:\d+ is not trusted \([A-Z_]+\): declare its authority as certificate_authority in provider, beside base_url\.$/,
      );
      expectSilent(error, held);
    }
    expect(harness.server.log.length).toBe(asked);
  });

  it('is refused under a name that its certificate does not have, whatever the environment says', async () => {
    const { adopted, rotations, held } = await adopt({
      certificateAuthority,
      baseUrl: harness.server.baseUrl.replace('127.0.0.1', 'localhost'),
    });
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const error = await fault(rotations.probe(adopted.incumbent));
      expect(error).toBeInstanceOf(TargetUnreachable);
      expect(error.safeMessage).toMatch(
        /^The certificate of localhost:\d+ is not for this name \(ERR_TLS_CERT_ALTNAME_INVALID\): base_url in provider/,
      );
      expectSilent(error, held);
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  const answers = (status: number, headers: Record<string, string> = {}) =>
    ({ kind: 'answers', answer: { status, headers, body: { message: 'words of a server' } } }) as const;
  const mishaps: readonly (readonly [string, Mishap['does'], unknown])[] = [
    ['500', answers(500), TransientFailure],
    ['a server that says nothing', { kind: 'hangs' }, TransientFailure],
    ['a body that never comes', { kind: 'hangs after its head' }, TransientFailure],
    ['a connection that breaks', { kind: 'breaks before' }, TransientFailure],
    ['half an answer', { kind: 'garbles' }, TransientFailure],
    ['a redirect', answers(302, { location: 'http://127.0.0.1:1/' }), Misconfigured],
  ];
  it.each(mishaps)('is told from a refusal where the server is in trouble: %s', async (_name, does, kind) => {
    const { adopted, rotations, held } = await adopt({ certificateAuthority }, 1_000);
    harness.server.plan({ does });
    const error = await fault(rotations.probe(adopted.incumbent));
    expect(error).toBeInstanceOf(kind);
    expectSilent(error, [...held, 'words of a server']);
    expect(harness.server.pending).toBe(0);
  });
});

it('is declared for one address; where there is no TLS at it, it is not needed', async () => {
  const plain = await ApiKeyHarness.start();
  const adopted = await plain.adopt('plain');
  const provider = { ...adopted.declared.provider, certificateAuthority };
  const rotations = new RotationByHand(plain.rotator(), adopted, { provider });
  await rotations.preflight('v1');
  expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
  await plain.stop();
});

function fault(attempt: Promise<unknown>): Promise<Error & { readonly safeMessage?: string }> {
  return attempt.then(
    () => {
      throw new Error('nothing went wrong');
    },
    (error: unknown) => error as Error,
  );
}

/** A private key has lines; any of them gives it away. */
function linesOf(secret: SecretText | undefined): readonly string[] {
  return (secret?.reveal() ?? '').split('\n').filter((line) => line.length > 20);
}

/** A fault, whatever is looked at, holds none of these. */
function expectSilent(error: unknown, secrets: readonly string[]): void {
  const shown = inspect(error, { depth: 20, showHidden: true, maxStringLength: null });
  for (const secret of secrets) expect(shown).not.toContain(secret);
}
