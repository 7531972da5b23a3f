import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EndsByItself,
  IncumbentRefused,
  InternalFault,
  Misconfigured,
  RateLimited,
  SameAsSurvivor,
  StillAlive,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { Installed } from '../providers/github-server.ts';
import { GitHubTokenHarness, tokenOf } from './github-token-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

const HOUR = 3600;

let harness: GitHubTokenHarness;
let made = 0;

beforeAll(async () => {
  harness = await GitHubTokenHarness.start();
});
afterAll(() => harness.stop());

/** A secret at a GitHub whose tokens live for an hour of a clock that is moved by hand. */
async function adopt(incumbent?: (installed: Installed) => string, secondsAgo = 0) {
  made += 1;
  const clock = new ManualClock(new Date(Date.now() - secondsAgo * 1000).toISOString());
  const rotator = harness.rotator(clock);
  const adopted = await harness.adopt(`life${made}`, incumbent);
  return { clock, adopted, rotator, rotations: new RotationByHand(rotator, adopted) };
}

/** A secret that holds a token of a person's. */
async function adoptPersonal(at: GitHubTokenHarness, prefix: string) {
  made += 1;
  const clock = new ManualClock(new Date().toISOString());
  const rotator = at.rotator(clock);
  const personal = at.server.mintPersonal(prefix);
  const adopted = await at.adopt(`personal${made}`, () => personal);
  return { clock, adopted, rotator, personal, rotations: new RotationByHand(rotator, adopted) };
}

/** Requests since `before` that may change something. */
const changes = (at: GitHubTokenHarness, before: number) =>
  at.server.log.slice(before).filter((line) => !line.startsWith('GET '));

const retiring = ({ rotations, adopted }: Awaited<ReturnType<typeof adopt>>) => ({
  settings: rotations.settings,
  admin: adopted.admin,
  identity: 'token',
  versionId: 'v0',
});

describe("a token's own end", () => {
  it('is told to the schedule, and written into the secret', async () => {
    const { clock, adopted, rotations, rotator } = await adopt();
    const expected = new Date(Math.floor(clock.now().getTime() / 1000) * 1000 + HOUR * 1000);
    const report = await rotator.issue({
      settings: rotations.settings,
      admin: adopted.admin,
      incumbent: adopted.incumbent,
      versionId: 'v1',
      startedAt: clock.now(),
      candidate: 'c',
      issuance: { since: clock.now(), existing: [], attempts: 1 },
      known: [],
    });
    expect(report.expiresAt).toEqual(expected);
    expect(report.facts).toMatchObject({ expires_at: expected.toISOString() });
    expect(JSON.parse(report.value.reveal())).toMatchObject({ team: 'data', expires_at: expected.toISOString() });
  });

  it('does not stop the next rotation, which says so and renews the token', async () => {
    const { clock, rotations, adopted } = await adopt(undefined, HOUR + 1);
    expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
    clock.advance(HOUR + 1);
    expect(await rotations.probe(adopted.incumbent)).toBe('refused');
    const preflight = await rotations.preflight('v1');
    expect(preflight.facts['incumbent']).toContain('it has ended');
    const { value } = await rotations.rotate();
    await harness.use(value);
  });

  it('is a proof of death, whatever the survivor does', async () => {
    const { clock, rotations } = await adopt();
    const brought = await rotations.bringIn();
    const replaced = rotations.promote(brought);
    clock.advance(HOUR + 1);
    expect(await rotations.retire(replaced)).toMatchObject({
      refusedLogin: true,
      facts: { token: 'it had ended before' },
    });
  });
});

describe('a token whose answer was lost', () => {
  it('is waited for until it must have ended, and then is dead', async () => {
    const { clock, rotations } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    const lost = await rotations.issue('v1', preflight, undefined, { lost: true });
    await expect(rotations.retire('v1')).rejects.toBeInstanceOf(EndsByItself);
    clock.advance(HOUR + 299);
    await expect(rotations.retire('v1')).rejects.toBeInstanceOf(EndsByItself);
    clock.advance(2);
    expect(await rotations.retire('v1')).toMatchObject({ refusedLogin: false });
    expect(harness.server.isAlive(tokenOf(lost))).toBe(false);
  });

  it('of a later attempt is waited for longer, and attempts end in time for that', async () => {
    const { clock, rotations } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    await rotations.issue('v1', preflight, undefined, { lost: true });
    clock.advance(1790);
    const late = await rotations.issue('v1', preflight, undefined, { lost: true });
    clock.advance(20);
    await expect(rotations.issue('v1', preflight, undefined, { lost: true })).rejects.toBeInstanceOf(TransientFailure);
    clock.advance(HOUR);
    // The first one has ended, but the second one may live: to say that all are dead would be wrong 30 minutes earlier.
    await expect(rotations.retire('v1')).rejects.toBeInstanceOf(EndsByItself);
    clock.advance(300);
    expect(await rotations.retire('v1')).toMatchObject({ refusedLogin: false });
    expect(harness.server.isAlive(tokenOf(late))).toBe(false);
  });

  it('is no danger to the token that a later attempt was given', async () => {
    const { rotations, adopted } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    await rotations.issue('v1', preflight, undefined, { lost: true });
    const value = await rotations.issue('v1', preflight);
    await harness.use(value);
    expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
  });

  it('that was surely never made is nothing to wait for', async () => {
    const { rotations } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    expect(await rotations.retire('v1')).toMatchObject({ refusedLogin: false, facts: { token: 'never made' } });
  });

  it('stays a debt where nothing says when it was made', async () => {
    const world = await adopt();
    const input = { ...retiring(world), value: undefined, survivor: world.adopted.incumbent };
    await expect(world.rotator.retire(input)).rejects.toBeInstanceOf(StillAlive);
  });
});

describe('retirement', () => {
  it('never ends the token that must go on, nor any while that one is refused', async () => {
    const world = await adopt();
    const { rotations, adopted, rotator } = world;
    const { value } = await rotations.bringIn();
    const input = { ...retiring(world), value: adopted.incumbent };
    await expect(rotator.retire({ ...input, survivor: adopted.incumbent })).rejects.toBeInstanceOf(SameAsSurvivor);
    const plain = new SecretText(tokenOf(adopted.incumbent));
    await expect(rotator.retire({ ...input, survivor: plain })).rejects.toBeInstanceOf(SameAsSurvivor);
    harness.server.end(tokenOf(value));
    await expect(rotator.retire({ ...input, survivor: value })).rejects.toBeInstanceOf(IncumbentRefused);
    await harness.use(adopted.incumbent);
  });

  it('waits for a revocation that spreads, and does not call dead what GitHub still takes', async () => {
    const slow = await GitHubTokenHarness.start({ revokedSeconds: 15 });
    try {
      const clock = new ManualClock(new Date().toISOString());
      const rotations = new RotationByHand(slow.rotator(clock), await slow.adopt('slow'));
      expect(await rotations.retire(rotations.promote(await rotations.bringIn()))).toMatchObject({
        refusedLogin: true,
      });
    } finally {
      await slow.stop();
    }
    const never = await GitHubTokenHarness.start({ revokedSeconds: 60 });
    try {
      const clock = new ManualClock(new Date().toISOString());
      const rotations = new RotationByHand(never.rotator(clock), await never.adopt('never'));
      const replaced = rotations.promote(await rotations.bringIn());
      await expect(rotations.retire(replaced)).rejects.toBeInstanceOf(StillAlive);
      clock.advance(60);
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
    } finally {
      await never.stop();
    }
  });

  it.each(['ghp_', 'github_pat_', 'gho_', 'ghu_'])(
    "has GitHub revoke a person's token (%s), asks as nobody, once, and proves its death",
    async (prefix) => {
      const { rotations, personal } = await adoptPersonal(harness, prefix);
      const { facts } = await rotations.preflight('v1');
      expect(facts['incumbent']).toContain('GitHub is asked to revoke it and tells that person');
      const brought = await rotations.bringIn('v1');
      await rotations.test(brought);
      const replaced = rotations.promote(brought);
      const before = harness.server.log.length;
      expect(await rotations.retire(replaced, { forget: false })).toMatchObject({
        refusedLogin: true,
        facts: { token: expect.stringContaining('revoked by GitHub') },
      });
      expect(harness.server.isAlive(personal)).toBe(false);
      expect(changes(harness, before)).toEqual(['POST /api/v3/credentials/revoke']);
      expect(await rotations.retire(replaced)).toMatchObject({ facts: { token: 'it had ended before' } });
      expect(changes(harness, before)).toHaveLength(1);
      await harness.use(brought.value);
    },
  );

  it("waits until GitHub has done what it accepted for a person's token, and calls nothing dead before", async () => {
    for (const [revokedSeconds, isDead] of [
      [15, true],
      [60, false],
    ] as const) {
      const slow = await GitHubTokenHarness.start({ revokedSeconds });
      try {
        const { rotations, clock } = await adoptPersonal(slow, 'ghp_');
        const replaced = rotations.promote(await rotations.bringIn());
        const attempt = rotations.retire(replaced);
        if (isDead) expect(await attempt).toMatchObject({ refusedLogin: true });
        else await expect(attempt).rejects.toBeInstanceOf(StillAlive);
        clock.advance(60);
        if (!isDead) expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
      } finally {
        await slow.stop();
      }
    }
  });

  it.each([
    ['an Enterprise Server, which wants somebody to ask', { revocation: 'somebody' }, 401],
    ['an older one, which has no such request', { revocation: 'nobody' }, 404],
  ] as const)(
    "leaves a person's token to that person at %s, and proves its death afterwards",
    async (_, options, status) => {
      const other = await GitHubTokenHarness.start(options);
      try {
        const { rotations, personal } = await adoptPersonal(other, 'ghp_');
        const replaced = rotations.promote(await rotations.bringIn());
        const attempt = rotations.retire(replaced);
        await expect(attempt).rejects.toBeInstanceOf(StillAlive);
        await expect(attempt).rejects.toThrow(new RegExp(`\\(HTTP ${status}\\)\\. A person must delete it`));
        expect(other.server.isAlive(personal)).toBe(true);
        other.server.end(personal);
        expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
      } finally {
        await other.stop();
      }
    },
  );

  it("keeps a person's token a debt where GitHub says no, or is in trouble, and repeats it nowhere", async () => {
    for (const [answer, kind] of [
      [{ status: 422, body: { message: 'words of a server' } }, StillAlive],
      [{ status: 403, body: { message: 'words of a server' } }, StillAlive],
      [{ status: 200, body: {} }, StillAlive],
      [{ status: 403, headers: { 'x-ratelimit-remaining': '0' }, body: { message: 'words of a server' } }, RateLimited],
      [{ status: 500, body: { message: 'words of a server' } }, TransientFailure],
      [{ status: 307, headers: { location: `${harness.server.origin}/elsewhere` } }, Misconfigured],
    ] as const) {
      const { rotations, personal } = await adoptPersonal(harness, 'ghp_');
      const replaced = rotations.promote(await rotations.bringIn());
      const before = harness.server.log.length;
      harness.server.plan({ method: 'POST', path: /credentials/, does: { kind: 'answers', answer } });
      const error = await rotations.retire(replaced).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(kind);
      const shown = inspect(error, { depth: 20, showHidden: true });
      for (const secret of [personal, 'words of a server']) expect(shown).not.toContain(secret);
      expect(changes(harness, before)).toEqual(['POST /api/v3/credentials/revoke']);
      expect(harness.server.log.slice(before).join()).not.toContain('elsewhere');
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
    }
  });

  it("never hands in a person's token that must go on, or while the new one is refused, nor an installation's", async () => {
    const { rotations, rotator, adopted, personal } = await adoptPersonal(harness, 'ghp_');
    const brought = await rotations.bringIn();
    const { settings } = rotations;
    const input = { settings, admin: adopted.admin, identity: 'token', versionId: 'v0', value: adopted.incumbent };
    const before = harness.server.log.length;
    await expect(rotator.retire({ ...input, survivor: new SecretText(personal) })).rejects.toBeInstanceOf(
      SameAsSurvivor,
    );
    harness.server.end(tokenOf(brought.value));
    await expect(rotator.retire({ ...input, survivor: brought.value })).rejects.toBeInstanceOf(IncumbentRefused);
    expect(changes(harness, before)).toEqual([]);
    expect(harness.server.isAlive(personal)).toBe(true);
  });

  const ANYBODY = { status: 200, body: { total_count: 3, repositories: [] } };
  const says = (message: string) => ({ status: 401, body: { message } });
  it.each([
    ["a 401 in other words than GitHub's", [ANYBODY, says('Unauthorized')], InternalFault],
    [
      'a 401 for no header, which something on the way has taken off',
      [ANYBODY, says('Requires authentication')],
      InternalFault,
    ],
    ['such a 401 to everybody', [says('Requires authentication')], InternalFault],
    ["GitHub's own words to everybody", [says('Bad credentials')], IncumbentRefused],
  ] as const)("takes no person's token for dead by %s", async (_, answers, kind) => {
    const { rotations, personal } = await adoptPersonal(harness, 'ghp_');
    const replaced = rotations.promote(await rotations.bringIn());
    for (const answer of answers) harness.server.plan({ path: /repositories/, does: { kind: 'answers', answer } });
    const before = harness.server.log.length;
    const error = await rotations.retire(replaced).catch((reason: unknown) => reason);
    expect(harness.server.pending).toBe(0);
    expect(error).toBeInstanceOf(kind);
    expect(changes(harness, before)).toEqual([]);
    expect(harness.server.isAlive(personal)).toBe(true);
    expect(await rotations.retire(replaced)).toMatchObject({ facts: { token: expect.stringContaining('revoked by') } });
    expect(harness.server.isAlive(personal)).toBe(false);
  });

  it('goes on where the token that replaced it has ended by itself: then its own revocation is the proof', async () => {
    for (const begin of [() => adopt(), () => adoptPersonal(harness, 'ghp_')]) {
      const world = await begin();
      const { rotations, clock, rotator } = world;
      const replaced = rotations.promote(await rotations.bringIn());
      clock.advance(2 * HOUR);
      expect(await rotations.probe(rotations.current.value)).toBe('refused');
      const input = { ...retiring(world), value: rotations.valueOf(replaced), survivor: rotations.current.value };
      // As far as the ledger knows, it should not have.
      await expect(rotator.retire(input)).rejects.toBeInstanceOf(IncumbentRefused);
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
      expect(harness.server.isAlive(tokenOf(rotations.valueOf(replaced)))).toBe(false);
    }
  });

  it('takes a token that is past its own end and refused for dead, whatever became of the one that must go on', async () => {
    const { rotations, clock, adopted } = await adopt();
    const { versionId } = await rotations.bringIn();
    harness.server.end(tokenOf(adopted.incumbent));
    await expect(rotations.retire(versionId)).rejects.toBeInstanceOf(IncumbentRefused);
    clock.advance(2 * HOUR);
    expect(await rotations.retire(versionId)).toMatchObject({ facts: { token: 'it had ended before' } });
  });

  it('is never of a refresh token, which GitHub refuses alive or dead: its rotation does not begin', async () => {
    const { rotations, personal } = await adoptPersonal(harness, 'ghr_');
    harness.server.plan({
      path: /repositories/,
      does: { kind: 'answers', answer: { status: 401, body: { message: 'Bad credentials' } } },
    });
    await expect(rotations.preflight('v1')).rejects.toThrow(/refresh token/);
    expect(harness.server.isAlive(personal)).toBe(true);
  });

  it('hands in no token of the oldest form, which GitHub does not take there', async () => {
    const { rotations } = await adoptPersonal(harness, '0123'); // 40 hexadecimal digits
    const replaced = rotations.promote(await rotations.bringIn());
    const before = harness.server.log.length;
    await expect(rotations.retire(replaced)).rejects.toThrow(/none of the forms/);
    expect(changes(harness, before)).toEqual([]);
  });

  it('says that a person must end a token of a form that it does not know, where GitHub does not let it end itself', async () => {
    const { rotations } = await adopt(() => harness.server.mintPersonal('ghx_'));
    const replaced = rotations.promote(await rotations.bringIn());
    await expect(rotations.retire(replaced)).rejects.toThrow(/revoke itself \(HTTP 403\)/);
  });
});

it('waits in the pre-heat for a new token that is not known everywhere yet', async () => {
  const slow = await GitHubTokenHarness.start({ newSeconds: 3 });
  try {
    const clock = new ManualClock(new Date().toISOString());
    const adopted = await slow.adopt('new');
    clock.advance(3);
    const rotations = new RotationByHand(slow.rotator(clock), adopted, { healthyThreshold: 3 });
    const brought = await rotations.bringIn();
    expect(await rotations.probe(brought.value)).toBe('refused');
    expect(await rotations.test(brought)).toMatchObject({ healthy: 3 });
  } finally {
    await slow.stop();
  }
});

it('takes tokens of the long stateless form like any other', async () => {
  const stateless = await GitHubTokenHarness.start({ form: 'stateless' });
  try {
    const clock = new ManualClock(new Date().toISOString());
    const rotations = new RotationByHand(stateless.rotator(clock), await stateless.adopt('stateless'));
    for (let turn = 0; turn < 2; turn += 1) {
      const { value } = await rotations.rotate();
      expect(tokenOf(value).length).toBeGreaterThan(400);
    }
  } finally {
    await stateless.stop();
  }
});
