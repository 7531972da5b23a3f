import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReloadUnproven } from '../../../../shared/openclaw/errors.ts';
import { type Candidate, OpenClawFollower } from '../../../../shared/openclaw/follower.ts';
import { ServeFile } from '../../../../shared/openclaw/serve-file.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

type Prove = (candidate: Candidate, context: { readonly signal: AbortSignal }) => unknown;

describe('following rollouts for OpenClaw', () => {
  let directory: string;
  let serveFile: ServeFile;
  let clock: ManualClock;
  let held: string;
  let proves: Map<string, Prove>;
  /** What was served when the gateway reloaded, and what was expected. */
  let reloads: { expected: object; served: string | undefined }[];
  let failures: number;
  let notes: string[];
  let follower: OpenClawFollower;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rekey-test-'));
    serveFile = new ServeFile(join(directory, 'serve.json'));
    clock = new ManualClock();
    held = 'v1';
    failures = 0;
    proves = new Map();
    reloads = [];
    notes = [];
    follower = new OpenClawFollower({
      secrets: {
        onReload: (name, prove) => void proves.set(name, prove),
        health: () => ({ key: { versionId: held } }),
      },
      idsBySecret: new Map([['key', ['key#a', 'key#b']]]),
      serveFile,
      reload: async (expected) => {
        reloads.push({ expected, served: served() });
        failures -= 1;
        if (failures >= 0) throw new ReloadUnproven('The gateway said no.');
      },
      clock,
      note: (sentence) => void notes.push(sentence),
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('proves at the start that the gateway has what is held, and forgets what an earlier follower served', async () => {
    serveFile.set('key', { versionId: 'v9', expiresAt: new Date(clock.now().getTime() + 1000) });
    await follower.start();
    expect(reloads).toEqual([{ expected: { 'key#a': 'v1', 'key#b': 'v1' }, served: undefined }]);
  });

  it('does not start when the gateway cannot be brought to it', async () => {
    failures = 1;
    await expect(follower.start()).rejects.toThrow(ReloadUnproven);
  });

  it('has the candidate served before the gateway reloads, and on until the entry expires', async () => {
    await prove('v2');
    expect(reloads).toEqual([{ expected: { 'key#a': 'v2', 'key#b': 'v2' }, served: 'v2' }]);
    expect(served()).toBe('v2');
    clock.advance(601);
    expect(served()).toBeUndefined();
  });

  it('renews the entry as long as the candidate is in use', async () => {
    await prove('v2');
    held = 'v2';
    for (let minute = 0; minute < 30; minute += 1) {
      clock.advance(60);
      await follower.tick();
    }
    expect(served()).toBe('v2');
    expect(reloads).toHaveLength(1);
  });

  it('takes a candidate that was not proved back from the gateway before it answers', async () => {
    failures = 1;
    await expect(prove('v2')).rejects.toThrow('The gateway said no.');
    expect(reloads.map(({ served: version }) => version)).toEqual(['v2', 'v1']);
    expect(reloads[1]?.expected).toEqual({ 'key#a': 'v1', 'key#b': 'v1' });
    await follower.tick();
    expect(reloads).toHaveLength(2);
  });

  it('tries again until the gateway was seen to have gone back', async () => {
    failures = 3;
    await expect(prove('v2')).rejects.toThrow();
    await follower.tick();
    expect(notes.at(-1)).toMatch(/is tried again/);
    await follower.tick();
    expect(notes.at(-1)).toBe('key: OpenClaw uses version v1 again.');
    await follower.tick();
    expect(reloads).toHaveLength(4);
  });

  it('takes it back, too, when nobody waits for the proof any more', async () => {
    await expect(prove('v2', AbortSignal.abort())).rejects.toThrow();
    expect(reloads.map(({ served: version }) => version)).toEqual(['v2', 'v1']);
  });

  it('goes back with a rollout that returns: the incumbent is proved like any other', async () => {
    await prove('v2');
    held = 'v2';
    await prove('v1');
    expect(served()).toBe('v1');
  });

  it('leaves AWSCURRENT to the provider when it stops', async () => {
    await prove('v2');
    follower.stop();
    expect(served()).toBeUndefined();
  });

  async function prove(versionId: string, signal = new AbortController().signal) {
    await proves.get('key')?.({ name: 'key', versionId }, { signal });
  }

  function served(): string | undefined {
    const entry = serveFile.read().get('key');
    return entry !== undefined && entry.expiresAt > clock.now() ? entry.versionId : undefined;
  }
});
