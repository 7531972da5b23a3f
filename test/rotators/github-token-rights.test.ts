import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CandidateUnproven, Misconfigured } from '../../shared/errors.ts';
import { differences, narrow, parsePermissions } from '../../shared/rotators/github-token/permissions.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import * as fc from '../harness/properties.ts';
import { GitHubTokenHarness } from './github-token-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: GitHubTokenHarness;
let made = 0;

beforeAll(async () => {
  harness = await GitHubTokenHarness.start();
});
afterAll(() => harness.stop());

/** A secret with these rights declared; `createToken`'s request as GitHub got it. */
async function adopt(
  declared: Pick<Partial<RotatorSettings>, 'permissions' | 'scope' | 'preheatSeconds'> & {
    readonly repositories?: readonly string[];
  },
) {
  made += 1;
  const adopted = await harness.adopt(`rights${made}`);
  const { repositories, ...settings } = declared;
  const provider = { ...adopted.declared.provider, ...(repositories === undefined ? {} : { repositories }) };
  const rotations = new RotationByHand(harness.rotator(), adopted, { ...settings, provider });
  return { adopted, rotations, installed: harness.installed(adopted.name) };
}

describe('declared permissions', () => {
  const granted = {
    metadata: 'read',
    contents: 'write',
    issues: 'read',
    repository_hooks: 'write',
    workflows: 'write',
  };
  const narrowed = (...words: readonly string[]) => narrow(parsePermissions(words), granted);

  it.each([
    [['contents:read'], { contents: 'read' }],
    [['read:contents', 'write:issues:'.slice(0, 0) || 'issues:read'], { contents: 'read', issues: 'read' }],
    [['write:repo_hook'], { repository_hooks: 'write' }],
    [['contents:read', 'write:contents'], { contents: 'write' }],
    [['read:all'], { metadata: 'read', contents: 'read', issues: 'read', repository_hooks: 'read' }],
    [
      ['read:all', 'write:repo_hook'],
      { metadata: 'read', contents: 'read', issues: 'read', repository_hooks: 'write' },
    ],
    [['all:write'], { ...granted }],
  ])('%j become what the App calls them', (words, expected) => {
    expect(narrowed(...words)).toEqual(expected);
  });

  it.each([
    ['write:issues', /grants "issues" as read only/],
    ['contents:admin', /grants "contents" as write only/],
    ['write:org_hook', /does not grant "organization_hooks"/],
    ['deployments:read', /does not grant "deployments"/],
  ])('stops at %s, which the installation does not grant, and says what it grants', (word, text) => {
    expect(() => narrowed(word)).toThrow(Misconfigured);
    expect(() => narrowed(word)).toThrow(text);
  });

  it.each(['contents', 'read', 'read:write', 'contents:execute', ':read', 'a:b:read', 'contents :read', ''])(
    'stops at the word %j',
    (word) => {
      expect(() => parsePermissions([word])).toThrow(Misconfigured);
    },
  );

  it('never ask for more than is granted, whatever is declared', () => {
    const name = fc.constantFrom('contents', 'issues', 'all', 'workflows', 'pages', 'repo_hook');
    const access = fc.constantFrom('read', 'write', 'admin');
    const grants = fc.dictionary(
      fc.constantFrom('contents', 'issues', 'workflows', 'pages', 'repository_hooks'),
      access,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(access, name), { minLength: 1 }), grants, (asked, has) => {
        const levels = ['read', 'write', 'admin'];
        try {
          const found = narrow(parsePermissions(asked.map((pair) => pair.join(':'))), has);
          for (const [key, level] of Object.entries(found)) {
            expect(levels.indexOf(level)).toBeLessThanOrEqual(levels.indexOf(has[key] ?? ''));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Misconfigured);
        }
      }),
    );
  });

  it('repeat nothing but names in an error text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (word) => {
        try {
          parsePermissions([word]);
        } catch (error) {
          expect((error as Misconfigured).safeMessage).toMatch(/^permissions: "[\w:.?-]{0,64}" must be/);
        }
      }),
    );
  });

  it('tell a token with other permissions from the one that was asked for', () => {
    expect(differences({ contents: 'read' }, { contents: 'read', metadata: 'read' })).toEqual([]);
    expect(differences({ contents: 'read' }, { contents: 'write', metadata: 'read' })).toEqual(['contents']);
    expect(differences({ contents: 'read' }, { contents: 'read', metadata: 'read', pages: 'read' })).toEqual(['pages']);
    expect(differences({ contents: 'read', issues: 'read' }, { contents: 'read' })).toEqual(['issues']);
  });
});

describe('a narrowed token', () => {
  it('has the declared permissions and repositories, and says so', async () => {
    const { rotations } = await adopt({
      permissions: ['contents:read', 'write:repo_hook'],
      repositories: ['two', 'octo-org/three'],
    });
    const preflight = await rotations.preflight('v1');
    expect(preflight.facts).toMatchObject({
      permissions: 'contents:read, repository_hooks:write',
      repositories: 'two, three',
    });
    const brought = await rotations.bringIn('v1');
    expect(await rotations.test(brought)).toMatchObject({ parity: ['repositories'] });
    const { token } = JSON.parse(brought.value.reveal()) as { token: string };
    const headers = { authorization: `token ${token}` };
    const answer = await fetch(`${harness.server.baseUrl}/installation/repositories`, { headers });
    const { repositories } = (await answer.json()) as { repositories: readonly { name: string }[] };
    expect(repositories.map(({ name }) => name)).toEqual(['two', 'three']);
  });

  it('has everything where nothing is declared, and preflight says that it is not narrowed', async () => {
    const { rotations } = await adopt({ scope: 'repo:all' });
    const { facts } = await rotations.preflight('v1');
    expect(facts).toMatchObject({
      permissions: 'all that the installation has: none are declared',
      repositories: 'all that the installation has (all)',
    });
    expect(facts['scope']).toBeUndefined();
    expect(await rotations.test(await rotations.bringIn())).toMatchObject({ parity: ['repositories'] });
  });

  it('says which permission could not be narrowed, and that a scope of other words narrows nothing', async () => {
    const { rotations, installed } = await adopt({ permissions: ['read:all'], scope: 'repository' });
    harness.server.installation(installed.installationId).permissions = { metadata: 'read', workflows: 'write' };
    const { facts } = await rotations.preflight('v1');
    expect(facts['permissions_left_out']).toBe('workflows: exist as write only');
    expect(facts['scope']).toContain('narrows nothing');
  });

  it('goes by repositories where scope says all: the narrower counts, and preflight says so', async () => {
    const { rotations } = await adopt({ scope: 'repo:all', repositories: ['one'] });
    const { facts } = await rotations.preflight('v1');
    expect(facts).toMatchObject({ repositories: 'one', scope: expect.stringContaining('fewer, and count') });
  });

  it('is not made where a repository does not exist', async () => {
    const nowhere = await adopt({ repositories: ['nowhere'] });
    await expect(nowhere.rotations.bringIn()).rejects.toThrow(/HTTP 422/);
    expect(harness.server.tokens(nowhere.installed.installationId)).toHaveLength(1);
  });

  it('is revoked again where GitHub did not narrow it as asked', async () => {
    const { rotations, installed } = await adopt({ permissions: ['contents:read'], repositories: ['one'] });
    const wide = harness.server.mint(installed.installationId);
    const answer = (more: object) => ({
      kind: 'answers' as const,
      answer: { status: 201, body: { token: wide, expires_at: new Date(Date.now() + 1000).toISOString(), ...more } },
    });
    const one = {
      permissions: { contents: 'read', metadata: 'read' },
      repositories: [{ name: 'one', full_name: 'octo-org/one' }],
    };
    const two = [...one.repositories, { name: 'two', full_name: 'octo-org/two' }];
    for (const unlike of [
      { ...one, permissions: { contents: 'write', metadata: 'read' } },
      { ...one, repositories: two },
      { ...one, repositories: [{ name: 'two', full_name: 'octo-org/two' }] },
    ]) {
      harness.server.plan({ method: 'POST', does: answer(unlike) });
      await expect(rotations.bringIn()).rejects.toBeInstanceOf(CandidateUnproven);
      expect(harness.server.isAlive(wide)).toBe(false);
    }
  });

  it('is told of where it is not as asked and cannot be revoked: the next attempt waits for its end', async () => {
    const { rotations, installed } = await adopt({ permissions: ['contents:read'] });
    const wide = harness.server.mint(installed.installationId);
    const body = { token: wide, expires_at: '2026-03-01T13:00:00Z', permissions: { contents: 'write' } };
    harness.server.plan({ method: 'POST', does: { kind: 'answers', answer: { status: 201, body } } });
    const answer = { status: 403, headers: { 'retry-after': '60' }, body: { message: 'slow down' } };
    harness.server.plan({ method: 'DELETE', does: { kind: 'answers', answer } });
    const attempt = rotations.bringIn();
    await expect(attempt).rejects.toBeInstanceOf(CandidateUnproven);
    await expect(attempt).rejects.toThrow(/ends by itself at 2026-03-01T13:00:00\.000Z, .*\(RateLimited\)/);
  });

  it('is not the same repository of another owner', async () => {
    const { rotations } = await adopt({ repositories: ['somebody-else/one'] });
    await expect(rotations.bringIn()).rejects.toThrow(/other repositories/);
  });
});

it('does not prove a candidate that reaches other repositories than the incumbent', async () => {
  made += 1;
  const adopted = await harness.adopt(`rights${made}`, ({ installationId }) =>
    harness.server.mint(installationId, { repositories: ['one'] }),
  );
  const rotations = new RotationByHand(harness.rotator(), adopted);
  const brought = await rotations.bringIn();
  await expect(rotations.test(brought)).rejects.toThrow(/reaches 3 repositories, the incumbent 1/);
});

describe('a candidate to which GitHub shows no repositories (HTTP 403)', () => {
  const ORGANIZATION = { members: 'read', organization_hooks: 'write' };

  it('is unproven where its installation has been suspended since it was made, and says so', async () => {
    const { rotations, installed } = await adopt({ preheatSeconds: 0 });
    const brought = await rotations.bringIn();
    harness.server.installation(installed.installationId).suspendedAt = new Date();
    await expect(rotations.test(brought)).rejects.toThrow(/is suspended/);
    expect(await rotations.probe(brought.value)).toBe('accepted');
    harness.server.installation(installed.installationId).suspendedAt = undefined;
    expect(await rotations.test(brought)).toMatchObject({ parity: ['repositories'] });
  });

  it('is unproven where its permissions are for repositories', async () => {
    const { rotations } = await adopt({ preheatSeconds: 0 });
    const brought = await rotations.bringIn();
    const message =
      'Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled';
    harness.server.plan({
      path: /repositories/,
      does: { kind: 'answers', answer: { status: 403, body: { message } } },
    });
    const attempt = rotations.test(brought);
    await expect(attempt).rejects.toBeInstanceOf(CandidateUnproven);
    await expect(attempt).rejects.toThrow(/lets it at no repository \(HTTP 403\)/);
  });

  it('is healthy where the installation, or what is declared, is for the organization only', async () => {
    made += 1;
    const adopted = await harness.adopt(`rights${made}`, ({ installationId }) => {
      harness.server.installation(installationId).permissions = ORGANIZATION;
      return harness.server.mint(installationId);
    });
    const rotations = new RotationByHand(harness.rotator(), adopted);
    expect(await rotations.test(await rotations.bringIn())).toEqual({ healthy: 1, parity: [] });
    const narrowed = await adopt({ permissions: ['members:read'], preheatSeconds: 0 });
    Object.assign(harness.server.installation(narrowed.installed.installationId), {
      permissions: { metadata: 'read', contents: 'read', ...ORGANIZATION },
    });
    // Its incumbent is shown repositories, so that it has less than it had.
    await expect(narrowed.rotations.test(await narrowed.rotations.bringIn())).rejects.toThrow(
      /and none to the candidate/,
    );
  });

  it('is unproven where such an installation has been suspended since: the incumbent gets the same answer', async () => {
    const { rotations, installed } = await adopt({ preheatSeconds: 0 });
    harness.server.installation(installed.installationId).permissions = ORGANIZATION;
    const brought = await rotations.bringIn();
    harness.server.installation(installed.installationId).suspendedAt = new Date();
    await expect(rotations.test(brought)).rejects.toThrow(/is suspended/);
  });
});
