import { describe, expect, it } from 'vitest';
import { CandidateUnproven, RateLimited, TransientFailure } from '../../../../../shared/errors.ts';
import { preheat } from '../../../../../shared/rotators/provider-api/preheat.ts';
import type { RotatorSettings } from '../../../../../shared/rotators/rotator.ts';
import { ManualClock } from '../../../../fakes/manual-clock.ts';

const settings: RotatorSettings = {
  secretId: 'one',
  mode: 'two_roles',
  preheatSeconds: 30,
  healthyThreshold: 1,
  endSessions: true,
};
const limited = (retryAfterSeconds: number) => new RateLimited('Slow down.', { retryAfterSeconds });

/** At which second each check came, and what came of all. */
async function heat(...answers: readonly (Error | 'found')[]) {
  const clock = new ManualClock();
  const began = clock.now().getTime();
  const seconds: number[] = [];
  const left = [...answers];
  const outcome = await preheat({ clock, settings }, async () => {
    seconds.push((clock.now().getTime() - began) / 1000);
    const next = left.length > 1 ? left.shift() : left[0];
    if (next instanceof Error) throw next;
    return next;
  }).catch((error: unknown) => error);
  return { seconds, outcome };
}

describe('the pre-heat', () => {
  it('asks a provider no sooner than it said', async () => {
    const { seconds, outcome } = await heat(limited(12), limited(18), 'found');
    expect(seconds).toEqual([0, 12, 30]);
    expect(outcome).toMatchObject({ healthy: 1, found: 'found' });
  });

  it('gives the phase back at once where that is after its time: the provider is asked once', async () => {
    const { seconds, outcome } = await heat(limited(60));
    expect(seconds).toEqual([0]);
    expect(outcome).toBeInstanceOf(RateLimited);
    expect(outcome).toMatchObject({ retryAfterSeconds: 60 });
  });

  it('asks every second where it was told nothing, until the time is over', async () => {
    const { seconds, outcome } = await heat(new TransientFailure('Broken.'));
    expect(seconds).toHaveLength(31);
    expect(outcome).toBeInstanceOf(CandidateUnproven);
  });
});
