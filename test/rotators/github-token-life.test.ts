import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EndsByItself, IncumbentRefused, SameAsSurvivor, StillAlive, TransientFailure } from '../../shared/errors.ts';
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
    "leaves a person's token (%s) to that person, asks GitHub for nothing, and proves its death afterwards",
    async (prefix) => {
      let personal = '';
      const { rotations } = await adopt(() => {
        personal = harness.server.mintPersonal(prefix);
        return personal;
      });
      const preflight = await rotations.preflight('v1');
      expect(preflight.facts['incumbent']).toContain('until that person deletes it');
      const brought = await rotations.bringIn('v1');
      await rotations.test(brought);
      const replaced = rotations.promote(brought);
      const before = harness.server.log.length;
      await expect(rotations.retire(replaced)).rejects.toThrow(/A person must delete it/);
      expect(harness.server.log.slice(before).filter((line) => line.startsWith('DELETE'))).toEqual([]);
      harness.server.end(personal);
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true });
    },
  );

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
