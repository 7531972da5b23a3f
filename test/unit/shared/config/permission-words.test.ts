import { describe, expect, it } from 'vitest';

import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { cpuMilliseconds, problems, secret } from './one-secret.ts';

const OF_GITHUB =
  'permissions of a github_token are those of its App, each with read, write or admin, as in "contents:read" or "read:all"';
const OF_OPENAI =
  'permissions of an api_key are scopes of OpenAI such as api.model.request, or chat, completion, completions, responses, read, read:all, read_only';

describe('permissions that the rotator would refuse', () => {
  it('are all named, each at its place', () => {
    expect(
      problems([
        'type: github_token',
        'permissions: ["contents", "foo:bar", "read:all",',
        '  "contents:readd", "write:repo_hook", "read:write"]',
      ]),
    ).toEqual([
      `5:19: found "contents"; ${OF_GITHUB}`,
      `5:31: found "foo:bar"; ${OF_GITHUB}`,
      `6:7: found "contents:readd"; ${OF_GITHUB}`,
      `6:44: found "read:write"; ${OF_GITHUB}`,
    ]);
    expect(problems(['type: api_key', 'permissions: [chat, chatt, api.model.request, "contents:read"]'])).toEqual([
      `5:25: found "chatt"; ${OF_OPENAI}; did you mean "chat"?`,
      `5:51: found "contents:read"; ${OF_OPENAI}`,
    ]);
  });

  it('are well where it reads them', () => {
    for (const [type, words] of [
      ['github_token', ['contents:read', 'WRITE:repo_hook', 'read:all', 'metadata:admin']],
      ['api_key', ['chat', 'Completion', 'api.responses.write', 'model.request', 'read:all']],
    ] as const)
      expect(secret([`type: ${type}`, `permissions: ${JSON.stringify(words)}`]).permissions).toEqual(words);
  });

  it('are a problem of each secret that has them by openclaw.json, and of no other', () => {
    const openClaw = '{ api_key_management: { openai_key: { permissions: ["chat", "embed", "paint"] } } }';
    expect(problems(['type: api_key'], openClaw)).toEqual([
      `2:5: found "embed" in permissions, by openclaw.json; ${OF_OPENAI}`,
    ]);
    expect(problems(['type: api_key', 'permissions: [chat]'], openClaw)).toEqual([]);
    expect(problems(['type: github_token'], openClaw)).toEqual([]);
  });

  it('are not repeated where they may be secrets', () => {
    const [found, ...more] = problems(['type: github_token', 'permissions: ["wJalrXUtnFEMIK7MDENGbPxRfiCY"]']);
    expect(found).toBe(`5:19: found a text that is not shown; ${OF_GITHUB}`);
    expect(more).toEqual([]);
  });

  it('are found without much work, however many secrets have them by openclaw.json', () => {
    const openClaw = Buffer.from(
      `{ api_key_management: { openai_key: { permissions: [${'"a",'.repeat(100)}], rotation: "daily" } } }`,
    );
    const one = (index: number) => `- { name: n${index}, type: api_key }\n`;
    const bytes = Buffer.from(`secrets:\n${Array.from({ length: 3000 }, (_, index) => one(index)).join('')}`);
    let found = 0;
    const cost = cpuMilliseconds(() => {
      const result = parseConfiguration({ path: 'secrets.yaml', bytes }, () => openClaw);
      found = result.ok ? 0 : result.problems.length;
    });
    expect(found).toBe(3000);
    expect(cost).toBeLessThan(2500);
  });
});
