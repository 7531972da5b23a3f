import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { login } from '../harness/deployed/database.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { Fleet, type FleetOptions } from '../harness/deployed/fleet.ts';
import { alertOf } from '../harness/deployed/mailbox.ts';
import { recordOf, rotate, untilRetired } from '../harness/deployed/rotations.ts';
import { currentDigest, currentValue, currentVersion } from '../harness/deployed/secrets.ts';
import { deployment } from '../harness/deployed/system.ts';

const { secret } = EXAMPLES.rollout;
const ROTATIONS = 10;
const MINUTES = 60_000;

const fleets: Fleet[] = [];

beforeAll(async () => {
  expect(await rotate(secret)).toMatchObject({ status: 'succeeded', fault: null });
  for (let index = 0; index < 5; index += 1) fleets.push(await started({ consumers: 50 }));
}, 3 * MINUTES);
afterAll(async () => {
  for (const fleet of fleets) await fleet.close();
}, 2 * MINUTES);

describe('250 consumers under constant load', () => {
  it(
    `are all on the new version before the old one is retired, ${ROTATIONS} times, and no query fails`,
    async () => {
      for (let round = 0; round < ROTATIONS; round += 1) {
        const incumbent = await currentVersion(secret);
        expect(await rotate(secret)).toMatchObject({ status: 'succeeded', fault: null });
        await untilRetired(secret, incumbent);
        const current = await currentVersion(secret);
        const dead = await provedDeadAt(incumbent);
        for (const fleet of fleets) {
          const { versions, taken } = await fleet.report();
          expect(new Set(versions)).toEqual(new Set([current]));
          expect(taken[current]).toBeLessThanOrEqual(dead.getTime());
        }
        const { rotation } = await recordOf(secret);
        expect(rotation?.rollout).toMatchObject({ consumers: 250 });
        expect(rotation?.rollout?.bounds).toHaveLength(4);
      }
      const { queries, failures } = await load();
      expect(failures).toEqual([]);
      expect(queries).toBeGreaterThan(2000);
    },
    8 * MINUTES,
  );

  it(
    'lose no query when five consumers are killed and five hang in the middle of the rollout',
    async () => {
      const killed = await started({ consumers: 5, manner: 'hangs' });
      const hanging = await started({ consumers: 5, manner: 'hangs' });
      try {
        const incumbent = await currentVersion(secret);
        const [rotation] = await Promise.all([rotate(secret), killed.proving().then(() => killed.kill())]);
        expect(rotation).toMatchObject({ status: 'succeeded', fault: null });
        const current = await currentVersion(secret);
        for (const fleet of fleets) expect(new Set((await fleet.report()).versions)).toEqual(new Set([current]));
        // Nobody is locked out who may still use the old version: it lives until they have gone.
        expect((await recordOf(secret)).ledger).toContainEqual(
          expect.objectContaining({ versionId: incumbent, state: 'grace' }),
        );
        await hanging.kill();
        // Who was killed said nothing: what it held is kept for its bound and the margin, 60 s.
        await untilRetired(secret, incumbent, 3 * MINUTES);
        expect((await load()).failures).toEqual([]);
      } finally {
        await killed.kill();
        await hanging.kill();
      }
    },
    5 * MINUTES,
  );

  it(
    'all go back when one of them refuses, and the alert names it',
    async () => {
      const refusing = await started({ consumers: 1, manner: 'refuses', agent: 'reporting-agent' });
      try {
        const before = await currentDigest(secret);
        const { status, rotation_id: id, fault } = await rotate(secret);
        expect(status).toBe('rolled_back');
        expect(fault?.name).toBe('ConsumersRefused');
        expect(await currentDigest(secret)).toBe(before);
        const alert = await alertOf(secret, id, 'rotation_rolled_back');
        expect(JSON.stringify(alert)).toContain('reporting-agent');
        expect(JSON.stringify(alert)).toContain('the reporting job cannot use this login');
        await untilRetired(secret, id);
        const current = await currentVersion(secret);
        for (const fleet of fleets) expect(new Set((await fleet.report()).versions)).toEqual(new Set([current]));
        expect((await load()).failures).toEqual([]);
        expect(await login(await currentValue(secret))).toBe('accepted');
      } finally {
        await refusing.kill();
      }
    },
    5 * MINUTES,
  );
});

function started(options: Partial<FleetOptions>): Promise<Fleet> {
  const isLoaded = options.manner === undefined;
  return Fleet.start({
    secret,
    agent: 'billing-agent',
    consumers: 1,
    reconnecting: isLoaded ? 2 : 0,
    pooled: isLoaded ? 1 : 0,
    manner: 'proves',
    ...options,
  });
}

async function load(): Promise<{ readonly queries: number; readonly failures: readonly string[] }> {
  const reports = await Promise.all(fleets.map((fleet) => fleet.report()));
  return {
    queries: reports.reduce((sum, { queries }) => sum + queries, 0),
    failures: reports.flatMap(({ failures }) => failures),
  };
}

async function provedDeadAt(versionId: string): Promise<Date> {
  const { auditTrail } = await deployment();
  return eventually(`the proof that version ${versionId} is dead`, async () => {
    for await (const { action, context, timestamp } of auditTrail.read(secret)) {
      if (action.endsWith('proved_dead') && context['version_id'] === versionId) return new Date(timestamp);
    }
    return undefined;
  });
}
