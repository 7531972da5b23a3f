import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../../shared/clock.ts';
import { ReloadUnproven } from '../../../../shared/openclaw/errors.ts';
import type { GatewayRpc } from '../../../../shared/openclaw/gateway-rpc.ts';
import { reloadOpenClaw } from '../../../../shared/openclaw/reload.ts';
import { appendWitness } from '../../../../shared/openclaw/witness.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

const GATEWAY = 100;
const BROKER = 101;
const ID = 'prod/openai#api_key';

/** A gateway whose reload does what the test says, one step of `script` after the other; the last one stays. */
class FakeGateway implements GatewayRpc {
  script: ((this: FakeGateway) => { ok?: boolean; warningCount?: number } | Promise<object> | void)[] = [];
  degraded: readonly string[] = [];
  reloads = 0;
  running = 0;
  mostAtOnce = 0;
  readonly #serve: (line: { parent?: number; versionId?: string; ageSeconds?: number; error?: boolean }) => void;

  constructor(serve: (typeof FakeGateway.prototype)['serve']) {
    this.#serve = serve;
  }

  serve(line: { parent?: number; versionId?: string; ageSeconds?: number; error?: boolean }): void {
    this.#serve(line);
  }

  async reload() {
    this.running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    const step = this.script[Math.min(this.reloads, this.script.length - 1)];
    this.reloads += 1;
    await Promise.resolve();
    const said = await step?.call(this);
    this.running -= 1;
    return { ok: true, warningCount: 0, ...said };
  }

  async status() {
    return { pid: GATEWAY, degraded: this.degraded };
  }
}

describe('reloading OpenClaw', () => {
  const clock = new ManualClock();
  let directory: string;
  let witnessFile: string;
  let gateway: FakeGateway;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rekey-test-'));
    witnessFile = join(directory, 'witness.jsonl');
    gateway = new FakeGateway(({ parent = BROKER, versionId = 'v2', ageSeconds = 0, error = false }) => {
      const at = new Date(clock.now().getTime() - ageSeconds * 1000);
      appendWitness(witnessFile, {
        at,
        parent,
        ids: error ? {} : { [ID]: versionId },
        errors: error ? { [ID]: 'ACCESS_DENIED' } : {},
      });
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is done when the gateway was served the expected version', async () => {
    gateway.script = [() => gateway.serve({})];
    expect(await reload()).toEqual({ attempts: 1 });
  });

  it('takes a gateway without a broker too', async () => {
    gateway.script = [() => gateway.serve({ parent: GATEWAY })];
    expect(await reload()).toEqual({ attempts: 1 });
  });

  it('reloads again when it was joined to a reload that had read before', async () => {
    gateway.serve({ versionId: 'v1', ageSeconds: 1 });
    gateway.script = [() => undefined, () => gateway.serve({})];
    expect(await reload()).toEqual({ attempts: 2 });
  });

  it('reloads again when the joined reload wrote its witness only now', async () => {
    gateway.script = [() => gateway.serve({ versionId: 'v1' }), () => gateway.serve({})];
    expect(await reload()).toEqual({ attempts: 2 });
  });

  it('does not take an old witness of the right version for a new one', async () => {
    gateway.serve({ versionId: 'v2', ageSeconds: 1 });
    await expect(reload()).rejects.toThrow(/did not ask the provider for "prod\/openai#api_key"/);
  });

  it("does not take somebody else's request to the provider, such as an audit's, for the gateway's", async () => {
    gateway.script = [() => gateway.serve({ parent: 999 })];
    await expect(reload()).rejects.toThrow(ReloadUnproven);
    gateway.reloads = 0;
    gateway.script = [() => gateway.serve({ parent: 999 }), () => gateway.serve({})];
    expect(await reload()).toEqual({ attempts: 2 });
  });

  it('counts the last answer for each id', async () => {
    gateway.script = [
      () => {
        gateway.serve({ versionId: 'v2' });
        gateway.serve({ versionId: 'v1' });
      },
    ];
    await expect(reload()).rejects.toThrow(/served another version/);
  });

  it.each([
    ['a warning', /answered with 1 warnings/, () => ({ warningCount: 1 })],
    ['not ok', /not ok/, () => ({ ok: false })],
  ])('refuses %s although the version was served', async (_, sentence, said) => {
    gateway.script = [
      () => {
        gateway.serve({});
        return said();
      },
    ];
    await expect(reload()).rejects.toThrow(sentence);
    expect(gateway.reloads).toBe(4);
  });

  it('refuses while anything is degraded', async () => {
    gateway.script = [() => gateway.serve({})];
    gateway.degraded = ['model-provider openai'];
    await expect(reload()).rejects.toThrow(/degraded: model-provider openai/);
  });

  it('says which id the provider had no value for', async () => {
    gateway.script = [() => gateway.serve({ error: true })];
    await expect(reload()).rejects.toThrow(/answered ACCESS_DENIED for "prod\/openai#api_key"/);
  });

  it('gives up after four reloads, and says that the old value may be in use', async () => {
    await expect(reload()).rejects.toMatchObject({
      name: 'ReloadUnproven',
      code: 'REKEY_OPENCLAW_RELOAD',
      message: expect.stringContaining('OpenClaw may still use the old value after 4 reloads'),
    });
    expect(gateway.reloads).toBe(4);
  });

  it('gives up when its time is over, whatever the gateway does', async () => {
    gateway.script = [() => new Promise(() => undefined)];
    const over = new AbortController();
    gateway.reload = async (signal?: AbortSignal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true }));
    const outcome = reload({ signal: over.signal });
    setImmediate(() => over.abort());
    await expect(outcome).rejects.toThrow(ReloadUnproven);
  });

  it('tries again after a reload that failed', async () => {
    gateway.script = [
      () => {
        throw new ReloadUnproven('"openclaw secrets reload" ended with exit code 1.');
      },
      () => gateway.serve({}),
    ];
    expect(await reload()).toEqual({ attempts: 2 });
  });

  it('runs one reload at a time', async () => {
    gateway.script = [
      async () => {
        gateway.serve({});
        await new Promise(setImmediate);
        return {};
      },
    ];
    await Promise.all([reload(), reload(), reload()]);
    expect([gateway.reloads, gateway.mostAtOnce]).toEqual([3, 1]);
    expect(readdirSync(directory)).toEqual(['witness.jsonl']);
  });

  it('takes over the lock of a process that died, and waits for one that lives', async () => {
    gateway.script = [() => gateway.serve({})];
    const lockFile = `${witnessFile}.lock`;
    const before = clock.now();
    writeFileSync(lockFile, JSON.stringify({ pid: 2 ** 22 + 1, id: 'x', at: before.toISOString() }));
    expect(await reload()).toEqual({ attempts: 1 });
    expect(clock.now()).toEqual(before);
    writeFileSync(lockFile, 'half writ');
    expect(await reload()).toEqual({ attempts: 1 });

    writeFileSync(lockFile, JSON.stringify({ pid: process.ppid, id: 'x', at: clock.now().toISOString() }));
    const waiting = reload({ clock: { now: () => clock.now(), sleep: () => new Promise(setImmediate) } });
    await new Promise(setImmediate);
    expect(gateway.reloads).toBe(2);
    rmSync(lockFile);
    expect(await waiting).toEqual({ attempts: 1 });
  });

  function reload(options: { readonly signal?: AbortSignal; readonly clock?: Clock } = {}) {
    return reloadOpenClaw({
      url: 'ws://127.0.0.1:1',
      token: 'token',
      witnessFile,
      expect: { [ID]: 'v2' },
      rpc: gateway,
      clock,
      parentOf: (pid) => (pid === BROKER ? GATEWAY : 1),
      ...options,
    });
  }
});
