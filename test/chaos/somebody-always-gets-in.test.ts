import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kill } from '../harness/killable.ts';
import { PostgresHarness } from '../rotators/postgresql-harness.ts';
import { ChaosWorld, RECOVERIES } from './chaos-world.ts';

const MINUTES = 60_000;

/** The side effects of each step, in their order. */
const GENERATE = ['save', 'save', 'putPending', 'install', 'save'];
const TEST = ['save'];
const AUDIT = ['save'];
const APPLY = ['promote', 'save'];
const NOTIFY = ['publish', 'save'];
const RETIRE = ['save', 'retire', 'save', 'save'];

let harness: PostgresHarness;
let roles = 0;
beforeAll(async () => {
  harness = await PostgresHarness.start({ log_statement: 'none' });
});
afterAll(() => harness?.stop());

describe('somebody always gets in: a PostgreSQL rotation killed between any two side effects', () => {
  it('has the effects that this test kills at', async () => {
    const world = await ChaosWorld.adopted(harness, nextRole(), { recovery: 'workflow retries' });
    await world.rotateAndRecover();
    expect(world.effects.effects).toEqual([...GENERATE, ...TEST, ...AUDIT, ...APPLY, ...NOTIFY, ...RETIRE]);
  });

  it.each(RECOVERIES)(
    'recovers by %s',
    async (recovery) => {
      const count = await countEffects();
      const broken: string[] = [];
      for (const kill of killPoints(recovery, count)) {
        const found = await survive(recovery, kill);
        broken.push(...found.map((text) => `killed ${kill.when} effect ${kill.effect}: ${text}`));
      }
      expect(broken).toEqual([]);
    },
    5 * MINUTES,
  );
});

/**
 * Every boundary between two effects. A step that is retried sees a difference between an effect that did not happen and
 * one whose answer was lost; to who comes after a dead execution, dying after one effect is dying before the next.
 */
function killPoints(recovery: (typeof RECOVERIES)[number], count: number): readonly Kill[] {
  const effects = Array.from({ length: count }, (_, index) => index + 1);
  const after = effects.map((effect) => ({ effect, when: 'after' }) as const);
  if (recovery !== 'workflow retries') return [{ effect: 1, when: 'before' }, ...after];
  return [...effects.map((effect) => ({ effect, when: 'before' }) as const), ...after];
}

async function countEffects(): Promise<number> {
  const world = await ChaosWorld.adopted(harness, nextRole(), { recovery: 'workflow retries' });
  await world.rotateAndRecover();
  return world.effects.effects.length;
}

async function survive(recovery: (typeof RECOVERIES)[number], kill: Kill): Promise<readonly string[]> {
  const world = await ChaosWorld.adopted(harness, nextRole(), { recovery, kill });
  await world.rotateAndRecover();
  const broken: string[] = world.lockedOut.map((effect) => `AWSCURRENT did not log in after ${effect}`);
  if (!(await world.currentLogsIn())) broken.push('AWSCURRENT does not log in at the end');
  const unknown = await world.unknownLogins();
  if (unknown.length > 0) broken.push(`logins that the registry does not know: ${unknown.join(', ')}`);
  if (!(await world.isChainIntact())) broken.push('the audit chain is broken');
  const next = await world.nextRotation();
  if (next !== 'rotated') broken.push(`the next rotation: ${next}`);
  if (!(await world.currentLogsIn())) broken.push('AWSCURRENT does not log in after the next rotation');
  return broken;
}

function nextRole(): string {
  roles += 1;
  return `chaos${roles}`;
}
