import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import { Misconfigured, TargetUnreachable, Throttled, TransientFailure } from '../../shared/errors.ts';
import type { IssuedRotator } from '../../shared/rotators/rotator.ts';
import { type Spoil, spoiling } from '../chaos/broken-rotators.ts';
import { ChaosWorld } from '../chaos/chaos-world.ts';
import { openHttp, openHttpWithoutList } from './http-harness.ts';
import type { TargetHarness } from './target-harness.ts';

/*
 * Whole rotations, by the real steps: what the API has made is revoked, or people are told which credential to look for.
 */

type Change = (http: HttpDeclaration) => HttpDeclaration;

const changed = (http: HttpDeclaration, create: Partial<HttpDeclaration['create']>): HttpDeclaration => ({
  ...http,
  create: { ...http.create, ...create },
});
const idNowhere: Change = (http) => changed(http, { capture: { ...http.create.capture, id: '/data/nothing' } });
const UNUSABLE: readonly (readonly [string, Change])[] = [
  ['has another status of success than expected', (http) => changed(http, { expect: [200] })],
  ['has no id where it is looked for', idNowhere],
  [
    'has no value where it is looked for',
    (http) => changed(http, { capture: { ...http.create.capture, value: '/data/nothing' } }),
  ],
  ['has no text for an id', (http) => changed(http, { capture: { ...http.create.capture, id: '/data' } })],
];

let harnesses: { readonly withList: TargetHarness; readonly withoutList: TargetHarness };
beforeAll(async () => {
  harnesses = { withList: await openHttp(), withoutList: await openHttpWithoutList() };
});
afterAll(() => Promise.all(Object.values(harnesses ?? {}).map((harness) => harness.stop())));

let adopted = 0;
/** A secret that its declaration is wrong for, or whose rotator fails. */
async function world(harness: TargetHarness, { change = (same) => same, spoil }: { change?: Change; spoil?: Spoil }) {
  adopted += 1;
  const wrong: TargetHarness = {
    ...harness,
    adopt: async (name) => {
      const one = await harness.adopt(name);
      return { ...one, declared: { ...one.declared, http: change(one.declared.http as HttpDeclaration) } };
    },
  };
  const plan = { recovery: 'workflow retries', ...(spoil === undefined ? {} : { spoil }) } as const;
  const one = await ChaosWorld.adopted(wrong, `secret${adopted}`, plan);
  // The names that are there besides the one that was made by hand.
  const { name, declared, incumbent, admin } = one.adopted;
  const left = () =>
    wrong.unaccounted({ name, declared, incumbent, admin }, [{ identity: '', versionId: '', value: incumbent }]);
  return { one, left };
}

describe('an answer to create that cannot be used', () => {
  it.each(UNUSABLE)('because it %s leaves nothing behind, in this rotation or in the next', async (_, change) => {
    const { one, left } = await world(harnesses.withList, { change });
    for (const run of [() => one.rotateAndRecover(), () => one.nextRotation()]) {
      expect(String(await run())).toMatch(/^undefined$|^rolled_back: CandidateUnproven /);
      expect(await one.faults()).toEqual([]);
      expect(one.broken).toEqual([]);
      expect(await left()).toEqual([]);
    }
  });

  it.each(UNUSABLE)('because it %s, without a list: people are told of each by its name', async (_, change) => {
    const { one, left } = await world(harnesses.withoutList, { change });
    await one.rotateAndRecover();
    const first = await one.told();
    expect(first).toHaveLength(1);
    expect(await one.nextRotation()).toMatch(/^rolled_back: CandidateUnproven /);
    expect(await one.told()).toHaveLength(2);
    expect(await one.faults()).toEqual([]);
    expect(one.broken).toEqual([]);
    for (const name of await left()) expect(await one.told()).toContain(name);
  });
});

describe('without a list, an attempt', () => {
  const failsOnce = (fault: Error): Spoil => {
    let isOver = false;
    return spoiling<IssuedRotator>((rotator) => ({
      issue: async (input) => {
        if (isOver) return rotator.issue(input);
        isOver = true;
        throw fault;
      },
    }));
  };

  it.each([
    ['that found nobody there', new TargetUnreachable('refused')],
    ['that was to come later', new Throttled('slow down')],
  ])('%s is none: the next one asks, and nothing is in doubt', async (_, fault) => {
    const { one } = await world(harnesses.withoutList, { spoil: failsOnce(fault) });
    await one.rotateAndRecover();
    expect(await one.faults()).toEqual([]);
    expect(await one.told()).toEqual([]);
    expect(await one.rotated()).toBe(true);
  });

  it('that was refused for what it asked leaves no doubt either', async () => {
    const { one, left } = await world(harnesses.withoutList, { spoil: failsOnce(new Misconfigured('status 400')) });
    await one.rotateAndRecover();
    expect(await one.rotated()).toBe(false);
    expect(await one.faults()).toEqual([]);
    expect([...(await one.told()), ...(await left())]).toEqual([]);
  });

  it('whose answer was lost is the only one; the rotation after it works', async () => {
    const loses = (): Spoil => {
      let isOver = false;
      return spoiling<IssuedRotator>((rotator) => ({
        issue: async (input) => {
          const report = await rotator.issue(input);
          if (isOver) return report;
          isOver = true;
          throw new TransientFailure('lost');
        },
      }));
    };
    const { one, left } = await world(harnesses.withoutList, { spoil: loses() });
    await one.rotateAndRecover();
    expect(await one.rotated()).toBe(false);
    const told = await one.told();
    expect(told).toEqual(await left());
    expect(told).toHaveLength(1);
    expect(await one.nextRotation()).toBe('rotated');
    expect(await one.faults()).toEqual([]);
    expect(await one.told()).toEqual(told);
  });
});
